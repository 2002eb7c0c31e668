"""Finding pictures again: stars, the gallery of a server, the starboard, search by words and by the look.

Every list asks `bot.storage.community.picture_index` what its reader may see.
"""
