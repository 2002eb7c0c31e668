"""Turns text into engine requests and back: command text, compare syntax, batches, autocomplete.

Imports the engine's request models and `bot.models`.
"""
