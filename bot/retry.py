"""Work that must be done sooner or later, however long the disk is full or the database held by somebody else."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.errors import StoreError

log = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0


def pause_after(tries: int) -> float:
    """Seconds to wait after the so-manieth try (from 0): 0.5, 1, 2, 4 … 30."""
    return min(FIRST_WAIT * 2.0**tries, LONGEST_WAIT)


async def patiently(work: Callable[[], Awaitable[T]], tries: int | None = None) -> T:
    """Do *work* again, ever more slowly, until the store takes it: an end that is not booked would be lost.

    With a number of *tries* the last StoreError is raised.
    """
    for made in itertools.count():
        try:
            return await work()
        except StoreError as error:
            if made + 1 == tries:
                raise
            log.error("%s Trying again in %.1f s.", error, pause_after(made))
            await asyncio.sleep(pause_after(made))
    raise AssertionError("count() has no end")
