"""Describes a failed request to Discord in one line."""

from __future__ import annotations

import discord

from bot.text import shorten

_LONGEST = 200
"""Characters."""


def failure_text(error: BaseException) -> str:
    """One line of at most 200 characters; HTML pages, which proxies send, are left out."""
    if isinstance(error, discord.GatewayNotFound) and isinstance(error.__cause__, discord.HTTPException):
        error = error.__cause__
    if isinstance(error, discord.HTTPException):
        said = f" ({error.text})" if error.text and "<" not in error.text else ""
        text = f"HTTP {error.status} {error.response.reason or ''}".strip() + said
    elif isinstance(error, discord.ConnectionClosed):
        text = f"the gateway closed the connection with code {error.code}"
    else:
        text = str(error).partition(" ssl:")[0] or type(error).__name__
    return shorten(" ".join(text.split()), _LONGEST).rstrip(".")
