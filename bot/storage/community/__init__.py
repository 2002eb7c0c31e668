"""Tables of `bot.community`: one repository per feature."""
