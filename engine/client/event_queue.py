"""A queue of events for one reader. A newer `Progress` replaces the unread one of the same attempt."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import AsyncIterator

from engine.protocol.messages import Event, Progress


class EventQueue:
    """Never full: what can come without end (progress) is merged, everything else comes once per picture."""

    def __init__(self) -> None:
        self._letters: OrderedDict[object, Event] = OrderedDict()
        self._count = 0
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Add *event*; unread snapshots of an older progress are kept where the newer one has none."""
        key: object = (event.job_id, event.attempt) if isinstance(event, Progress) else self._count
        self._count += 1
        older = self._letters.pop(key, None)
        if isinstance(event, Progress) and isinstance(older, Progress):
            event = dataclasses.replace(event, snapshots={**older.snapshots, **event.snapshots})
        self._letters[key] = event
        self._changed.set()

    def close(self) -> None:
        """After what is still unread, the reader's loop ends."""
        self._closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._letters:
                yield self._letters.popitem(last=False)[1]
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()
