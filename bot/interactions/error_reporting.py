"""The one place where an error becomes words: a DreamError says its own, anything else is logged under an id.

Text from here goes to the person who asked, and to nobody else where Discord allows that.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from discord import app_commands

from bot.text import shorten
from engine.errors import DreamError, PromptError

log = logging.getLogger(__name__)

LONGEST = 800
"""Characters of a sentence; Discord takes 2000 in total."""
WINDOW = 46
"""Characters of the prompt shown around a mistake, so that the caret stays under it on a narrow screen."""


class Listener(Protocol):
    """Who hears words that only one person may hear."""

    async def send_private(self, words: str) -> None:
        """Say *words* to the person alone; never raises."""
        ...


@asynccontextmanager
async def report_errors(responder: Listener, doing: str = "a request") -> AsyncIterator[None]:
    """The border of whatever discord.py has no error hook for: every error is told to the one who acted."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the one border where any error becomes words
        await responder.send_private(describe_error(error, doing))


def describe_error(error: BaseException, doing: str = "a request") -> str:
    """Words for *error*; whatever is no DreamError is logged with its traceback, as having broken *doing*."""
    error = getattr(error, "original", error)
    if isinstance(error, PromptError):
        return f"{shorten(str(error), LONGEST)}\n{_pointer(error)}"
    if isinstance(error, DreamError):
        return shorten(str(error), LONGEST)
    if isinstance(error, app_commands.CommandSignatureMismatch | app_commands.CommandNotFound):
        return "This command has changed. Type it again; Discord may need a minute to update it."
    number = secrets.token_hex(3)
    log.error("%s broke (id %s)", doing, number, exc_info=error)
    return f"Something went wrong. The error is logged (id {number})."


def _pointer(error: PromptError) -> str:
    """A code block with the part of the prompt around the mistake, and a caret under the character."""
    source = "".join(" " if char.isspace() else char for char in error.source).replace("`", "ˋ")
    first = max(0, min(error.position - WINDOW // 2, len(source) - WINDOW))
    shown = source[first : first + WINDOW]
    start, end = "…" if first else "", "…" if first + WINDOW < len(source) else ""
    caret = " " * (len(start) + min(error.position, len(source)) - first) + "^"
    return f"```\n{start}{shown}{end}\n{caret}\n```"
