"""The core with a real child process behind it: the protocol's other side is a painter of tiles that needs no torch."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.jobs.admission import Submission
from bot.jobs.service import JobService
from bot.models.job import JobRow, JobState, Update
from bot.storage import Store
from engine.client.local import LocalEngine
from engine.images.opening import open_own
from engine.requests.request import DreamRequest, UpscaleRequest
from tests.bot.core import ANN, config, dream, origin, upscale_of
from tests.prepared_database import open_store


@dataclass
class Whole:
    jobs: JobService
    store: Store
    updates: list[Update]

    async def ask(self, request: DreamRequest | UpscaleRequest) -> JobRow:
        return await self.jobs.submit(
            Submission(request, origin(kind="dream" if request.kind == "dream" else "upscale"))
        )

    async def until(self, job_id: str, *states: JobState) -> JobRow:
        async with asyncio.timeout(30):
            while (job := await self.jobs.find(job_id)) is None or job.state not in states:
                await asyncio.sleep(0.01)
        return job


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    engine = LocalEngine([sys.executable, "-m", "tests.fake_engine"], data=tmp_path)
    async with await open_store(tmp_path) as store:
        jobs = JobService(config(), store, engine)
        whole = Whole(jobs, store, [])
        jobs.registry.subscribe(whole.updates.append)
        await engine.start()
        await jobs.start()
        yield whole
        await jobs.close()
        await engine.close()


async def test_a_dream_is_painted_step_by_step_and_then_enlarged(whole: Whole) -> None:
    job = await whole.ask(dream("a castle", count=2))
    done = await whole.until(job.id, JobState.DONE)
    sizes = [open_own(await whole.store.pictures.png(job.id, index)).size for index in range(2)]
    assert ([(256, 256)] * 2, [7, 8]) == (sizes, [picture.facts["seed"] for picture in done.pictures])
    assert {0, 1} == set().union(*(u.progress.snapshots for u in whole.updates if u.progress))

    larger = await whole.ask(await upscale_of(whole.jobs, whole.store, job.id, 1, scale=2))
    await whole.until(larger.id, JobState.DONE)
    assert (512, 512) == open_own(await whole.store.pictures.png(larger.id, 0)).size


async def test_a_job_outlives_the_engine(whole: Whole) -> None:
    job = await whole.ask(dream("die"))
    done = await whole.until(job.id, JobState.DONE, JobState.FAILED)

    assert (JobState.DONE, 2, 1) == (done.state, done.attempt, done.crash_count)
    assert pytest.approx(job.cost) == (await whole.jobs.quota.balance(ANN)).used


async def test_a_job_that_hangs_can_be_cancelled_and_the_next_one_runs(whole: Whole) -> None:
    stuck = await whole.ask(dream("hang on"))
    await whole.until(stuck.id, JobState.RUNNING)
    following = await whole.ask(dream("a cat"))
    await whole.jobs.cancel(stuck.id, ANN)

    await whole.until(following.id, JobState.DONE)
    assert JobState.CANCELLED is (await whole.until(stuck.id, JobState.CANCELLED)).state


async def test_a_failure_arrives_in_the_engines_words(whole: Whole) -> None:
    failed = await whole.until((await whole.ask(dream("nan owl"))).id, JobState.FAILED)

    assert ("NotFinite", True) == (failed.error_code, "another seed may help" in failed.error_text)
