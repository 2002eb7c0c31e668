"""Gateway, REST, CDN and people of the local Discord. It knows no bot: any discord.py program may join it."""
