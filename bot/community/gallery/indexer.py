"""Puts finished pictures into the index: their words, who may see them, and whether they are adult content."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable

from bot.models.film import FilmRequest
from bot.models.job import JobRow, PictureRow
from bot.policy.server_rules import ANCESTORS, PromptLineage, meant_by, wanted_texts
from bot.policy.word_filter import is_mature
from bot.storage import Store
from bot.storage.community.picture_index import IndexEntry
from bot.storage.database import Session
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
