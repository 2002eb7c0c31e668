"""After a crash between any two steps: one job, one charge, one delivery."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import retry as failpoints
from bot.jobs.admission import Submission
from bot.models.job import JobState
from bot.storage import Store
from tests.bot.core import ANN, BOB, Core, config, count, dream, history, origin, running_core

POINTS = ("submitted", "started", "handed over", "picture file", "picture row", "ended")


class Died(BaseException):
    """As sudden as a SIGKILL, but it leaves the test alive."""


@pytest.fixture
def dies_at() -> Iterator[list[str]]:
    """Names put into this list are where the bot dies, once each."""
    names: list[str] = []

    def die(name: str) -> None:
        if name in names:
            names.remove(name)
            raise Died(name)

    failpoints.install(die)
    yield names
    failpoints.install(None)


async def live(core: Core) -> None:
    """One dream of two pictures, as far as it goes."""
    job = await core.jobs.submit(Submission(dream(count=2), origin(token="secret")))
    await core.handed(job.id)
    core.engine.paint(job.id)
    await core.until_state(job.id, JobState.DONE)


async def dies(core: Core) -> None:
    """Live until the crash point, whose exception ends the job service."""
    import asyncio

    life, death = asyncio.create_task(live(core)), asyncio.create_task(core.jobs.wait())
    done, _ = await asyncio.wait({life, death}, return_when=asyncio.FIRST_COMPLETED)
    for task in (life, death):
        task.cancel()
    assert any(isinstance(task.exception(), Died) for task in done)
    await asyncio.gather(life, death, return_exceptions=True)
    await core.crash()


async def finish(core: Core) -> None:
    """Whatever the last life left is painted."""
    for job in [*core.jobs.registry.running(), *(job for job, _ in core.jobs.registry.waiting())]:
        await core.handed(job.id)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)


async def assert_one_of_everything(store: Store) -> None:
    assert (1, 1) == (await count(store, "jobs"), await count(store, "jobs", "state = 'done'"))
    assert (1, 1) == (await count(store, "charges"), await count(store, "charges", "state = 'charged'"))
    assert (1, 2) == (await count(store, "deliveries", "state = 'pending'"), await count(store, "pictures"))


@pytest.mark.parametrize("point", POINTS)
async def test_whatever_dies_there_is_one_job_one_charge_and_one_delivery(
    tmp_path: Path, dies_at: list[str], point: str
) -> None:
    async with running_core(tmp_path, slots=2) as core:
        dies_at.append(point)
        await dies(core)

    async with running_core(tmp_path, slots=2) as core:
        await finish(core)
        await assert_one_of_everything(core.store)
        job = (await history(core.store, ANN))[0]
        assert [True, True] == [bool(await core.store.pictures.png(job.id, index)) for index in (0, 1)]

    async with running_core(tmp_path, slots=2) as core:
        await assert_one_of_everything(core.store)
        assert ([], []) == (core.updates, core.engine.handed)


async def test_dying_again_while_recovering_changes_nothing_either(tmp_path: Path, dies_at: list[str]) -> None:
    async with running_core(tmp_path, slots=2) as core:
        dies_at.append("picture row")
        await dies(core)
    dies_at.append("went back")
    with pytest.raises(Died):
        async with running_core(tmp_path, slots=2):
            pass

    async with running_core(tmp_path, slots=2) as core:
        await finish(core)
        await assert_one_of_everything(core.store)


@pytest.mark.parametrize("point", ["picture file", pytest.param("ended", marks=pytest.mark.slow)])
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
async def test_a_killed_process_leaves_the_same(tmp_path: Path, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bot.jobs.test_recovery", str(tmp_path), point], timeout=60, check=False
    )
    assert -signal.SIGKILL == done.returncode

    async with running_core(tmp_path, slots=2) as core:
        await finish(core)
        await assert_one_of_everything(core.store)


async def test_orphans_go_back_with_their_attempt_counted(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        waiting = await core.ask(BOB)
        await core.handed(job.id)
        await core.crash()

    async with running_core(tmp_path, engine_up=False) as core:
        row = await core.row(job.id)
        assert (JobState.QUEUED, 2, 0) == (row.state, row.attempt, row.crash_count)
        assert {job.id, waiting.id} == {queued.id for queued, _ in core.jobs.registry.waiting()}
        assert 1 == (await core.row(waiting.id)).attempt


async def test_however_often_bot_and_machine_die_no_job_is_set_aside_for_it(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
    for _ in range(5):
        async with running_core(tmp_path) as core:
            await core.handed(job.id)
            await core.crash()

    async with running_core(tmp_path) as core:
        await core.handed(job.id)
        assert (6, 0) == ((row := await core.row(job.id)).attempt, row.crash_count)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)


async def test_what_killed_the_engine_once_is_still_known_after_a_restart(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        core.engine.die()
        await core.until(lambda: not core.jobs.registry.running())
        await core.crash()

    async with running_core(tmp_path, slots=4) as core:
        await core.handed(job.id)
        core.engine.die()

        assert "SetAside" == (await core.until_state(job.id, JobState.FAILED)).error_code
        assert 0 == (await core.jobs.quota.balance(ANN)).used


async def test_a_job_of_another_version_delays_no_one_and_costs_nothing(tmp_path: Path) -> None:
    async with running_core(tmp_path, engine_up=False) as core:
        foreign, other = await core.ask(ANN), await core.ask(BOB)
        async with core.store.transaction() as session:
            await session.run('UPDATE jobs SET request = \'{"kind": "opera"}\' WHERE id = ?', foreign.id)
        await core.crash()

    async with running_core(tmp_path) as core:
        await core.handed(other.id)
        assert 1 == await count(core.store, "jobs", f"id = '{foreign.id}' AND state = 'failed'")
        assert (0.0, 0.0) == ((balance := await core.jobs.quota.balance(ANN)).used, balance.reserved)
        assert [] == await history(core.store, ANN)


async def test_who_had_much_before_a_restart_waits_for_who_had_little(tmp_path: Path) -> None:
    settings = config(queue={"per_user": 9})
    async with running_core(tmp_path, settings) as core:
        for _ in range(2):
            job = await core.ask(ANN)
            await core.handed(job.id)
            core.engine.paint(job.id)
            await core.until_state(job.id, JobState.DONE)
        core.engine.ready = None
        await core.ask(ANN)
        core.clock.advance(1)
        await core.ask(BOB)
        await core.crash()

    async with running_core(tmp_path, settings, engine_up=False) as core:
        assert [BOB, ANN] == [job.origin.user_id for job, _ in core.jobs.registry.waiting()]


async def test_a_press_is_remembered_across_restarts(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        assert await core.store.presses.first("up:a:0", core.clock(), 10.0)
        await core.crash()
    async with running_core(tmp_path) as core:
        assert not await core.store.presses.first("up:a:0", core.clock(), 10.0)


async def test_half_written_files_are_swept_up(tmp_path: Path) -> None:
    async with running_core(tmp_path):
        pass
    (tmp_path / "pictures" / "27").mkdir(parents=True)
    (tmp_path / "inputs").mkdir()
    leftovers = [tmp_path / "pictures" / "27" / ".abc-0.png.1234.tmp", tmp_path / "inputs" / ("0" * 64)]
    for path in leftovers:
        path.write_bytes(b"half")

    async with running_core(tmp_path):
        assert [False, False] == [path.exists() for path in leftovers]


async def _live_and_die(folder: Path, point: str) -> None:
    def kill(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.install(kill)
    async with running_core(folder, slots=2) as core:
        await live(core)


if __name__ == "__main__":
    import asyncio

    asyncio.run(_live_and_die(Path(sys.argv[1]), sys.argv[2]))
