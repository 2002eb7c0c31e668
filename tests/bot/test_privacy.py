"""`/mydata` and `/forget` of a person with many jobs: few statements, nothing heavy on the event loop."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

import bot.actions.privacy
import bot.storage.jobs
from bot.actions.privacy import COPY_SECONDS, JOBS_AT_ONCE, Privacy
from bot.errors import CoolingDown, Refused, StoreError
from bot.jobs.admission import Submission
from bot.models.job import JobState, owner_of
from bot.retry import install
from bot.storage.community.stars import Star
from bot.storage.database import Session
from tests.bot.core import ANN, BOB, Core, count, dream, origin, running_core


class NoMessages:
    """Stands in for the delivery: no message was sent."""

    def drop(self, owner: str) -> None:
        assert owner == owner_of(ANN)


def privacy(core: Core) -> Privacy:
    return Privacy(core.store, core.jobs, NoMessages(), core.clock)  # type: ignore[arg-type]


async def painted(core: Core, user: int) -> None:
    """One finished job."""
    asked = await core.jobs.submit(Submission(dream(), origin(user)))
    await core.handed(asked.id)
    core.engine.paint(asked.id)
    await core.until_state(asked.id, JobState.DONE)


async def multiply(core: Core, copies: int) -> None:
    """One finished job of Ann's, and *copies* more like it."""
    await painted(core, ANN)
    async with core.store.transaction() as session:
        for table, key in (("jobs", "id"), ("pictures", "job_id"), ("charges", "job_id")):
            row = await session.one(f"SELECT * FROM {table}")
            assert row is not None
            for number in range(copies):
                values = {**dict(row), key: f"copy{number}"}
                marks = ", ".join("?" * len(values))
                await session.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values())


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    run = Session.all

    async def counted(self: Session, sql: str, *values: object) -> Any:
        made.append(sql)
        return await run(self, sql, *values)

    monkeypatch.setattr(Session, "all", counted)
    return made


@pytest.mark.parametrize("what", ["copy", "history"])
async def test_many_jobs_take_as_many_statements_as_one(tmp_path: Path, statements: list[str], what: str) -> None:
    needed = []
    for copies in (0, 60):
        async with running_core(tmp_path / str(copies)) as core:
            await multiply(core, copies)
            statements.clear()
            if what == "copy":
                assert copies + 1 == (await privacy(core).copy(ANN, 10**7)).pictures
            else:
                jobs = await core.store.jobs.page(owner_of(ANN), 1000)
                assert [1] * (copies + 1) == [len(job.pictures) for job in jobs]
            needed.append(len(statements))

    assert needed[0] == needed[1]


async def test_records_are_read_and_packed_off_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    for module, name in ((bot.actions.privacy.json, "loads"), (bot.storage.jobs, "_request")):
        original = getattr(module, name)

        def noted(*values: Any, original: Any = original, **named: Any) -> Any:
            threads.add(threading.current_thread().name)
            return original(*values, **named)

        monkeypatch.setattr(module, name, noted)
    async with running_core(tmp_path) as core:
        await multiply(core, 60)
        threads.clear()
        await privacy(core).copy(ANN, 10**7)
        await core.store.jobs.page(owner_of(ANN), 1000)

    assert threads
    assert threading.main_thread().name not in threads


