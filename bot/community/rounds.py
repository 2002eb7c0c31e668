"""Does a community's work when it is due: ends votes, continues challenges, updates starboard and search index.

One query tells which kinds of work are due, so an idle bot asks the database once every `POLL_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from bot.errors import StoreError
from bot.retry import pause_after, wait_for_news
from bot.storage import Store
from bot.storage.database import Database
from engine.errors import DreamError

log = logging.getLogger(__name__)
Kind = Literal["votes", "sheets of votes", "challenges", "starboard", "search index", "vectors"]

POLL_SECONDS = 2.0
"""Interval in which deadlines and changes are looked for, such as finished and deleted pictures."""
MOST_FAILURES = 3
"""Failures in a row after which the pause before the next attempt grows no longer."""
CHECK_SECONDS = 60.0
"""In this interval, one vote's and one starboard entry's message is checked: whether it still exists."""


@dataclass(slots=True)
class _Work:
    """One kind of work. It begins when it is due, and at *begin_at* (monotonic seconds) in any case."""

    do: Callable[[], Awaitable[None]]
    every: float
    begin_at: float = 0.0
    failures: int = 0
    task: asyncio.Task[None] | None = None


class Rounds:
    """Each kind of work has one task at most; `run` it in a task. *clock* is unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._works: dict[Kind, _Work] = {}
        self._missed: set[Kind] = set()
        """Kinds that were due while their task was running."""
        self._news = asyncio.Event()

    def add(self, kind: Kind, do: Callable[[], Awaitable[None]], every: float = math.inf) -> None:
        """Do this at the start, whenever it is due, and at least *every* so many seconds. A failure is repeated."""
        self._works[kind] = _Work(do, every)

    def wake(self) -> None:
        """Look now instead of at the next poll, because somebody waits for what has changed."""
        self._news.set()

    async def run(self) -> None:
        """Begin what is due until cancelled; the tasks end too."""
        try:
            while True:
                rest = POLL_SECONDS
                try:
                    self._begin(await kinds_due(self._store.database, self._clock()))
                    resting = [one.begin_at for one in self._works.values() if one.failures and one.task is None]
                    rest = max(0.0, min([POLL_SECONDS, *(at - time.monotonic() for at in resting)]))
                except StoreError as error:
                    log.error("what is due is looked for later: %s", error)
                await wait_for_news(self._news, rest)
        finally:
            for work in self._works.values():
                if work.task is not None:
                    work.task.cancel()

    def _begin(self, due: set[Kind]) -> None:
        now = time.monotonic()
        for kind, work in self._works.items():
            if work.task is not None:
                self._missed |= {kind} & due
            elif now >= work.begin_at or (kind in due and not work.failures):
                work.task = asyncio.create_task(self._do(kind, work), name=kind)

    async def _do(self, kind: Kind, work: _Work) -> None:
        pause = work.every
        try:
            await work.do()
            work.failures = 0
        except Exception as error:
            pause = pause_after(min(work.failures, MOST_FAILURES))
            work.failures += 1
            self.wake()
            if isinstance(error, DreamError | OSError):
                usual = isinstance(error, DreamError | TimeoutError) and not isinstance(error, StoreError)
                log.log(logging.INFO if usual else logging.ERROR, "%s: continued in %.1f s: %s", kind, pause, error)
            else:
                log.error("%s crashed; starting it again in %.1f s", kind, pause, exc_info=error)
        finally:
            work.task, work.begin_at = None, time.monotonic() + pause
            if kind in self._missed:
                self._missed.discard(kind)
                self.wake()


async def kinds_due(database: Database, now: float) -> set[Kind]:
    """The kinds of work that have something to do at *now* (unix seconds). Raises StoreError."""
    rows = await database.all(
        "SELECT 'votes' WHERE EXISTS (SELECT 1 FROM votes WHERE state = 'open' AND ends_at <= ?1)"
        " OR EXISTS (SELECT 1 FROM votes WHERE shown < revision AND not_before <= ?1)"
        " UNION ALL SELECT 'sheets of votes' WHERE EXISTS (SELECT 1 FROM covered_sheets)"
        " OR EXISTS (SELECT 1 FROM votes WHERE state = 'open') OR EXISTS (SELECT 1 FROM blind_entries)"
        " UNION ALL SELECT 'challenges' WHERE EXISTS (SELECT 1 FROM challenges WHERE state = 'voting')"
        " OR EXISTS (SELECT 1 FROM challenges WHERE state = 'open' AND deadline <= ?1)"
        " OR EXISTS (SELECT 1 FROM challenges WHERE shown < revision AND not_before <= ?1)"
        " UNION ALL SELECT 'starboard' WHERE EXISTS (SELECT 1 FROM star_changes)"
        " UNION ALL SELECT 'search index' WHERE EXISTS (SELECT 1 FROM unindexed) OR EXISTS (SELECT 1 FROM unlisted)"
        " UNION ALL SELECT 'vectors' WHERE EXISTS (SELECT 1 FROM picture_index WHERE due = 1)",
        now,
    )
    return {row[0] for row in rows}
