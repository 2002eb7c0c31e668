"""`/mydata` and `/forget` of a person with 5,000 jobs, each with a picture, a message and a star, beside another person
with as many. Lag: CPU time of the event loop's thread without a pause, so that a busy machine does not count.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from bot.actions.privacy import Privacy
from bot.community.gallery.embedder import PictureEmbedder
from bot.models.job import job_request_to_json
from tests.benchmarks.find import unit
from tests.benchmarks.measure import Figure
from tests.bot.core import ANN, BOB, Core, config, dream, running_core

JOBS, DIM, PNG_BYTES, UPLOAD = 5000, 512, 4000, 10_000_000
LAG = "≤ 50"


def run() -> list[Figure]:
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with running_core(Path(folder) / "data", config(retention={"keep_pictures": 2 * JOBS})) as core:
            await fill(core)
            embedder = PictureEmbedder(core.store, None, None, "clip", lambda: False)  # type: ignore[arg-type]
            await core.store.settings.put("bot", "", "search_perceptor", ["clip", DIM])
            await embedder._open()
            privacy = Privacy(core.store, core.jobs, _Silent(), time.time, embedder.purge)  # type: ignore[arg-type]
            figures = list[Figure]()
            async with watched(core, "/mydata", figures):
                copy = await privacy.copy(ANN, UPLOAD)
            assert copy.pictures > 1000
            async with watched(core, "/forget", figures):
                await privacy.forget(ANN)
            counts = (await privacy.belongings(ANN)).jobs, (await privacy.belongings(BOB)).jobs
            assert counts == (0, JOBS)
            return figures


@asynccontextmanager
async def watched(core: Core, what: str, figures: list[Figure]) -> AsyncIterator[None]:
    """Measure the body: CPU seconds, the longest stretch of the loop, and the longest wait of another query."""
    longest = waited = 0.0
    done = False

    async def tick() -> None:
        nonlocal longest
        while not done:
            start = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - start)

    async def ask() -> None:
        nonlocal waited
        while not done:
            start = time.perf_counter()
            await core.store.settings.all("bot")
            waited = max(waited, time.perf_counter() - start)
            await asyncio.sleep(0.01)

    watchers = [asyncio.create_task(tick()), asyncio.create_task(ask())]
    await asyncio.sleep(0.1)
    longest = waited = 0.0
    start = time.process_time()
    try:
        yield
    finally:
        seconds, done = time.process_time() - start, True
        await asyncio.gather(*watchers)
    figures.append(Figure(f"{what}: all threads together", seconds, "CPU s"))
    figures.append(Figure(f"{what}: longest stretch of the event loop", longest * 1000, "CPU ms", LAG))
    figures.append(Figure(f"{what}: longest wait of another query", waited * 1000, "ms"))


class _Silent:
    """A delivery that follows no job."""

    def drop(self, owner: str) -> None:
        return


async def fill(core: Core) -> None:
    """Jobs of two people in turn; Ann has starred her own pictures, and Bob has starred them too."""
    random, request = np.random.default_rng(0), job_request_to_json(dream())
    store, people = core.store, {ANN: "a", BOB: "b"}
    folder = store.folder / "pictures" / "27"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(f"{letter}{n}", user) for n in range(JOBS) for user, letter in people.items()]
    for job_id, _ in rows:
        (folder / f"{job_id}-0.png").write_bytes(random.bytes(PNG_BYTES))
    facts = '{"width": 256, "height": 256, "seed": 7, "clip_score": 0.3, "perceptor": "clip", "notes": []}'
    async with store.transaction() as session:
        connection = session._connection
        await connection.executemany(
            "INSERT INTO jobs (id, owner, kind, user_id, user_name, guild_id, channel_id, parent_job, parent_index,"
            " priority, running_limit, request, cost, state, created_at, finished_at)"
            " VALUES (?, ?, 'dream', ?, 'x', 400, 500, '', 0, 0, 1, ?, 1638400, 'done', ?, ?)",
            [(job_id, f"discord:{user}", user, request, n, n + 5) for n, (job_id, user) in enumerate(rows)],
        )
        await connection.executemany(
            "INSERT INTO pictures VALUES (?, 0, ?, 256, 256, ?, ?, ?, 'clip', ?, ?)",
            [
                (job_id, f"pictures/27/{job_id}-0.png", f"{n:064x}", PNG_BYTES, facts, random.bytes(2 * DIM), n)
                for n, (job_id, _) in enumerate(rows)
            ],
        )
        await connection.executemany(
            "INSERT INTO messages VALUES (500, ?, ?, ?)", [(n + 1, job_id, n) for n, (job_id, _) in enumerate(rows)]
        )
        await connection.executemany(
            "INSERT INTO stars VALUES (?, 0, ?, 400, 0, ?)",
            [(job_id, user, n) for n, (job_id, _) in enumerate(rows) if job_id[0] == "a" for user in people],
        )
        vectors = unit(random.standard_normal((len(rows), DIM))).astype("<f2")
        await connection.executemany(
            "INSERT INTO picture_index VALUES (?, ?, 0, ?, 400, 500, 0, 'a misty owl', 0, 'clip', ?)",
            [(n + 1, job_id, user, vectors[n].tobytes()) for n, (job_id, user) in enumerate(rows)],
        )
        await connection.executemany(
            "INSERT INTO picture_words (rowid, words, place) VALUES (?, 'a misty owl', ?)",
            [(n + 1, f"u{user} s400") for n, (_, user) in enumerate(rows)],
        )
        await session.run("DELETE FROM unindexed")
