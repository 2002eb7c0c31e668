"""The commands, presses and reactions that are being handled: at shutdown they finish before anything is closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import ShuttingDown

log = logging.getLogger(__name__)


class Handlers:
    """Counts handlers under way."""

    def __init__(self) -> None:
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """The body of one handler. Raises ShuttingDown once `close` was called."""
        if self._closing:
            raise ShuttingDown("The bot is about to restart; please try again in a minute.")
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self, seconds: float) -> None:
        """Refuse new handlers, and return when the others are done or after *seconds*."""
        self._closing = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.error("%d handlers did not finish within %.0f s; closing all the same", self._running, seconds)
