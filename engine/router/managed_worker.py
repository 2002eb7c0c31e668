"""One worker of the router: its engine, its crashes, and whether it accepts jobs."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.client.local import LocalEngine
from engine.errors import EngineRestarting, EngineUnusable
from engine.protocol.messages import RESTARTS, STARTING, Event, Ready, Result, WorkerState

log = logging.getLogger(__name__)

CRASHES = 3
"""A worker rests after this many crashes …"""
CRASH_SECONDS = 600.0
"""… within this time, if it finished no job in between."""
REST_SECONDS = 300.0
"""Duration of a rest. A resting worker accepts jobs only if no other worker can."""
MOST_WORDS = 200
"""Maximum characters of `WorkerState.last_words`."""
FLAPS = f"it crashed {CRASHES} times without finishing a job and rests for {REST_SECONDS / 60:.0f} minutes"


class WatchedEngine(LocalEngine):
    """A `LocalEngine` that reports the end of its process at once, even if no job runs."""

    def __init__(self, on_end: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self._on_end = on_end

    def died(self) -> None:
        super().died()
        self._on_end()


class ManagedWorker:
    """*make_engine* gets the callback for the end of a process."""

    def __init__(
        self,
        name: str,
        make_engine: Callable[[Callable[[], None]], WatchedEngine],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.on_change: Callable[[], None] = lambda: None
        self.engine = make_engine(self._died)
        self.known: Ready | None = None
        """The latest `Ready`, also while the process restarts."""
        self._clock = clock
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._rests_until = 0.0
        self._restarting = False

    @property
    def unusable(self) -> str:
        """Why it cannot start until its host mends something; empty if it can."""
        return self.known.unavailable.get("engine", "") if self.known is not None else ""

    @property
    def cannot(self) -> str:
        """Why it cannot accept a job now, without a full stop; empty if it can."""
        if self.unusable:
            return self.unusable.rstrip(".")
        ready = self.engine.ready
        if ready is None or self.known is None or self.known.pid != ready.pid:  # the new process has not sent `Ready`
            return STARTING
        return RESTARTS if self._restarting else ""

    @property
    def should_not(self) -> str:
        """Why other workers are preferred, without a full stop; empty for a healthy worker."""
        if self._clock() < self._rests_until:
            return FLAPS
        return "it has work and makes no progress" if self.engine.pulse.stalled else ""

    def state(self) -> WorkerState:
        """The state of its process, without `trouble` and `lacks`, which depend on the other workers."""
        known, pulse = self.known, self.engine.pulse
        words = pulse.last_words[:MOST_WORDS]
        if known is None:
            return WorkerState(self.name, 0, "unknown", 0, 0, ends=pulse.ends, last_words=words)
        own = known.workers[0] if known.workers else WorkerState("", known.pid, known.device, known.slots, known.slots)
        free = 0 if self.cannot else known.slots
        return replace(own, name=self.name, free=free, ends=pulse.ends, last_words=words, largest=known.largest)

    def hear(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.known = event
        elif isinstance(event, Result):
            self._crashes.clear()
            self._rests_until = 0.0

    async def restart(self) -> bool:
        """Replace its process after its present jobs; false if it has no process."""
        self._restarting = True
        try:
            await self.engine.restart()
        except (EngineRestarting, EngineUnusable):
            self._restarting = False
        self.on_change()
        return self._restarting

    def _died(self) -> None:
        if not self._restarting:
            now = self._clock()
            self._crashes.append(now)
            if len(self._crashes) == CRASHES and now - self._crashes[0] < CRASH_SECONDS:
                self._rests_until = now + REST_SECONDS
                log.warning("Worker %s: %s.", self.name, FLAPS)
        self._restarting = False
        self.on_change()
