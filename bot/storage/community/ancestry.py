"""The table `ancestry`: which pictures a job was made from. A row is deleted with the job that was made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.models.job import JobRow, parts_of
from bot.storage.database import Database, Session
from engine.requests.request import DreamRequest

MOST_CHILDREN = 200
"""Descendants that are looked at, because a popular picture may have thousands."""


@dataclass(frozen=True, slots=True)
class Descent:
    """*child* was made from picture *index* of *parent*; *relation*: how, as a kind of job, ``init`` or ``target``."""

    child: str
    parent: str
    index: int
    relation: str


class Ancestry:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, session: Session, job: JobRow) -> None:
        """Note the parents of a new job: the one that its button names, and those whose pictures its request names."""
        origin = job.origin
        found = {(origin.parent_job, origin.parent_index): str(origin.kind)} if origin.parent_job else {}
        for sha256, relation in _named(job):
            row = await session.one(
                "SELECT job_id, idx FROM pictures WHERE sha256 = ? AND path IS NOT NULL AND job_id <> ?"
                " ORDER BY job_id <> ?, created_at, job_id LIMIT 1",
                sha256,
                job.id,
                origin.parent_job,
            )
            if row is not None:
                found.setdefault((row[0], row[1]), relation)
        for (parent, index), relation in found.items():
            await session.run("INSERT INTO ancestry VALUES (?, ?, ?, ?)", job.id, parent, index, relation)

    async def parents(self, job_ids: Sequence[str]) -> list[Descent]:
        """How these jobs were made, by job and parent."""
        return await self._rows("a.job_id IN (SELECT value FROM json_each(?)) ORDER BY a.job_id, parent_job", job_ids)

    async def children(self, job_ids: Sequence[str]) -> list[Descent]:
        """What was made from these jobs and is done, oldest first, at most `MOST_CHILDREN`."""
        return await self._rows(
            "parent_job IN (SELECT value FROM json_each(?))"  # noqa: S608 - ours
            " AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = a.job_id AND state = 'done')"
            f" ORDER BY (SELECT created_at FROM jobs WHERE jobs.id = a.job_id), a.job_id LIMIT {MOST_CHILDREN}",
            job_ids,
        )

    async def remixes(self, job_id: str) -> tuple[int, int]:
        """(finished jobs made from this one, people who asked for them); shown-again pictures do not count."""
        async with self._database.reading() as session:
            row = await session.one(
                "SELECT count(DISTINCT jobs.id), count(DISTINCT jobs.owner) FROM ancestry JOIN jobs ON jobs.id = job_id"
                " WHERE ancestry.parent_job = ? AND relation <> 'pick' AND state = 'done'",
                job_id,
            )
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    async def of_owner(self, owner: str) -> list[Descent]:
        """How all jobs of one person were made."""
        return await self._rows(
            "a.job_id IN (SELECT id FROM jobs WHERE owner = ?) ORDER BY a.job_id, parent_job", owner
        )

    async def _rows(self, where: str, value: str | Sequence[str]) -> list[Descent]:
        bound = value if isinstance(value, str) else json.dumps(list(value))
        async with self._database.reading() as session:
            rows: list[sqlite3.Row] = await session.all(
                f"SELECT a.job_id, parent_job, parent_index, relation FROM ancestry a WHERE {where}",  # noqa: S608 - ours
                bound,
            )
        return [Descent(*row) for row in rows]


def _named(job: JobRow) -> Iterator[tuple[str, str]]:
    """SHA-256 of every picture in the request, and its role. Masks do not count as parents."""
    for request in (part.request for part in parts_of(job.request)):
        if not isinstance(request, DreamRequest):
            yield request.image, "upscale"
            continue
        if request.init_image:
            yield request.init_image, "init"
        aims = (request.target_image, *(prompt.image for prompt in request.prompts))
        yield from ((sha256, "target") for sha256 in aims if sha256)
