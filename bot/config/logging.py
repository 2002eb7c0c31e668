"""Logging for months: one line per event, as text or as JSON, and no secret in any of them.

Interaction tokens are part of URLs, and discord.py logs URLs at DEBUG; so its HTTP logger never goes below INFO, and
every line passes a filter that blots out tokens wherever they come from. What people write is logged at DEBUG at most.
structlog renders the lines; everybody logs with the standard library.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_IN_URLS = re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.\-]{8,}")
_BOT_TOKEN = re.compile(r"\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,45}\b")
_SIGNATURE = re.compile(r"([?&](?:ex|is|hm)=)[0-9a-f]+")
_QUIET: Mapping[str, int] = {"discord": logging.INFO, "discord.http": logging.INFO, "aiohttp": logging.WARNING}

Format: TypeAlias = Literal["text", "json"]


def redact(text: str) -> str:
    """*text* without bot tokens, interaction tokens and signatures of CDN addresses."""
    return _SIGNATURE.sub(r"\1…", _BOT_TOKEN.sub("[token]", _IN_URLS.sub(r"\1[token]", text)))


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats as usual, tracebacks included, then blots out what nobody may read."""

    def __init__(self, form: Format = "text") -> None:
        before: list[Processor] = [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S" if form == "text" else "iso", utc=form == "json"),
            structlog.processors.format_exc_info,
        ]
        render: Processor = _line if form == "text" else structlog.processors.JSONRenderer(ensure_ascii=False)
        super().__init__(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )

    def format(self, record: logging.LogRecord) -> str:
        """The line as it may be stored."""
        return redact(super().format(record))


def _line(_: WrappedLogger, __: str, event: EventDict) -> str:
    """``2026-11-24 14:00:00 INFO    bot.bot: ready as …`` and the traceback below."""
    head = f"{event['timestamp']} {str(event['level']).upper():<7} {event['logger']}: {event['event']}"
    return f"{head}\n{event['exception']}" if event.get("exception") else head


def setup_logging(level: int = logging.INFO, form: Format = "text") -> None:
    """Send everything from *level* on to stderr, redacted. Libraries stay at INFO or above whatever *level* is."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, floor))
