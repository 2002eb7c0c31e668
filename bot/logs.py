"""Logging for months: one line per event, and no secret in any of them.

Interaction tokens are part of URLs, and discord.py logs URLs at DEBUG; so its HTTP logger never goes below INFO, and
every line passes a filter that blots out tokens wherever they come from.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

_IN_URLS = re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.\-]{8,}")
_BOT_TOKEN = re.compile(r"\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,45}\b")
_SIGNATURE = re.compile(r"([?&](?:ex|is|hm)=)[0-9a-f]+")
FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_QUIET: Mapping[str, int] = {"discord": logging.INFO, "discord.http": logging.INFO, "aiohttp": logging.WARNING}


def redact(text: str) -> str:
    """*text* without bot tokens, interaction tokens and signatures of CDN addresses."""
    return _SIGNATURE.sub(r"\1…", _BOT_TOKEN.sub("[token]", _IN_URLS.sub(r"\1[token]", text)))


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, then blots out what nobody may read."""

    def format(self, record: logging.LogRecord) -> str:
        """The line as it may be stored."""
        return redact(super().format(record))


def setup_logging(level: int = logging.INFO) -> None:
    """Send everything from *level* on to stderr, redacted. Libraries stay at INFO or above whatever *level* is."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, floor))
