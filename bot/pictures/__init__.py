"""Pictures in the bot: uploads, masks, contact sheets, ranking, NSFW check, timelapses.

Imports storage, models and the engine's client. Never imports torch.
"""
