"""`/find` among 100,000 pictures of a bot: by words and by the look, without the embedding of the query. A server with
all of them, one with a tenth, and one with fifty. Vectors have as many numbers as those of ViT-B/32.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np

from bot.community.gallery.embedder import PictureEmbedder
from bot.community.gallery.finder import Finder
from bot.models.gallery import Viewer
from bot.storage import Store
from bot.storage.community.searches import Search
from tests.benchmarks.measure import Figure

PICTURES, DIM = 100_000, 512
WORDS = ["red", "blue", "green", "old", "small", "large", "bright", "dark", "misty", "golden"]
THINGS = ["owl", "fox", "castle", "tree", "river", "mountain", "cat", "ship", "lamp", "house"]
SERVERS = {1: 0.9, 2: 0.0995, 3: 0.0005}


def run() -> list[Figure]:
    return asyncio.run(_run())


async def _run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with await Store.open(Path(folder)) as store:
            await fill(store)
            indexer = _Nothing()
            embedder = PictureEmbedder(store, None, indexer, "clip", lambda: False)  # type: ignore[arg-type]
            await store.settings.put("bot", "", "search_perceptor", ["clip", DIM])
            figures = []
            for what in ("fill the table of vectors", "open it at the next start, with its checksums"):
                start = time.process_time()
                await embedder._open()
                figures.append(Figure(what, time.process_time() - start, "CPU s"))
            finder = Finder(store, indexer, embedder, None, None, time.time)  # type: ignore[arg-type]
            for server, share in SERVERS.items():
                viewer = Viewer(7, server, (server * 10,))
                for words in ("owl", "red owl", "a"):
                    ms = await median(finder, viewer, words)
                    what = f"“{words}” in a server with {round(PICTURES * share):,} pictures"
                    figures.append(Figure(what, ms, "CPU ms", "≤ 100"))
            return figures


async def median(finder: Finder, viewer: Viewer, words: str) -> float:
    """CPU milliseconds of a first page, all threads together: the median of seven."""
    halves = unit(np.random.default_rng(1).standard_normal((1, DIM)))[0].astype("<f2").tobytes()
    search = Search("s", viewer.user_id, "all", words, None, "clip", halves, 0.0)
    times = []
    for _ in range(7):
        start = time.process_time()
        worded = await finder._by_words(search, viewer)
        looks = await finder._by_look(search, viewer)
        assert looks
        await finder._store.picture_index.among(viewer, "all", [*worded, *looks][:9])
        times.append((time.process_time() - start) * 1000)
    return sorted(times)[3]


class _Nothing:
    """An index that is complete."""

    async def catch_up(self, rounds: int | None = None) -> None:
        return


def unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


async def fill(store: Store) -> None:
    """One job with one picture and one message each."""
    random = np.random.default_rng(0)
    servers = random.choice(list(SERVERS), PICTURES, p=list(SERVERS.values()))
    async with store.transaction() as session:
        connection = session._connection
        await connection.executemany(
            "INSERT INTO jobs (id, owner, kind, user_id, user_name, guild_id, channel_id, parent_job, parent_index,"
            " priority, running_limit, request, cost, state, created_at)"
            " VALUES (?, 'discord:1', 'dream', 1, 'x', ?, ?, '', 0, 0, 1, '{}', 0, 'done', 0)",
            [(f"j{n}", int(s), int(s) * 10) for n, s in enumerate(servers)],
        )
        await connection.executemany(
            "INSERT INTO pictures VALUES (?, 0, ?, 8, 8, ?, 1, '{}', '', NULL, 0)",
            [(f"j{n}", f"p{n}", f"{n}") for n in range(PICTURES)],
        )
        await connection.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, 0)", [(int(s) * 10, n + 1, f"j{n}") for n, s in enumerate(servers)]
        )
        for first in range(0, PICTURES, 10_000):
            vectors = unit(random.standard_normal((10_000, DIM))).astype("<f2")
            rows = []
            for offset in range(10_000):
                n = first + offset
                words = f"a {random.choice(WORDS)} {random.choice(THINGS)}"
                server = int(servers[n])
                rows.append((n + 1, f"j{n}", server, server * 10, words, vectors[offset].tobytes()))
            await connection.executemany(
                "INSERT INTO picture_index VALUES (?, ?, 0, 1, ?, ?, 0, ?, 0, 'clip', ?)", rows
            )
            await connection.executemany(
                "INSERT INTO picture_words (rowid, words, place) VALUES (?, ?, ?)",
                [(row[0], row[4], f"u1 s{row[2]}") for row in rows],
            )
        await session.run("DELETE FROM unindexed")
