"""Crash suspicion per worker: who shared the worker that crashed, and where a suspect is tried again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.models.job import JobState
from tests.bot.core import ANN, BOB, CID, Core, running_core


def where(core: Core) -> dict[str, str]:
    """Job → its worker, as the engine was told."""
    return {job.id: job.worker for job in core.engine.under_way.values()}


async def test_only_the_jobs_of_the_crashed_worker_are_suspects(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=2, workers=2) as core:
        jobs = []
        for user in (ANN, BOB, CID):
            jobs.append(await core.ask(user))
            await core.handed(jobs[-1].id)
            core.engine.progress(jobs[-1].id, 1)  # from now on the worker's free slots count it
        crowded = max(core.engine.workers, key=lambda worker: len(core.engine.inside(worker)))
        mine = core.engine.inside(crowded)

        core.engine.die_worker(crowded)
        core.engine.revive_worker(crowded)
        rows = core.jobs.registry.row
        await core.until(lambda: all((row := rows(job)) and row.crash_count for job in mine))

        crashes = {job.id: (await core.row(job.id)).crash_count for job in jobs}
        assert {job.id: int(job.id in mine) for job in jobs} == crashes


async def test_a_suspect_runs_alone_while_the_other_worker_takes_all_others(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4, workers=2) as core:
        bad = await core.ask(ANN)
        await core.handed(bad.id)
        first = where(core)[bad.id]
        core.engine.die_worker(first)
        core.engine.revive_worker(first)
        await core.handed(bad.id)
        others = [await core.ask(user) for user in (BOB, CID)]
        await core.until(lambda: len(core.engine.under_way) == 3)

        found = where(core)
        assert found[bad.id] != first
        assert {first} == {found[job.id] for job in others}


async def test_a_job_that_crashes_two_workers_alone_fails(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=2, workers=2) as core:
        bad = await core.ask(ANN)
        for _ in range(2):
            await core.handed(bad.id)
            worker = where(core)[bad.id]
            core.engine.die_worker(worker)
            core.engine.revive_worker(worker)
            await core.until(lambda: bad.id not in core.engine.under_way)
        await core.until_state(bad.id, JobState.FAILED)

        assert 2 == len({job.worker for job in core.engine.handed})


async def test_a_job_that_its_worker_could_not_take_is_no_suspect(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=2, workers=2) as core:
        job = await core.ask(ANN)
        await core.handed(job.id)

        core.engine.fail(job.id, "EngineUnusable", "This worker cannot take a job now.")
        await core.until(lambda: len(core.engine.handed) == 2)

        assert (0, 2) == ((row := await core.row(job.id)).crash_count, row.attempt)


async def test_a_job_waits_while_no_worker_takes_jobs(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=2, workers=2) as core:
        for worker in core.engine.workers:
            core.engine.die_worker(worker)
        await core.until(lambda: all(load.state.trouble for load in core.jobs.registry.workers))
        job = await core.ask(ANN)
        assert core.jobs.registry.place(job.id) is not None
        assert {} == core.engine.under_way

        core.engine.revive_worker("worker 2")
        await core.handed(job.id)

        assert {job.id: "worker 2"} == where(core)


async def test_a_second_worker_brings_the_forecast_forward_at_once(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=1, workers=2) as core:
        core.engine.die_worker("worker 2")
        await core.until(lambda: any(load.state.trouble for load in core.jobs.registry.workers))
        for user in (ANN, BOB):
            await core.ask(user)
        last = await core.ask(CID)
        await core.until(lambda: len(core.engine.under_way) == 1)
        before = core.jobs.registry.place(last.id)

        core.engine.down.clear()
        assert core.engine.ready is not None
        up = replace(core.engine.ready, workers=tuple(map(core.engine.state, core.engine.workers)))
        core.jobs.registry.set_capacity(up)
        after = core.jobs.registry.place(last.id)

        assert before is not None
        assert after is not None
        assert after.ready < before.ready
