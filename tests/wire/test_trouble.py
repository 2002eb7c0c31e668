"""Fault switches, turned while the bot paints: the picture still arrives in the same message."""

from __future__ import annotations

import pytest

from bot.delivery.service import Delivery
from bot.errors import StoreError
from bot.jobs.service import JobService
from bot.playground.server.fault_switches import ALL, FaultSwitches
from bot.playground.server.rest.faults import Fault
from tests.wire.looks import deleted, dreamt, is_painting, is_result
from tests.wire.people import Person
from tests.wire.world import World

LATER = 40.0
"""Seconds that a recovery may take: the library itself waits before it tries again."""
TOLD_IN_TEST_DELIVERY = {"tokens", "permissions", "delete"}


@pytest.mark.parametrize("trouble", ["cut", "reconnect"])
async def test_a_gateway_that_breaks_or_asks_to_reconnect_delays_no_picture_and_loses_no_press(
    world: World, max_: Person, trouble: str
) -> None:
    answer = await max_.slash("dream", prompt="a fox slowly")
    await max_.wait_for(answer.message, is_painting)

    FaultSwitches(world.site).set(trouble, True)
    message = await max_.wait_for(answer.message, is_result, LATER)

    assert not (await max_.click(message, "Info")).failed
    assert [message.id] == [m.id for m in max_.sees() if not m.ephemeral]


async def test_when_answers_are_slow_edits_are_dropped_and_not_queued(world: World, max_: Person) -> None:
    world.faults.slow("PATCH", 0.25)

    answer = await max_.slash("dream", prompt="a fox slowly")
    await max_.wait_for(answer.message, is_result, LATER)

    edits = [exchange for exchange in world.site.record.exchanges if exchange.method == "PATCH"]
    assert 2 <= len(edits) <= 14


async def test_under_real_rate_limits_the_bot_is_never_told_to_wait(world: World, max_: Person, mo: Person) -> None:
    world.site.limits.realistic()

    await dreamt(max_, "a fox")
    await dreamt(mo, "an owl")

    assert 0 == world.site.limits.invalid


@pytest.mark.slow
@pytest.mark.bot(queue={"per_user": 20}, delivery={"edit_seconds": 3.0})
async def test_many_final_edits_in_one_channel_never_break_a_rate_limit(world: World, max_: Person) -> None:
    world.site.limits.realistic()

    answers = [await max_.slash("dream", prompt=f"an owl {number}", steps=2) for number in range(16)]
    for answer in answers:
        await max_.wait_for(answer.message, is_result, LATER)

    assert 0 == world.site.limits.invalid
    assert not any(exchange.status == 429 for exchange in world.site.record.exchanges)


@pytest.mark.slow
async def test_with_every_third_request_failing_the_picture_comes(world: World, max_: Person) -> None:
    FaultSwitches(world.site).set("errors", True)

    answer = await max_.slash("dream", prompt="a fox")

    await max_.wait_for(answer.message, is_result, LATER)


@pytest.mark.parametrize("done", [True, False], ids=["carried out", "not carried out"])
@pytest.mark.parametrize("route", [r"PATCH /channels/\d+/messages/\d+$", r"POST /interactions/\d+/.*/callback"])
async def test_the_page_of_a_proxy_is_no_answer(world: World, max_: Person, route: str, done: bool) -> None:
    """Its status is 200, so discord.py takes it for the answer of Discord."""
    world.allow(r"→ 200: answer \(whole\)", "10015")  # the schemas object; there may be no answer to look for
    world.faults.add(Fault(route, 200, "<html>Please log in</html>", times=2, after=done))

    await max_.slash("dream", prompt="a fox")
    await max_.wait_for_message(is_result)

    assert 1 == len(max_.sees())


@pytest.mark.slow
async def test_a_session_that_is_forgotten_is_begun_anew(world: World, max_: Person) -> None:
    message = await dreamt(max_, "a fox")
    before = {exchange.number for exchange in world.site.record.exchanges}

    FaultSwitches(world.site).set("invalidate", True)
    await world.until(lambda: not world.site.gateway.online)
    await world.until(lambda: world.site.gateway.online, LATER)

    assert not (await max_.click(message, "Info")).failed
    assert "PUT" not in {e.method for e in world.site.record.exchanges if e.number not in before}


def test_every_switch_is_tried() -> None:
    here = {"cut", "reconnect", "slow", "rate_limits", "errors", "invalidate"}

    assert here | TOLD_IN_TEST_DELIVERY == set(ALL)


@pytest.mark.parametrize(("owner", "method"), [(Delivery, "resume"), (JobService, "abandon_servers")])
async def test_a_database_that_fails_when_the_bot_is_ready_delays_old_deliveries_and_nothing_else(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    failed, works = list[str](), getattr(owner, method)

    async def fail(*values: object) -> object:
        if failed:
            return await works(*values)
        failed.append("once")
        raise StoreError("The database cannot be used: database is locked.")

    monkeypatch.setattr(owner, method, fail)
    world.allow("database is locked")
    await world.restart_bot()
    await world.until(lambda: world.bot.at_work, what="the bot to be at work")

    owl = await dreamt(max_, "an owl")
    await deleted(max_, owl)
    await world.until(lambda: owl.gone)
    assert ["once"] == failed
    assert {"edit limiter", "sweep"} <= set(world.bot.services.delivery._tasks)
