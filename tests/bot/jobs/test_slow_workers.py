"""A worker that is merely slow accepts no jobs while others can, hosts are told, and it comes back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.scheduling.worker_pool import LAG_SECONDS, REST_SECONDS, STEPS
from tests.bot.core import ANN, BOB, CID, Core, dream, running_core

USUAL = 1.0
"""Seconds of a step."""


async def paint(core: Core, job: str, seconds: float, steps: int = 60, first: int = 1) -> None:
    """Steps of *seconds* each, of 100 in all, as the bot hears of them."""
    for step in range(first, first + steps):
        core.clock.advance(seconds)
        core.engine.progress(job, step, 100)
        await core.until(lambda now=step: (p := core.jobs.registry.progress(job)) is not None and p.step == now)  # type: ignore[misc]


async def finish(core: Core, job: str) -> None:
    core.engine.paint(job)
    await core.until(lambda: core.jobs.registry.row(job) is None)


@asynccontextmanager
async def slow_worker(folder: Path) -> AsyncIterator[tuple[Core, str, str]]:
    """Two workers of known speed, of which one paints a job four times slower: (core, its job, the worker)."""
    async with running_core(folder, slots=4, workers=2) as core:
        for _ in range(4):
            usual = await core.ask(ANN)
            await core.handed(usual.id)
            await paint(core, usual.id, USUAL, 100)
            await finish(core, usual.id)
        job = (await core.ask(ANN)).id
        await core.handed(job)
        await paint(core, job, 4 * USUAL)
        yield core, job, core.engine.under_way[job].worker


def troubles(core: Core) -> dict[str, str]:
    """Worker → why it accepts no jobs, as hosts see it."""
    assert core.jobs.ready is not None
    return {worker.name: worker.trouble for worker in core.jobs.ready.workers}


async def crowded(core: Core, worker: str) -> None:
    """The other worker gets three pictures."""
    three = await core.ask(BOB, dream(count=3))
    await core.handed(three.id)
    assert worker != core.engine.under_way[three.id].worker
    core.engine.progress(three.id, 1, 100)


async def test_a_slow_worker_takes_no_jobs_and_hosts_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with slow_worker(tmp_path) as (core, job, worker):
            await crowded(core, worker)
            [other] = set(core.engine.workers) - {worker}
            fourth = await core.ask(CID)
            await core.handed(fourth.id)

            assert other == core.engine.under_way[fourth.id].worker
            assert {worker: "its steps take 4 times longer than expected", other: ""} == troubles(core)
            assert core.jobs.ready is not None
            assert 0 == core.jobs.ready.slots
            assert [worker] == [core.engine.under_way[job].worker]
    assert f"Worker {worker} accepts no jobs: its steps take 4 times longer than expected." in caplog.text


async def test_a_job_rather_waits_than_goes_to_a_slow_worker_unless_that_is_the_last_one(tmp_path: Path) -> None:
    async with slow_worker(tmp_path) as (core, _, worker):
        [other] = set(core.engine.workers) - {worker}
        full = await core.ask(BOB, dream(count=4))
        await core.handed(full.id)
        waiting = await core.ask(CID)
        await core.until(lambda: core.jobs.registry.place(waiting.id) is not None)
        assert waiting.id not in core.engine.under_way

        core.engine.die_worker(other)
        await core.handed(waiting.id)

        assert worker == core.engine.under_way[waiting.id].worker
        assert "" == troubles(core)[worker]


async def test_a_slow_worker_that_recovers_takes_jobs_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with slow_worker(tmp_path) as (core, job, worker):
        await crowded(core, worker)
        assert "" != troubles(core)[worker]

        with caplog.at_level(logging.WARNING):
            await paint(core, job, USUAL, STEPS, 61)
        fourth = await core.ask(CID)
        await core.handed(fourth.id)

        assert worker == core.engine.under_way[fourth.id].worker
        assert "" == troubles(core)[worker]
        assert f"Worker {worker} accepts jobs." in caplog.text


async def test_a_slow_worker_without_jobs_gets_another_chance(tmp_path: Path) -> None:
    async with slow_worker(tmp_path) as (core, job, worker):
        await finish(core, job)
        await crowded(core, worker)
        assert "" != troubles(core)[worker]

        core.clock.advance(REST_SECONDS)
        fourth = await core.ask(CID)
        await core.handed(fourth.id)

        assert worker == core.engine.under_way[fourth.id].worker


async def test_a_new_process_of_a_slow_worker_takes_jobs_at_once(tmp_path: Path) -> None:
    async with slow_worker(tmp_path) as (core, _, worker):
        assert "" != troubles(core)[worker]
        ready = core.engine.ready
        assert ready is not None

        core.jobs.registry.set_capacity(replace(ready, workers=tuple(replace(state, pid=2) for state in ready.workers)))

        assert "" == troubles(core)[worker]


async def test_jobs_of_a_slow_worker_do_not_teach_the_forecast_its_speed(tmp_path: Path) -> None:
    async with slow_worker(tmp_path) as (core, job, _):
        before = core.jobs.registry.expect(dream()).likely
        await finish(core, job)

        assert before == core.jobs.registry.expect(dream()).likely


async def test_a_single_engine_is_never_taken_out(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        for seconds in (USUAL, USUAL, USUAL, 5 * USUAL):
            job = await core.ask(ANN)
            await core.handed(job.id)
            await paint(core, job.id, seconds, STEPS + int(LAG_SECONDS))
            await finish(core, job.id)

        assert core.jobs.ready == core.engine.ready
