"""Keeps the search index: words, visibility and maturity of finished pictures, and their vectors by one CLIP.

New pictures are indexed by the rounds, or at once before an answer that needs them, and embedded while nothing waits.
The perceptor is named by its name and the hash of its weights. When either changes, every picture is embedded again, a
few at a time, and until then only those with a new vector are found by their look.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bot.errors import Refused
from bot.models.film import FilmRequest
from bot.models.gallery import IndexedPicture
from bot.models.job import JobRow, PictureRow
from bot.pictures.ranking import clip_view, reads
from bot.policy.server_rules import ANCESTORS, PromptLineage, meant_by, wanted_texts
from bot.policy.word_filter import is_mature
from bot.storage import Store, files
from bot.storage.community.picture_index import IndexEntry
from bot.storage.community.vector_table import FOLDER, VectorRow, VectorTable
from bot.storage.database import Session
from engine.client.local import Engine
from engine.errors import UnreadablePicture
from engine.images.vector_file import Floats
from engine.perceptors.judge_choice import choose_grader
from engine.protocol.messages import Embeddings
from engine.requests.request import DreamRequest

log = logging.getLogger(__name__)

AT_ONCE = 20
"""Jobs that one transaction indexes."""
ROUNDS = 5
"""Transactions that one answer waits for."""
MOST_TEXT = 4000
"""Characters of a prompt that are searched."""
MADE_FROM = ("upscale", "variation", "pick")
"""Kinds of jobs whose picture was made from one picture of the parent."""


class PictureIndexer:
    """*restricted*: whether a channel is age-restricted now; an unknown one is not."""

    def __init__(self, store: Store, restricted: Callable[[int], bool]) -> None:
        self._store = store
        self._restricted = restricted
        self._turn = asyncio.Lock()

    async def catch_up(self, rounds: int | None = None) -> None:
        """Index finished jobs that are not indexed yet, also those of earlier versions. Raises StoreError.

        *rounds*: at most so many transactions, for an answer that must not wait for all of an old database.
        """
        for _ in itertools.count() if rounds is None else range(rounds):
            async with self._turn:
                job_ids = await self._store.picture_index.unindexed(AT_ONCE)
                if not job_ids:
                    return
                async with self._store.transaction() as session:
                    for job_id in job_ids:
                        await self._index(session, job_id)

    async def ensure(self, job_id: str) -> None:
        """Index this job now if it waits for it. Raises StoreError."""
        async with self._turn, self._store.transaction() as session:
            if await self._store.picture_index.waits(session, job_id):
                await self._index(session, job_id)

    async def _index(self, session: Session, job_id: str, depth: int = 0) -> None:
        job = await self._store.jobs.find(job_id, session)
        if job is None:
            log.warning("job %s is not indexed, because this version cannot read it", job_id)
            await self._store.picture_index.add(session, job_id, [])
            return
        meant = await meant_by(self._store, session, job.request, job.origin.parent_job)
        mature = self._restricted(job.origin.channel_id) or bool(is_mature(meant.texts)) or not meant.known
        mature |= await self._from_mature(session, job, depth)
        origin = job.origin
        entries = [
            IndexEntry(
                job.id,
                picture.index,
                origin.user_id,
                None if origin.guest else origin.guild_id,
                origin.channel_id,
                mature or bool(picture.facts.get("covered")),
                (await self._words(session, job, picture, meant))[:MOST_TEXT],
            )
            for picture in (job.pictures[:1] if isinstance(job.request, FilmRequest) else job.pictures)
        ]
        await self._store.picture_index.add(session, job.id, entries)

    async def _from_mature(self, session: Session, job: JobRow, depth: int) -> bool:
        """Whether a picture that the job was made from is adult content, by its words or by the safety check."""
        sources = [(job.origin.parent_job, job.origin.parent_index)] if job.origin.kind in MADE_FROM else []
        used = [await self._store.pictures.by_sha(sha256, session) for sha256 in job.request.images]
        sources += [(source.job_id, source.index) for source in used if source is not None]
        for job_id, _ in sources:
            if depth < ANCESTORS and await self._store.picture_index.waits(session, job_id):
                await self._index(session, job_id, depth + 1)
        found = [await self._store.picture_index.entry(session, *source) for source in sources]
        return any(entry is not None and entry[1] for entry in found)

    async def _words(self, session: Session, job: JobRow, picture: PictureRow, meant: PromptLineage) -> str:
        """The wanted texts of the prompt that painted it; an upscaled picture has its parent's."""
        if isinstance(job.request, FilmRequest):
            return ", ".join(wanted_texts(job.request))
        request = job.part(picture.index).request
        if isinstance(request, DreamRequest):
            return ", ".join(wanted_texts(request))
        parent = await self._store.picture_index.entry(session, job.origin.parent_job, job.origin.parent_index)
        return parent[0] if parent else ", ".join(meant.texts)


