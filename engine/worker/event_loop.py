"""The engine's loop: runs posted calls, then one step of the worker, and sleeps when idle."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Protocol

Call = Callable[[], None]
IDLE_SECONDS = 20.0
"""An idle worker is stepped this often, to notice installed weights and send heartbeats."""


class Stepper(Protocol):
    """What the loop drives."""

    def step(self) -> bool:
        """Takes one step; false if there is nothing to do until something is posted."""
        ...


class Loop:
    """`post` may be called from any thread; posted calls run on the loop's thread, between two steps."""

    def __init__(self) -> None:
        self._posted: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._stopped = False

    def post(self, call: Call) -> None:
        """Runs *call* on the loop's thread, after the current step."""
        self._posted.put(call)

    def stop(self) -> None:
        """Ends `run` after the current step."""
        self._stopped = True

    def run(self, worker: Stepper) -> None:
        """Runs until `stop`."""
        self._stopped = idle = False
        while not self._stopped:
            self._run_posted(wait=idle)
            idle = not self._stopped and not worker.step()

    def _run_posted(self, *, wait: bool) -> None:
        try:
            call = self._posted.get(wait, IDLE_SECONDS)
        except queue.Empty:
            return
        call()
        while not self._posted.empty():
            self._posted.get()()
