"""Runs slow work on other threads and posts its results to the loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.errors import DreamError
from engine.runtime.cpu_threads import use_threads
from engine.runtime.error_boundary import catch
from engine.worker.event_loop import Loop

T = TypeVar("T")


class Background:
    """A pool of *workers* threads. Each uses one torch thread, so that it leaves the cores to the stepping loop."""

    def __init__(self, loop: Loop, name: str, workers: int) -> None:
        self._loop = loop
        self._pool = ThreadPoolExecutor(workers, name, initializer=use_threads, initargs=(1,))

    def run(self, call: Callable[[], T], then: Callable[[T | DreamError], None]) -> None:
        """Runs *call* on a thread, then *then* on the loop with its result or the DreamError that it raised."""
        self._pool.submit(self._work, call, then)

    def close(self) -> None:
        """Starts nothing more; running calls end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, call: Callable[[], T], then: Callable[[T | DreamError], None]) -> None:
        result = catch(call)
        self._loop.post(lambda: then(result))
