"""Keeps the vectors of all pictures by one CLIP: of new ones when they are finished, of old ones while nothing waits.

The perceptor is named by its name and the hash of its weights. When either changes, every picture is embedded again, a
few at a time, and until then only those with a new vector are found by their look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bot.community.gallery.indexer import PictureIndexer
from bot.errors import Refused, StoreError
from bot.models.gallery import IndexedPicture
from bot.models.job import Update
from bot.pictures.clip_ranker import SMALL, clip_view
from bot.retry import wait_for_news
from bot.storage import Store, files
from bot.storage.community.vector_table import FOLDER, VectorRow, VectorTable
from engine.client.local import Engine
from engine.errors import DreamError, UnreadablePicture
from engine.images.vector_file import Floats
from engine.perceptors.judge_choice import choose_grader
from engine.primer.vocabulary import says_something
from engine.protocol.messages import Embeddings

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Pictures that one request embeds."""
LOADED = 1000
"""Vectors that are read from the database at a time."""
SECONDS = 20.0
"""Longest wait for the engine in an answer to a person."""
POLL_SECONDS = 5.0
PAUSE = 0.1
"""Seconds between two requests, for whatever else the engine has to do."""
OFF = "off"
_SETTING = "search_perceptor"


class PictureEmbedder:
    """Embeds pictures and queries; `run` it in a task. *busy*: whether a job waits."""

    def __init__(
        self, store: Store, engine: Engine, indexer: PictureIndexer, name: str, busy: Callable[[], bool]
    ) -> None:
        self._store = store
        self._engine = engine
        self._indexer = indexer
        self._name = name or choose_grader(())[0]
        self._busy = busy
        self._folder: Path = store.folder / FOLDER
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._table: VectorTable | None = None
        self._perceptor = ""

    @property
    def enabled(self) -> bool:
        return self._name != OFF

    def hear(self, update: Update) -> None:
        """A job has ended, so there may be new pictures and an idle engine."""
        if update.job.state.over:
            self.wake()

    def wake(self) -> None:
        """Pictures were added or removed."""
        self._news.set()

    async def run(self) -> None:
        """Index and embed until cancelled."""
        opened = False
        while True:
            try:
                if not opened:
                    await self._open()
                    opened = True
                await self._indexer.catch_up()
                await self.purge()
                if self.enabled:
                    await self._embed_due()
            except (DreamError, TimeoutError) as error:
                log.info("pictures are embedded later: %s", error)
            except (StoreError, OSError) as error:
                log.error("the search index is continued later: %s", error)
            await wait_for_news(self._news, POLL_SECONDS)

    async def purge(self) -> None:
        """Remove the words and the vectors of deleted pictures from the disk."""
        if gone := await self._store.picture_index.removed():
            async with self._turn:
                if self._table is not None:
                    await asyncio.to_thread(self._table.drop, gone)
            await self._store.picture_index.clear_removed(gone)

    def can_read(self, words: str) -> bool:
        """Whether the perceptor knows a word of this text."""
        return self.enabled and (not self._name.startswith(SMALL) or says_something(words))

    async def of_text(self, text: str) -> tuple[str, Floats]:
        """(perceptor, unit vector [dim]) of a text. Raises DreamError or TimeoutError."""
        async with asyncio.timeout(SECONDS):
            return await self._adopted(await self._engine.embed(texts=[text], perceptor=self._name))

    async def of_image(self, png: bytes) -> tuple[str, Floats]:
        """(perceptor, unit vector [dim]) of a picture. Raises DreamError or TimeoutError."""
        view = await asyncio.to_thread(clip_view, png)
        async with asyncio.timeout(SECONDS):
            return await self._adopted(await self._engine.embed(images=[view], perceptor=self._name))

    async def of_picture(self, picture: IndexedPicture) -> tuple[str, Floats]:
        """(perceptor, unit vector [dim]) of an indexed picture; embeds it now if need be. Raises as `of_image`."""
        rows = await self._store.picture_index.vectors([picture.id])
        if rows and self._table is not None and len(rows[0].vector) == self._table.dim * 2:
            return self._perceptor, np.frombuffer(rows[0].vector, "<f2").astype(np.float32)
        png = await files.read(picture.path) if picture.path else None
        if png is None:
            raise Refused("This picture has expired, so it cannot be compared.")
        return await self.of_image(png)

    async def nearest(
        self,
        perceptor: str,
        vector: Floats,
        count: int,
        server_id: int | None,
        owner: int,
        among: list[int] | None = None,
    ) -> list[tuple[int, float]]:
        """(picture id, cosine) of the nearest; empty for a vector of another perceptor than the present one."""
        async with self._turn:
            if self._table is None or perceptor != self._perceptor or len(vector) != self._table.dim:
                return []
            return await asyncio.to_thread(self._table.nearest, vector, count, server_id, owner, among)

    async def _embed_due(self) -> None:
        while True:
            if not await self._embed_some():
                return
            await asyncio.sleep(PAUSE)

    async def _embed_some(self) -> bool:
        """Embed a few pictures; False if none is due or a job waits."""
        if self._busy() or not (due := await self._store.picture_index.due(AT_ONCE)):
            return False
        views = [view for picture in due if (view := await self._view(picture)) is not None]
        if not views:
            return True
        async with asyncio.timeout(SECONDS):
            answer = await self._engine.embed(images=[view for _, view in views], perceptor=self._name)
        await self._adopted(answer)
        rows = []
        for (picture, _), vector in zip(views, answer.vectors, strict=True):
            halves = np.asarray(vector, "<f2").tobytes()
            if await self._store.picture_index.embedded(picture.id, self._perceptor, halves):
                rows.append(VectorRow(picture.id, picture.server_id, picture.owner, halves))
        async with self._turn:
            if self._table is not None:
                await asyncio.to_thread(self._table.add, rows)
        return True

    async def _view(self, picture: IndexedPicture) -> tuple[IndexedPicture, bytes] | None:
        """The picture as CLIP sees it; one that is gone or damaged is not tried again."""
        png = await files.read(picture.path) if picture.path else None
        try:
            if png is not None:
                return picture, await asyncio.to_thread(clip_view, png)
        except UnreadablePicture as error:
            log.info("picture %d of job %s cannot be embedded: %s", picture.index, picture.job_id, error)
        await self._store.picture_index.embedded(picture.id, self._perceptor, None)
        return None

    async def _open(self) -> None:
        """Open the vectors of the perceptor of the previous run."""
        stored = (await self._store.settings.all("bot")).get(_SETTING)
        match stored:
            case [str(perceptor), int(dim)] if self.enabled:
                await self._use(perceptor, dim)

    async def _adopted(self, answer: Embeddings) -> tuple[str, Floats]:
        """The perceptor and the first vector of an answer; a new perceptor replaces the present one."""
        perceptor = f"{answer.perceptor} {answer.weights}".strip()
        vector = np.asarray(answer.vectors[0], np.float32)
        if perceptor != self._perceptor or self._table is None or self._table.dim != len(vector):
            log.info("pictures are searched by the perceptor %s", perceptor)
            await self._store.picture_index.set_perceptor(perceptor)
            await self._store.settings.put("bot", "", _SETTING, [perceptor, len(vector)])
            await self._use(perceptor, len(vector))
        return perceptor, vector

    async def _use(self, perceptor: str, dim: int) -> None:
        """Open the table of this perceptor, and bring it into step with the database."""
        async with self._turn:
            table = await asyncio.to_thread(VectorTable, self._folder, perceptor, dim)
            known = set(table.pictures.tolist())
            stored = await self._store.picture_index.embedded_ids(perceptor)
            await asyncio.to_thread(table.drop, known - set(stored))
            missing = [one for one in stored if one not in known]
            for start in range(0, len(missing), LOADED):
                rows = await self._store.picture_index.vectors(missing[start : start + LOADED])
                await asyncio.to_thread(table.add, [row for row in rows if len(row.vector) == dim * 2])
            self._table, self._perceptor = table, perceptor
