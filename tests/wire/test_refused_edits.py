"""Discord refuses an edit in every way: the final update takes another route, and progress never delays it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from bot.delivery.edit_limiter import Rate
from tests.wire.looks import begun, dreamt, is_result, nothing_is_owed
from tests.wire.people import Person, Shown
from tests.wire.world import World

EDIT = r"PATCH .*/channels/\d+/messages/"
ANY_EDIT = r"PATCH "


def ends_only(world: World) -> None:
    """From now on no progress is shown: the first edit of a message is its end."""
    world.services.delivery._limiter._budget._message = Rate(0, 1e6)


def in_words(message: Shown) -> bool:
    return "Discord does not accept this picture" in message.text and not message.pictures


REFUSALS: list[tuple[int, int, str, int, Callable[[Shown], bool], bool]] = [
    # status, code, message, times, what the same message shows in the end, and whether it is the same message
    (413, 40005, "Request entity too large", 2, is_result, True),
    (400, 20009, "Explicit content cannot be sent to the desired recipient(s)", 1, in_words, True),
    (400, 200000, "Message blocked by AutoMod", 1, in_words, True),
    (400, 240000, "Message blocked by harmful links filter", 1, in_words, True),
    (403, 50001, "Missing Access", 1, is_result, True),
    (403, 50013, "Missing Permissions", 1, is_result, True),
    (404, 10008, "Unknown Message", 1, is_result, False),
    (429, 30046, "Maximum number of edits to messages older than 1 hour reached", 1, is_result, False),
    (400, 50083, "Thread is archived", 1, is_result, False),
    (500, 0, "500: Internal Server Error", 1, is_result, True),
    (503, 0, "no healthy upstream", 1, is_result, True),
    (401, 0, "401: Unauthorized", 1, is_result, True),
    (400, 130000, "API resource is currently overloaded. Try again a little later", 1, is_result, True),
]


@pytest.mark.bot(quota={"units": 0.0})
async def test_whatever_discord_says_to_the_end_of_a_job_it_is_told_once(world: World, max_: Person) -> None:
    ends_only(world)
    world.allow("429: answer .* is a required property")  # what 30046 says of itself is not what the schema has for 429
    for status, code, words, times, looks, same in REFUSALS:
        seen = {message.id for message in max_.sees()}
        world.faults.refuse(EDIT, status, code, words, times=times)
        message = (await max_.slash("dream", prompt="an owl")).message

        shown = await max_.wait_for_message(lambda m, seen=seen, looks=looks: m.id not in seen and looks(m))
        await nothing_is_owed(world, 10)

        assert (same, code) == (shown.id == message.id, code)
        assert 0 == sum(fault.times for fault in world.faults._waiting)
        left = [m for m in max_.sees() if m.id not in seen and (is_result(m) or in_words(m))]
        assert ([shown.id], code) == ([m.id for m in left], code)


async def test_a_rate_limit_is_obeyed_for_as_long_as_it_says(world: World, max_: Person) -> None:
    ends_only(world)
    world.faults.rate_limited(ANY_EDIT, 0.3, times=2)
    world.faults.rate_limited(ANY_EDIT, 0.2, scope="global")

    await dreamt(max_, "an owl")

    assert 3 == world.faults.hits
    limited = [e for e in world.site.record.exchanges if e.status == 429]
    assert 3 == len(limited)


async def test_progress_that_is_refused_is_left_out_and_the_end_comes(world: World, max_: Person) -> None:
    message = await begun(max_, "slowly an owl")
    world.faults.refuse(EDIT, 403, 50013, "Missing Permissions", times=1)
    world.faults.refuse(r"PATCH .*/webhooks/", 404, 10062, "Unknown interaction", times=1)
    world.allow("10062")

    await max_.wait_for(message, is_result)

    assert 2 == world.faults.hits


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.bot(
    queue={"per_user": 300, "total": 300},
    quota={"units": 0.0},
    delivery={"edit_seconds": 3.0, "burst": 2},
    environ={"DREAMBOT_FAKE_SLOTS": "1"},
)
async def test_two_hundred_who_wait_do_not_make_a_flood_of_edits(world: World, max_: Person, mo: Person) -> None:
    """Whoever is first cancels, again and again: everybody's place changes each time."""
    await begun(mo, "hang an owl")
    for number in range(200):
        await (max_, mo, world.olive)[number % 3].slash("dream", prompt=f"owl {number}")
    await asyncio.sleep(1)
    started, before = time.monotonic(), edits(world)
    for _ in range(20):
        job, _place = world.services.jobs.registry.waiting()[0]
        await world.services.jobs.cancel(job.id, job.origin.user_id)
        await asyncio.sleep(0.25)

    passed = time.monotonic() - started
    assert edits(world) - before <= 8 + 4 * passed + 1
    assert edits(world) > before
    assert 180 == len(world.services.jobs.registry.waiting())


def edits(world: World) -> int:
    return sum(exchange.method == "PATCH" for exchange in world.site.record.exchanges)
