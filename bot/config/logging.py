"""Logging setup: one line per event, as text or JSON, without secrets.

Only the loggers of `bot` and `engine` go below INFO. Libraries log URLs and SQL values at DEBUG, and these hold
interaction tokens and prompts. Every line also passes a filter that removes tokens and signatures.
Modules log with the standard library; structlog renders the lines.
"""

from __future__ import annotations

import logging
import re
import select
from collections.abc import Callable
from typing import Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_IN_URLS = re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.\-]{8,}")
_BOT_TOKEN = re.compile(r"\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,45}\b")
_SIGNATURE = re.compile(r"([?&](?:ex|is|hm)=)[0-9a-f]+")
_PREFIX = __name__.removesuffix("bot.config.logging")
_OWN = (f"{_PREFIX}bot", f"{_PREFIX}engine")
"""Loggers of this project, which is installed below `dreambot`."""
_QUIET = ("aiohttp",)
"""Libraries that log nothing useful below WARNING."""

PIPE_CHARACTERS = 1024
"""Written at once: a pipe that can be written to takes 4096 bytes, which are 1024 characters at least (pipe(7))."""
PATIENCE_MS = 200
"""Milliseconds that a line waits for a reader."""

Format: TypeAlias = Literal["text", "json"]


def redact(text: str) -> str:
    """Replace bot tokens, interaction tokens and signatures of CDN addresses in *text*."""
    return _SIGNATURE.sub(r"\1…", _BOT_TOKEN.sub("[token]", _IN_URLS.sub(r"\1[token]", text)))


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records, tracebacks included, and redacts the result."""

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
        return redact(super().format(record))


def _line(_: WrappedLogger, __: str, event: EventDict) -> str:
    """``2026-11-24 14:00:00 INFO    bot.bot: ready as …`` and the traceback below."""
    head = f"{event['timestamp']} {str(event['level']).upper():<7} {event['logger']}: {event['event']}"
    return f"{head}\n{event['exception']}" if event.get("exception") else head


class UnblockedHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; drops lines while the pipe is full, because a blocked write would stop the whole bot."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = 0
        self._poll = _writable(self.stream)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + self.terminator
            if self._lost:
                text = f"{self._lost} lines of the log were dropped: the reader of stderr was too slow.\n{text}"
            for start in range(0, len(text), PIPE_CHARACTERS):
                if not self._poll(0 if self._lost else PATIENCE_MS):
                    self._lost += 1
                    return
                self.stream.write(text[start : start + PIPE_CHARACTERS])
                self.flush()
            self._lost = 0
        except Exception:  # noqa: BLE001 - as in every handler of the standard library
            self.handleError(record)


def _writable(stream: TextIO) -> Callable[[int], object]:
    """A function that waits so many milliseconds until `PIPE_CHARACTERS` can be written, and says whether they can."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
    except (AttributeError, OSError, ValueError):  # Windows, or no file
        return lambda _: True
    return poll.poll


def setup_logging(level: int = logging.INFO, form: Format = "text") -> None:
    """Log to stderr from *level* on, redacted."""
    handler = UnblockedHandler()
    handler.setFormatter(RedactingFormatter(form))
    logging.getLogger().handlers[:] = [handler]
    set_levels(level)


def set_levels(level: int) -> None:
    """Let `bot` and `engine` log from *level* on; libraries log from INFO on at the lowest."""
    logging.getLogger().setLevel(max(level, logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
