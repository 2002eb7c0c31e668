"""Several workers behind a router: every job ends once and is charged once, whichever of the processes dies."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Any

import pytest

from bot.models.job import JobState
from bot.scheduling import worker_pool
from engine.protocol.messages import RESTARTS, WorkerState
from tests.wire.looks import begun, dreamt, is_painting, is_result, whispered
from tests.wire.people import Person
from tests.wire.world import World

TWO = pytest.mark.bot(workers=2)
THREE = pytest.mark.bot(workers=3)


def workers(world: World) -> dict[str, WorkerState]:
    ready = world.bot.engine.ready
    return {state.name: state for state in ready.workers} if ready else {}


async def all_up(world: World, count: int, seconds: float = 60) -> None:
    await world.until(
        lambda: sum(not state.trouble for state in workers(world).values()) == count, seconds, what=f"{count} workers"
    )


def where(world: World) -> dict[str, str]:
    """Running job → its worker."""
    pool = world.services.jobs.registry.workers
    return {job.id: pool.worker_of(job.id) for job in world.services.jobs.registry.running()}


async def charged_once(world: World, *people: Person) -> list[Any]:
    """The job of each, whose cost was charged once."""
    found = []
    for person in people:
        [job] = await world.jobs_of(person)
        assert JobState.DONE is job.state
        assert job.cost == (await world.services.jobs.quota.balance(person.id)).used
        assert 1 == len([shown for shown in person.sees() if is_result(shown) and shown.id == job.message_id])
        found.append(job)
    return found


@TWO
async def test_two_jobs_are_painted_by_two_workers(world: World, max_: Person, mo: Person) -> None:
    await all_up(world, 2)
    first = await max_.slash("dream", prompt="slowly an owl")
    second = await mo.slash("dream", prompt="slowly a fox")

    await world.until(lambda: len(where(world)) == 2, what="both to run")
    assert {"cpu-1", "cpu-2"} == set(where(world).values())
    await max_.wait_for(first.message, is_result)
    await mo.wait_for(second.message, is_result)
    await charged_once(world, max_, mo)


@THREE
async def test_a_killed_worker_costs_its_own_jobs_a_second_attempt_and_the_others_nothing(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await all_up(world, 3)
    shown = {person: await person.slash("dream", prompt="slowly an owl") for person in (max_, mo, olive)}
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_painting)
    [mine] = await world.jobs_of(max_)

    os.kill(workers(world)[where(world)[mine.id]].pid, signal.SIGKILL)

    for person, answer in shown.items():
        await person.wait_for(answer.message, is_result, seconds=30)
    jobs = await charged_once(world, max_, mo, olive)
    assert [(1, 2), (0, 1), (0, 1)] == [(job.crash_count, job.attempt) for job in jobs]


@TWO
async def test_a_job_is_retried_on_the_worker_that_did_not_crash(world: World, max_: Person) -> None:
    await all_up(world, 2)
    answer = await max_.slash("dream", prompt="slowly an owl")
    await max_.wait_for(answer.message, is_painting)
    [first] = where(world).values()

    os.kill(workers(world)[first].pid, signal.SIGKILL)
    await world.until(lambda: where(world) and set(where(world).values()) != {first}, what="the second attempt")

    await max_.wait_for(answer.message, is_result, seconds=30)
    await charged_once(world, max_)


@TWO
async def test_a_job_that_kills_its_workers_fails_and_the_other_jobs_are_painted(
    world: World, max_: Person, mo: Person
) -> None:
    await all_up(world, 2)
    other = await mo.slash("dream", prompt="slowly a fox")
    await mo.wait_for(other.message, is_painting)
    bad = await max_.slash("dream", prompt="die always")

    message = await max_.wait_for(bad.message, lambda m: "Sorry" in m.text, seconds=30)

    assert 1 == message.text.count("Nothing was charged")
    await mo.wait_for(other.message, is_result, seconds=60)
    [fox] = await world.jobs_of(mo)
    assert JobState.DONE is fox.state


@TWO
async def test_a_killed_router_costs_no_job(world: World, max_: Person, mo: Person) -> None:
    await all_up(world, 2)
    shown = {person: await person.slash("dream", prompt="slowly an owl") for person in (max_, mo)}
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_painting)

    os.kill(world.bot.engine.ready.pid, signal.SIGKILL)

    for person, answer in shown.items():
        await person.wait_for(answer.message, is_result, seconds=30)
    await charged_once(world, max_, mo)


@TWO
async def test_a_bot_stopped_while_workers_paint_finishes_the_same_messages_after_its_return(
    world: World, max_: Person, mo: Person
) -> None:
    await all_up(world, 2)
    shown = {person: await person.slash("dream", prompt="slowly an owl") for person in (max_, mo)}
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_painting)

    await world.restart_bot()

    for person, answer in shown.items():
        await person.wait_for(answer.message, is_result, seconds=30)
    await charged_once(world, max_, mo)


@TWO
async def test_workers_that_restart_one_at_a_time_lose_no_job(world: World, max_: Person) -> None:
    await all_up(world, 2)
    former = {state.pid for state in workers(world).values()}
    answer = await max_.slash("dream", prompt="slowly an owl")
    await max_.wait_for(answer.message, is_painting)

    os.kill(world.bot.engine.ready.pid, signal.SIGHUP)

    await world.until(lambda: not former & {state.pid for state in workers(world).values()}, 60, what="new workers")
    await all_up(world, 2)
    await max_.wait_for(answer.message, is_result, seconds=30)
    [job] = await charged_once(world, max_)
    assert (0, 1) == (job.crash_count, job.attempt)


@TWO
async def test_a_host_restarts_the_workers_one_at_a_time_and_no_job_is_lost_or_charged_twice(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await all_up(world, 2)
    world.make_host(olive)
    former, router = {state.pid for state in workers(world).values()}, world.bot.engine.ready.pid
    shown = {person: await person.slash("dream", prompt="slowly an owl") for person in (max_, mo)}
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_painting)

    said = whispered(await olive.slash("admin restart"))
    shown[olive] = await olive.slash("dream", prompt="slowly a fox")
    await world.until(
        lambda: RESTARTS in {state.trouble for state in workers(world).values()}, what="the first to leave"
    )
    again = whispered(await olive.slash("admin restart"))
    listed = whispered(await olive.slash("engine"))

    assert "The 2 workers restart one at a time, each after its present jobs. The others keep painting." in said
    assert "The restart has begun already" in again
    assert f"**accepts no jobs: {RESTARTS}**" in listed
    await world.until(lambda: not former & {state.pid for state in workers(world).values()}, 60, what="new workers")
    await all_up(world, 2)
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_result, seconds=30)
    assert [0, 0, 0] == [job.crash_count for job in await charged_once(world, max_, mo, olive)]
    assert router == world.bot.engine.ready.pid
    assert f"{olive.mention} restarted the engine" in whispered(await olive.slash("admin log", everywhere=True))


async def test_a_single_engine_restarts_after_its_jobs_and_the_waiting_one_is_painted_by_the_new_process(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    world.make_host(olive)
    former = world.bot.engine.ready.pid
    running = await begun(max_, "slowly an owl")

    said = whispered(await olive.slash("admin restart"))
    waiting = await mo.slash("dream", prompt="a fox")

    assert "The engine restarts after its present jobs. Queued jobs keep their places." in said
    await max_.wait_for(running, is_result, seconds=30)
    await mo.wait_for(waiting.message, is_result, seconds=30)
    assert [(0, 1), (0, 1)] == [(job.crash_count, job.attempt) for job in await charged_once(world, max_, mo)]
    assert former != world.bot.engine.ready.pid


@TWO
async def test_only_a_host_restarts_the_engine(world: World, olive: Person) -> None:
    await all_up(world, 2)
    former = {state.pid for state in workers(world).values()}

    assert "Only the bot's hosts can restart the engine." == whispered(await olive.slash("admin restart"))
    assert former == {state.pid for state in workers(world).values()}


@pytest.mark.bot(workers=2, queue={"running_per_user": 3})
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_worker_that_becomes_slow_finishes_its_jobs_and_gets_no_others(
    world: World, max_: Person, mo: Person, olive: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LAG_SECONDS", 0.5), ("STEPS", 4), ("_LEAST", 2)):  # a fake dream has eight steps
        monkeypatch.setattr(worker_pool, name, value)
    await all_up(world, 2)
    world.make_host(olive)
    for _ in range(4):  # the usual speed
        await dreamt(max_, "slowly an owl")
    shown = [(person, await person.slash("dream", prompt="slowly a cat")) for person in (max_, mo, olive)]
    for person, answer in shown:
        await person.wait_for(answer.message, is_painting)
    [(slow, _)] = Counter(where(world).values()).most_common(1)
    [other] = workers(world).keys() - {slow}

    os.kill(workers(world)[slow].pid, signal.SIGUSR1)
    await world.until(lambda: slow in lagging(world), 120, what="the lag")
    said = whispered(await olive.slash("engine"))
    fox = await max_.slash("dream", prompt="hang a fox", count=3)
    [job, *_] = await world.jobs_of(max_)
    await world.until(lambda: job.id in where(world), what="the fox to begin")
    hen = await mo.slash("dream", prompt="a hen")

    assert f"{slow}: CPU (fake), process" in said
    assert "**accepts no jobs: its steps take" in said
    assert other == where(world)[job.id]
    assert "Next in line" in hen.message.text  # although the slow worker has two free slots
    os.kill(workers(world)[slow].pid, signal.SIGUSR2)
    for person, answer in shown:
        await person.wait_for(answer.message, is_result, seconds=60)
    await max_.click(fox.message, "Cancel")
    await mo.wait_for(hen.message, is_result)


def lagging(world: World) -> set[str]:
    """Workers that the bot has taken out because they are slow."""
    ready = world.services.jobs.ready
    return {state.name for state in ready.workers if "longer than expected" in state.trouble} if ready else set()


@TWO
async def test_hosts_see_each_worker(world: World, olive: Person) -> None:
    await all_up(world, 2)
    world.make_host(olive)

    answer = await olive.slash("engine")

    assert "2 × CPU (fake) and can take 8 more pictures now" in answer.message.text
    for state in workers(world).values():
        assert f"{state.name}: CPU (fake), process {state.pid}, 16 MB; 4 of 4 slots free" in answer.message.text


@TWO
async def test_a_picture_is_painted_while_one_worker_is_down(world: World, max_: Person) -> None:
    await all_up(world, 2)
    os.kill(workers(world)["cpu-1"].pid, signal.SIGSTOP)
    try:
        os.kill(workers(world)["cpu-2"].pid, signal.SIGKILL)
        await world.until(lambda: workers(world)["cpu-2"].ends == 1 and not workers(world)["cpu-2"].trouble, 30)
    finally:
        os.kill(workers(world)["cpu-1"].pid, signal.SIGCONT)

    await dreamt(max_, "an owl")