EMBEDDED_AT_ONCE = 4
"""Pictures that one request embeds."""
LOADED = 1000
"""Vectors that are read from the database at a time."""
SECONDS = 20.0
"""Longest wait for the engine in an answer to a person."""
PAUSE = 0.1
"""Seconds between two requests, for whatever else the engine has to do."""
OFF = "off"
_SETTING = "search_perceptor"


class PictureEmbedder:
    """Embeds pictures and queries. *busy*: true if a job waits."""

    def __init__(
        self, store: Store, engine: Engine, indexer: PictureIndexer, name: str, busy: Callable[[], object]
    ) -> None:
        self._store = store
        self._engine = engine
        self._indexer = indexer
        self._name = name or choose_grader(())[0]
        self._busy = busy
        self._folder: Path = store.folder / FOLDER
        self._turn = asyncio.Lock()
        self._table: VectorTable | None = None
        self._perceptor = ""
        self._opened = False

    @property
    def enabled(self) -> bool:
        return self._name != OFF

    async def index(self, indexed: Callable[[], None]) -> None:
        """Index new pictures, say so, and purge removed ones. Raises StoreError or OSError."""
        await self._indexer.catch_up()
        indexed()
        await self.purge()

    async def embed(self) -> None:
        """Embed pictures until none is due or a job waits. Raises DreamError, TimeoutError, StoreError or OSError."""
        if not self._opened:
            await self._open()
            self._opened = True
        while True:
            if not await self._embed_some():
                return
            await asyncio.sleep(PAUSE)

    async def purge(self) -> None:
        """Remove the words and the vectors of deleted pictures from the disk."""
        if gone := await self._store.picture_index.removed():
            async with self._turn:
                if self._table is not None:
                    await asyncio.to_thread(self._table.drop, gone)
            await self._store.picture_index.clear_removed(gone)

    def can_read(self, words: str) -> bool:
        """Whether the perceptor knows a word of this text."""
        return self.enabled and reads(self._name, words)

    async def of_text(self, text: str) -> tuple[str, Floats]:
        """(perceptor, unit vector [dim]) of a text. Raises DreamError or TimeoutError."""
        async with asyncio.timeout(SECONDS):
            return await self._adopted(await self._engine.embed(texts=[text], perceptor=self._name))

    async def of_image(self, png: bytes) -> tuple[str, Floats]:
        """(perceptor, unit vector [dim]) of a picture. Raises DreamError or TimeoutError."""
        view = await clip_view(png)
        async with asyncio.timeout(SECONDS):
            return await self._adopted(await self._engine.embed(images=[view], perceptor=self._name))

    async def of_picture(self, picture: IndexedPicture) -> tuple[str, Floats]:
        """(perceptor, unit vector [dim]) of an indexed picture; embeds it now if need be. Raises as `of_image`."""
        rows = await self._store.picture_index.vectors([picture.id])
        if rows and self._table is not None and len(rows[0].vector) == self._table.dim * 2:
            return self._perceptor, np.frombuffer(rows[0].vector, "<f2").astype(np.float32)
        png = await files.read(picture.path)
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

    async def _embed_some(self) -> bool:
        """Embed a few pictures; False if none is due or a job waits."""
        if self._busy() or not (due := await self._store.picture_index.due(EMBEDDED_AT_ONCE)):
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
        png = await files.read(picture.path)
        try:
            if png is not None:
                return picture, await clip_view(png)
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
