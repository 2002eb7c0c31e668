"""The configuration: its schema, loader, error messages and logging setup.

Imports nothing of the bot but `bot.errors`, and the engine's option models.
"""
