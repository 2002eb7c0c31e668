"""`/mydata` and `/forget` of a person with many jobs: few statements, nothing heavy on the event loop."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

import bot.actions.privacy
import bot.storage.jobs
from bot.actions.privacy import COPY_SECONDS, Privacy
from bot.errors import CoolingDown
from bot.models.job import JobState, owner_of
from bot.storage.database import Session
from tests.bot.core import ANN, BOB, Core, count, running_core


class NoMessages:
    """Stands in for the delivery: no message was sent."""

    def drop(self, owner: str) -> None:
        assert owner == owner_of(ANN)


def privacy(core: Core) -> Privacy:
    return Privacy(core.store, core.jobs, NoMessages(), core.clock)  # type: ignore[arg-type]


async def multiply(core: Core, copies: int) -> None:
    """One finished job of Ann's, and *copies* more like it."""
    asked = await core.ask()
    await core.handed(asked.id)
    core.engine.paint(asked.id)
    await core.until_state(asked.id, JobState.DONE)
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


@pytest.mark.parametrize("what", ["copy", "history", "forget"])
async def test_many_jobs_take_as_many_statements_as_one(tmp_path: Path, statements: list[str], what: str) -> None:
    needed = []
    for copies in (0, 60):
        async with running_core(tmp_path / str(copies)) as core:
            await multiply(core, copies)
            statements.clear()
            if what == "copy":
                assert copies + 1 == (await privacy(core).copy(ANN, 10**7)).pictures
            elif what == "history":
                jobs = await core.store.jobs.of_owner(owner_of(ANN), 1000)
                assert [1] * (copies + 1) == [len(job.pictures) for job in jobs]
            else:
                await privacy(core).forget(ANN)
                assert 0 == await count(core.store, "jobs")
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
        await core.store.jobs.of_owner(owner_of(ANN), 1000)

    assert threads
    assert threading.main_thread().name not in threads


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
