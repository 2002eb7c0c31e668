"""Jobs that fail, are cancelled or lose their engine leave no entry in any container of the bot."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire.looks import begun, is_over, is_result
from tests.wire.people import Person
from tests.wire.world import World

ROUNDS = 5
TIMED = {"bot.operations.metrics.Metrics._requested"}
"""Containers that hold the last minute."""


async def unlucky(world: World, person: Person) -> None:
    """One job of each kind that ends without a picture, and one whose engine dies under it."""
    for prompt in ("a broken owl", "a nan fox"):
        answer = await person.slash("dream", prompt=prompt)
        await person.wait_for(answer.message, is_over)
    message = await begun(person, "hang an owl")
    await person.click(message, "Cancel")
    await person.wait_for(message, is_over)
    batch = await person.slash("dream", prompt="a nan cat", count=6)
    await person.wait_for(batch.message, is_over)
    answer = await person.slash("dream", prompt="a dog that may die")
    await person.wait_for(answer.message, is_result)


def containers(root: object) -> Iterator[tuple[str, Any]]:
    """Every dict, list, set and unbounded deque in an attribute of the bot's own objects, with its name."""
    seen: set[int] = set()
    left = [root]
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | list | set | deque | tuple):
            left.extend(thing.values() if isinstance(thing, dict) else thing)
            continue
        if not type(thing).__module__.startswith(("bot.", "engine.client")):
            continue
        names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        held = {**{n: getattr(thing, n, None) for n in names}, **getattr(thing, "__dict__", {})}
        for name, value in held.items():
            if isinstance(value, dict | list | set | deque) and getattr(value, "maxlen", None) is None:
                yield f"{type(thing).__module__}.{type(thing).__name__}.{name}", value
            left.append(value)


def sizes(root: object) -> dict[str, int]:
    gc.collect()
    found: dict[str, int] = {}
    for name, value in containers(root):
        found[name] = found.get(name, 0) + len(value)
    return found


@pytest.mark.slow
async def test_unlucky_jobs_leave_no_entry_behind(world: World, max_: Person) -> None:
    for _ in range(2):
        await unlucky(world, max_)
    before = sizes(world.services)
    for _ in range(ROUNDS):
        await unlucky(world, max_)
    await asyncio.sleep(0)

    grown = {name: (before.get(name, 0), size) for name, size in sizes(world.services).items()}
    assert {} == {name: pair for name, pair in grown.items() if pair[1] - pair[0] >= ROUNDS and name not in TIMED}
    assert any(name.endswith("EngineLoop._failed_indices") for name in grown)
