"""Actions of the bot and of people: messages, reactions, commands, components, interaction responses.

Imports `validation` and `world`; contains no HTTP and no WebSockets.
"""
