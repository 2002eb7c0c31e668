"""One slash command, or one kind of event, per file; `bot.bot` loads every file that it finds here."""
