"""Styles: templates for prompts. `library` keeps them, `starters` ship with the bot, `embed` shows them."""
