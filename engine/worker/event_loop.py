"""The engine's loop: runs posted calls, then one step of the worker; slow work runs on other threads and posts back."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from engine.errors import DreamError
from engine.runtime.runtime import catch
from engine.runtime.tuning import use_threads

Call = Callable[[], None]
IDLE_SECONDS = 15.0
"""An idle worker is stepped this often, to notice installed weights and trained models, and send heartbeats."""


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


T = TypeVar("T")


class Background:
    """A pool of *workers* threads. Each uses one torch thread, so that it leaves the cores to the stepping loop."""

    def __init__(self, loop: Loop, name: str, workers: int) -> None:
        self._loop = loop
        self._pool = ThreadPoolExecutor(workers, name, initializer=use_threads, initargs=(1,))

    def run(self, call: Callable[[], T], then: Callable[[T | DreamError], None]) -> None:
        """Runs *call* on a thread, then *then* on the loop with its result or the DreamError that it raised."""

        def work() -> None:
            result = catch(call)
            self._loop.post(lambda: then(result))

        self._pool.submit(work)

    def close(self) -> None:
        """Starts nothing more; running calls end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
