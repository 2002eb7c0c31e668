"""Buttons, menus and modals of `bot.community`. Their state is in the custom id."""
