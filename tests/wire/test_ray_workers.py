"""Bot, router and workers as actors of a Ray cluster in this machine: every job ends once and is charged once.

Skipped where Ray is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

from tests.wire.looks import dreamt, is_painting, is_result, whispered
from tests.wire.people import Person
from tests.wire.test_new_models import MINE, offered, put, trained, until_known, weights
from tests.wire.test_workers import all_up, charged_once, where, workers
from tests.wire.world import World

__all__ = ["trained", "weights"]
STARTS = 180.0
"""Seconds within which a cluster and its workers start on a busy machine."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.bot(ray={"address": "local", "workers": 2, "gpus_per_worker": 0}),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="pip install dreambot[ray]"),
]


async def test_a_killed_worker_of_the_cluster_costs_its_job_a_second_attempt_and_the_other_nothing(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await all_up(world, 2, STARTS)
    world.make_host(olive)
    listed = whispered(await olive.slash("engine"))
    shown = {person: await person.slash("dream", prompt="slowly an owl") for person in (max_, mo)}
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_painting, seconds=60)
    [mine] = await world.jobs_of(max_)
    assert {"ray-1", "ray-2"} == set(where(world).values())

    os.kill(workers(world)[where(world)[mine.id]].pid, signal.SIGKILL)

    for person, answer in shown.items():
        await person.wait_for(answer.message, is_result, seconds=STARTS)
    jobs = await charged_once(world, max_, mo)
    assert [(1, 2), (0, 1)] == [(job.crash_count, job.attempt) for job in jobs]
    assert all(f"{name}: CPU (fake), process" in listed for name in ("ray-1", "ray-2"))


async def test_a_killed_driver_costs_no_job(world: World, max_: Person, mo: Person) -> None:
    await all_up(world, 2, STARTS)
    shown = {person: await person.slash("dream", prompt="slowly an owl") for person in (max_, mo)}
    for person, answer in shown.items():
        await person.wait_for(answer.message, is_painting, seconds=60)

    os.kill(world.bot.engine.ready.pid, signal.SIGKILL)

    for person, answer in shown.items():
        await person.wait_for(answer.message, is_result, seconds=STARTS)
    await charged_once(world, max_, mo)


async def test_workers_of_the_cluster_restart_one_at_a_time_and_lose_no_job(
    world: World, max_: Person, olive: Person
) -> None:
    await all_up(world, 2, STARTS)
    world.make_host(olive)
    former = {state.pid for state in workers(world).values()}
    answer = await max_.slash("dream", prompt="slowly an owl")
    await max_.wait_for(answer.message, is_painting, seconds=60)

    assert "The 2 workers restart one at a time" in whispered(await olive.slash("admin restart"))

    await world.until(lambda: not former & {state.pid for state in workers(world).values()}, STARTS, what="new workers")
    await all_up(world, 2, STARTS)
    await max_.wait_for(answer.message, is_result, seconds=60)
    [job] = await charged_once(world, max_)
    assert 0 == job.crash_count


@pytest.mark.usefixtures("weights")
async def test_a_model_trained_while_the_cluster_runs_is_offered_and_paints(
    world: World, max_: Person, trained: Path
) -> None:
    await all_up(world, 2, STARTS)
    put(trained, "mine", MINE)
    await until_known(world, "mine")
    assert ["mine – Mine, of ink, 256×256"] == await offered(max_, "model", model="mine")
    assert "mine" in (await dreamt(max_, "a fox", model="mine")).text
