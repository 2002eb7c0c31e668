"""Asynchronous work: retried with backoff, restarted after an exception, or done in a thread because it blocks.

Failpoints are named points at which a test kills the bot, to show that no crash loses a job or charges it twice. They
follow each commit, and lie between a file and its row. They do nothing unless a handler is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

from bot.errors import ShuttingDown, StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
P = ParamSpec("P")
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
EVENT_TRIES = 7


def pause_after(tries: int) -> float:
    """Seconds to wait after try number *tries* (from 0): 0.5, 1, 2, 4 … 30."""
    return min(FIRST_WAIT * 2.0 ** min(tries, 10), LONGEST_WAIT)


async def patiently(work: Callable[[*Ts], Awaitable[T]], *args: *Ts, tries: int | None = None) -> T:
    """Await *work* of *args* until it raises no StoreError, with growing pauses; the last of *tries* is raised."""
    for made in itertools.count():
        try:
            return await work(*args)
        except StoreError as error:
            if made + 1 == tries:
                raise
            log.error("%s Trying again in %.1f s.", error, pause_after(made))
            await asyncio.sleep(pause_after(made))
    raise AssertionError("count() has no end")


def in_thread(work: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a function that blocks: callers await it while it runs in a thread."""

    @functools.wraps(work)
    async def run(*args: P.args, **named: P.kwargs) -> T:
        return await asyncio.to_thread(work, *args, **named)

    return run


def repeated(handler: Callable[P, Awaitable[None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """A handler of events that is repeated after a StoreError, for about half a minute, and ends when the bot closes.

    *handler* must bear a second call with the same event.
    """

    @functools.wraps(handler)
    async def run(*args: P.args, **named: P.kwargs) -> None:
        try:
            await patiently(partial(handler, *args, **named), tries=EVENT_TRIES)
        except ShuttingDown as error:
            log.info("%s: %s", handler.__name__, error)
        except StoreError as error:
            log.error("%s failed %d times: %s", handler.__name__, EVENT_TRIES, error)

    return run


async def supervise(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run *work* until it returns. An Exception is logged, and *work* starts again after a growing pause."""
    crashes = 0
    while True:
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        error = task.exception()
        if not isinstance(error, Exception):
            return await task
        log.error("%s crashed; starting it again in %.1f s", name, pause_after(crashes), exc_info=error)
        await asyncio.sleep(pause_after(crashes))
        crashes += 1


async def wait_for_news(news: asyncio.Event, seconds: float | None) -> None:
    """Return when *news* is set, at the latest after *seconds* (None: no limit), and clear it.

    Not `asyncio.wait_for`: in Python 3.11 it swallows a cancellation that arrives together with the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    news.clear()


Handler = Callable[[str], None]
_handler: Handler | None = None


def failpoint(name: str) -> None:
    if _handler is not None:
        _handler(name)


def install(handler: Handler | None) -> None:
    """Call *handler* at every failpoint from now on; None removes it."""
    global _handler
    _handler = handler
