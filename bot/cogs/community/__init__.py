"""Slash commands and message commands of `bot.community`: one feature per module."""
