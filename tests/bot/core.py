"""A running core for tests: real SQLite, real files, a fake engine; and a way to crash it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import discord

from bot.config.settings import Config
from bot.interactions.context import Invocation
from bot.jobs.admission import Submission
from bot.jobs.service import JobService
from bot.models.job import JobRow, JobState, Kind, Origin, Update, owner_of
from bot.requests.derive import upscale
from bot.storage import Store
from engine.requests.request import DreamRequest, UpscaleRequest, build_request
from tests.bot.fakes import FakeClock, FakeEngine
from tests.prepared_database import open_store

ANN, BOB, CID, MOD = 11, 22, 33, 99
NAMES = {ANN: "ann", BOB: "bob", CID: "cid", MOD: "mod"}


def config(**sections: dict[str, object]) -> Config:
    """Settings in which nothing waits for a clock unless a test asks for it."""
    return Config.model_validate({"queue": {"cooldown_seconds": 0.0, **sections.pop("queue", {})}, **sections})


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dream(
    prompt: str = "a fox", *, count: int = 1, steps: int = 25, seed: int = 7, init_image: str = ""
) -> DreamRequest:
    return build_request(prompt, steps=steps, seed=seed, count=count, init_image=init_image)


def origin(user: int = ANN, *, kind: Kind = "dream", token: str = "", parent: str = "") -> Origin:
    return Origin(
        channel_id=500,
        user_id=user,
        user_name=NAMES[user],
        guild_id=400,
        interaction_id=77 if token else None,
        interaction_token=token,
        kind=kind,
        parent_job=parent,
    )


def invocation(user: int = ANN, *, server: int | None = 400, channel: int = 500) -> Invocation:
    """A person who presses a button there."""
    return Invocation(user, NAMES[user], channel, server, (), False, discord.Permissions.all(), False, True)


@dataclass
class Core:
    folder: Path
    settings: Config
    clock: FakeClock
    engine: FakeEngine
    store: Store
    jobs: JobService
    updates: list[Update] = field(default_factory=list)

    async def ask(self, user: int = ANN, request: DreamRequest | None = None) -> JobRow:
        return await self.jobs.submit(Submission(request or dream(), origin(user)))

    async def row(self, job_id: str) -> JobRow:
        job = await self.store.jobs.find(job_id)
        assert job is not None
        return job

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Wait for something in memory."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)

    async def until_state(self, job_id: str, state: JobState) -> JobRow:
        """Wait until the store knows the job in that state."""
        async with asyncio.timeout(10):
            while (job := await self.row(job_id)).state is not state:
                await asyncio.sleep(0.002)
        return job

    async def handed(self, job_id: str) -> None:
        """Wait until the engine has the job."""
        await self.until(lambda: job_id in self.engine.under_way)

    async def crash(self) -> None:
        """Die as a process does: tasks stop where they are, an open transaction is lost, the lock is free."""
        tasks = self.jobs._tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.store.close()


@asynccontextmanager
async def running_core(
    folder: Path,
    settings: Config | None = None,
    *,
    clock: FakeClock | None = None,
    ticks: FakeClock | None = None,
    slots: int = 1,
    workers: int = 0,
    engine_up: bool = True,
) -> AsyncIterator[Core]:
    """A started job service on *folder*, taken down at the end unless it has crashed by then."""
    settings, clock, engine = settings or config(), clock or FakeClock(), FakeEngine(slots, workers)
    store = await open_store(folder)
    jobs = JobService(settings, store, engine, clock=clock, ticks=ticks)
    core = Core(folder, settings, clock, engine, store, jobs)
    core.jobs.registry.subscribe(core.updates.append)
    try:
        if engine_up:
            await engine.start()
        await core.jobs.start()
        yield core
    finally:
        await core.crash()


async def history(store: Store, user: int, limit: int = 10) -> list[JobRow]:
    """A person's jobs, newest first."""
    return await store.jobs.page(owner_of(user), limit)


async def upscale_of(jobs: JobService, store: Store, job_id: str, index: int, scale: int = 0) -> UpscaleRequest:
    """The request behind an Upscale button."""
    picture = await store.pictures.find(job_id, index)
    assert picture is not None
    return upscale(picture, jobs.ready.upscalers if jobs.ready else (), scale=scale)


async def count(store: Store, table: str, where: str = "1") -> int:
    """Rows of a table."""
    async with store.database.reading() as session:
        row = await session.one(f"SELECT count(*) FROM {table} WHERE {where}")
    assert row is not None
    return int(row[0])


async def forgotten(store: Store, user_id: int, now: float, since: float = 0.0) -> None:
    """Delete everything of one person as `/forget` does, except what the engine and Discord know."""
    owner = owner_of(user_id)
    await store.erasure.delete_jobs([row["id"] for row in (await store.erasure.rows(owner))[0]])
    while await store.erasure.unname_charges(owner, since, 2):
        continue
    async with store.transaction() as session:
        await store.erasure.forget(session, owner, user_id, since, now)
