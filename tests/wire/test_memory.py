"""A bot that runs for months keeps nothing per picture in memory."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import discord
import pytest

import bot
from tests.wire.looks import dreamt
from tests.wire.people import Person
from tests.wire.world import World

BOT, LIBRARY = Path(bot.__file__).parent, Path(discord.__file__).parent
PICTURES = 40
LEAST_BYTES = 4096
"""Per picture; the local Discord, in the same process, keeps about 25 kB: its messages and its record."""


def ours(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(LIBRARY) or (path.is_relative_to(BOT) and not path.is_relative_to(BOT / "playground"))


@pytest.mark.slow
async def test_a_picture_leaves_nothing_in_the_memory_of_the_bot(world: World, max_: Person) -> None:
    for number in range(10):  # fills caches, and buffers of fixed size
        await dreamt(max_, f"owl {number}")
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.take_snapshot()
        for number in range(PICTURES):
            await dreamt(max_, f"fox {number}")
        gc.collect()
        grown = tracemalloc.take_snapshot().compare_to(before, "lineno")
    finally:
        tracemalloc.stop()

    found = [entry for entry in grown if ours(entry.traceback[0].filename)]
    assert sum(entry.size_diff for entry in found) < PICTURES * LEAST_BYTES, found[:10]
