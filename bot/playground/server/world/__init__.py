"""What exists in the local Discord: users, guilds, channels, messages, files, permissions, and their payloads.

Imports the standard library and Pillow, no other package of the server.
"""
