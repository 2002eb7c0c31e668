"""The local Discord server: gateway, REST API, CDN, and the actions of people. Any discord.py program can join it.

Imports no module of the bot. From the top down: local, rest, gateway, actions, validation, world.
"""