async def test_a_copy_waits_for_no_transaction_and_shows_one_moment(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await multiply(core, 2)
        async with core.store.transaction() as session:
            await session.run("DELETE FROM pictures")
            copy = await privacy(core).copy(ANN, 10**7)
        with zipfile.ZipFile(io.BytesIO(copy.data)) as archive:
            data = json.loads(archive.read("data.json"))
        async with core.store.snapshot() as snapshot:
            with pytest.raises(StoreError, match="readonly"):
                await snapshot.database.all("DELETE FROM settings")

        assert [1, 1, 1] == [len(job["pictures"]) for job in data["jobs"]]
        assert 0 == await count(core.store, "pictures", "1")


async def test_a_copy_is_complete_and_the_next_one_waits_a_minute(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await multiply(core, 2)
        person = privacy(core)
        copy = await person.copy(ANN, 10**7)
        with zipfile.ZipFile(io.BytesIO(copy.data)) as archive:
            data = json.loads(archive.read("data.json"))
        with pytest.raises(CoolingDown) as refused:
            await person.copy(ANN, 10**7)
        await person.copy(BOB, 10**7)
        core.clock.advance(COPY_SECONDS)
        await person.copy(ANN, 10**7)

        assert core.clock() == refused.value.retry_at
        assert 3 == len(data["jobs"]) == len(data["ledger"])
        assert all(job["request"]["prompts"] and len(job["pictures"]) == 1 for job in data["jobs"])
        assert {1} == {len(person._copied)}


class Died(BaseException):
    """The process ends here."""


async def left(core: Core) -> dict[str, int]:
    """Number of Ann's rows in each table that holds some, and of her files."""
    owner = owner_of(ANN)
    wheres = {
        "jobs": f"owner = '{owner}'",
        "pictures": "job_id IN (SELECT id FROM jobs WHERE owner = 'discord:11')",
        "stars": f"user_id = {ANN}",
        "charges": f"owner = '{owner}' AND reserved_at < {core.clock() - 40 * 86_400}",
        "settings": f"scope = 'person' AND subject = '{ANN}'",
        "forgetting": f"owner = '{owner}'",
    }
    found = {table: await count(core.store, table, where) for table, where in wheres.items()}
    files = {row["path"] for row in (await core.store.erasure.rows(owner_of(BOB)))[1]}
    found["files"] = len(list((core.store.folder / "pictures").rglob("*.png"))) - len(files)
    return {name: number for name, number in found.items() if number}


@pytest.mark.parametrize(
    ("point", "times"), [("forgetting", 1), ("jobs forgotten", 1), ("jobs forgotten", 3), ("forgotten", 1)]
)
async def test_a_deletion_that_a_crash_interrupts_is_finished_at_the_next_start(
    tmp_path: Path, point: str, times: int
) -> None:
    async with running_core(tmp_path) as core:
        await multiply(core, 3 * JOBS_AT_ONCE)
        await painted(core, BOB)
        await core.store.settings.put("person", str(ANN), "private", True)
        jobs = await core.store.jobs.page(owner_of(ANN), 5)
        async with core.store.transaction() as session:
            for job in jobs:
                await core.store.stars.put(session, Star(job.id, 0, ANN, None, False, 1.0))
        passed = 0

        def die(name: str) -> None:
            nonlocal passed
            passed += name == point
            if passed == times and name == point:
                raise Died

        install(die)
        try:
            with pytest.raises(Died):
                await privacy(core).forget(ANN)
        finally:
            install(None)
        if point == "jobs forgotten":
            assert 3 * JOBS_AT_ONCE + 1 - times * JOBS_AT_ONCE == (await left(core))["jobs"]
            with pytest.raises(Refused, match="Your data is being deleted"):
                await core.jobs.submit(Submission(dream(), origin(ANN)))

    async with running_core(tmp_path) as core:
        work = asyncio.create_task(privacy(core).run())
        async with asyncio.timeout(10):
            while await core.store.erasure.begun():
                await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

        assert {} == await left(core)
        assert 1 == len(await core.store.jobs.page(owner_of(BOB), 5))
        await core.jobs.submit(Submission(dream(), origin(ANN)))


async def test_no_transaction_of_a_deletion_takes_more_than_a_few_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    async with running_core(tmp_path) as core:
        delete = core.store.erasure.delete_jobs

        async def noted(job_ids: list[str]) -> None:
            taken.append(len(job_ids))
            await delete(job_ids)

        monkeypatch.setattr(core.store.erasure, "delete_jobs", noted)
        await multiply(core, 20)
        await privacy(core).forget(ANN)

    assert 21 == sum(taken)
    assert max(taken) == JOBS_AT_ONCE
