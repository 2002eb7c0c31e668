"""What the bot and people do: post and change messages, use commands and components, answer interactions.

Imports `validation` and `world`. Knows neither HTTP nor WebSockets.
"""
