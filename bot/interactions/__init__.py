"""Discord's API for the rest of the bot: connection, invocation context, responder, payloads, errors in words.

Imports models and `bot.text`. Contains no rule of the queue or the quota.
"""
