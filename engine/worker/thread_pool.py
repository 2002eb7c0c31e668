"""Slow things on other threads, whose results come back to the loop's own."""

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
    """A few threads. Each computes with one torch thread, so that it does not take the cores from the stepping loop."""

    def __init__(self, loop: Loop, name: str, workers: int) -> None:
        self._loop = loop
        self._pool = ThreadPoolExecutor(workers, name, initializer=use_threads, initargs=(1,))

    def run(self, call: Callable[[], T], then: Callable[[T | DreamError], None]) -> None:
        """Do *call* elsewhere; then *then*, on the loop, with what it returned or the DreamError that it became."""
        self._pool.submit(self._work, call, then)

    def close(self) -> None:
        """Start nothing more; what runs is left to end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, call: Callable[[], T], then: Callable[[T | DreamError], None]) -> None:
        result = catch(call)
        self._loop.post(lambda: then(result))
