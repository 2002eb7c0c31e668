"""The tables `jobs` and `ancestry` (which pictures a job was made from).

A change of state names the state and attempt it starts from, so a late one changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from bot.models.job import (
    Applied,
    JobRequest,
    JobRow,
    JobState,
    Origin,
    Priority,
    job_request_from_json,
    job_request_to_json,
    parts_of,
)
from bot.storage.database import Database, Session, Table, record
from bot.storage.pictures import Pictures
from engine.errors import InvalidRequest
from engine.requests.request import DreamRequest

log = logging.getLogger(__name__)

STEPS_PER_UNIT = 1_000_000
"""Costs are stored as whole pixel steps; a unit is a million of them."""
_INLINE = 20
"""Rows that are parsed on the event loop (0.1 ms each); more go to a thread."""
_SELECT = """
    SELECT jobs.*, (
        SELECT message_id FROM messages
        WHERE messages.job_id = jobs.id AND messages.channel_id = jobs.channel_id
        ORDER BY messages.created_at DESC, message_id DESC LIMIT 1
    ) AS message_id, (
        SELECT json_group_array(json_object(
            'job_id', job_id, 'idx', idx, 'path', path, 'width', width, 'height', height,
            'sha256', sha256, 'size', size, 'facts', facts
        )) FROM pictures WHERE pictures.job_id = jobs.id
    ) AS pictures
    FROM jobs
"""
_BESIDE = "(SELECT created_at, rowid FROM jobs WHERE id = ?)"
_OLDER = f"AND (created_at, rowid) < {_BESIDE} ORDER BY created_at DESC, rowid DESC LIMIT ?"
_NEWER = f"AND (created_at, rowid) > {_BESIDE} ORDER BY created_at, rowid LIMIT ?"
_ALIVE = "state IN ('queued', 'running')"
"""SQLite uses the partial index on unfinished jobs only for a query with the same condition."""


def pixel_steps(units: float) -> int:
    return round(units * STEPS_PER_UNIT)


class Jobs(Table):
    """Queries of the table `jobs`. Methods raise StoreError; lists include each job's pictures."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        super().__init__(database)
        self._pictures = pictures

    async def insert(self, session: Session, job: JobRow) -> None:
        """Insert *job*; `Interactions` stores its interaction token."""
        origin = job.origin
        await session.insert(
            "jobs",
            id=job.id,
            attempt=job.attempt,
            deaths=job.crash_count,
            owner=job.owner,
            kind=origin.kind,
            user_id=origin.user_id,
            user_name=origin.user_name,
            guild_id=origin.guild_id,
            channel_id=origin.channel_id,
            interaction_id=origin.interaction_id,
            parent_job=origin.parent_job,
            parent_index=origin.parent_index,
            priority=job.priority,
            running_limit=job.running_limit,
            request=job_request_to_json(job.request),
            cost=pixel_steps(job.cost),
            state=job.state,
            created_at=job.created_at,
            server_id=origin.server_id,
            spoiler=origin.spoiler,
            thread_of=origin.thread_of,
            guest=origin.guest,
            applied=json.dumps(origin.applied, ensure_ascii=False),
        )

    async def find(self, job_id: str, session: Session | None = None) -> JobRow | None:
        rows = await self._rows("WHERE id = ?", job_id, session=session)
        return rows[0] if rows else None

    async def alive(self) -> list[JobRow]:
        """Queued and running jobs, oldest first."""
        return await self._rows(f"WHERE {_ALIVE} ORDER BY created_at, rowid")

    async def unreadable(self) -> list[tuple[str, int]]:
        """(id, attempt) of unfinished jobs whose request this version cannot read."""
        rows = await self.database.all(f"SELECT id, attempt, request FROM jobs WHERE {_ALIVE}")  # noqa: S608 - ours
        return [(row["id"], row["attempt"]) for row in rows if _request(row) is None]

    async def page(self, owner: str, limit: int, beside: str = "", *, older: bool = True) -> list[JobRow]:
        """Up to *limit* jobs of one person, newest first.

        *beside* is a job id: the page holds the jobs next to it, older or newer ones.
        """
        if not beside:
            return await self._rows("WHERE owner = ? ORDER BY created_at DESC, rowid DESC LIMIT ?", owner, limit)
        rows = await self._rows("WHERE owner = ? " + (_OLDER if older else _NEWER), owner, beside, limit)
        return rows if older else rows[::-1]

    async def ids(self) -> frozenset[str]:
        return frozenset(await self.database.column("SELECT id FROM jobs"))

    async def count_of(self, owner: str) -> int:
        return await self.database.number("SELECT count(*) FROM jobs WHERE owner = ?", owner)

    async def children(self, job_id: str) -> list[JobRow]:
        """Jobs that were started from this one by buttons and reactions, oldest first."""
        return await self._rows("WHERE parent_job = ? AND parent_job <> '' ORDER BY created_at, rowid", job_id)

    async def lately_done(self, limit: int) -> list[JobRow]:
        """The last *limit* finished jobs, oldest first."""
        rows = await self._rows(
            "WHERE state = 'done' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ?", limit
        )
        return rows[::-1]

    async def waiting(self, session: Session, owner: str) -> tuple[int, int]:
        """Numbers of queued jobs: (of *owner*, of all)."""
        row = await session.one(
            f"SELECT count(*), total(owner = ?) FROM jobs WHERE {_ALIVE} AND state = 'queued'",  # noqa: S608 - ours
            owner,
        )
        assert row is not None
        return int(row[1]), int(row[0])

    async def last_submission(self, session: Session, owner: str) -> float | None:
        """Unix seconds of the owner's last submission, upscales and picks aside; None before the first."""
        row = await session.one(
            "SELECT max(created_at) FROM jobs WHERE owner = ? AND kind NOT IN ('upscale', 'pick')", owner
        )
        return None if row is None else row[0]

    async def costs_since(self, since: float) -> dict[str, float]:
        """Owner → units of the jobs that were started after *since*."""
        rows = await self.database.all(
            "SELECT owner, sum(cost) FROM jobs WHERE started_at >= ? AND state <> 'queued' GROUP BY owner", since
        )
        return {row[0]: row[1] / STEPS_PER_UNIT for row in rows}

    async def start(self, session: Session, job_id: str, attempt: int, now: float) -> bool:
        """queued → running; False if the job is no longer queued in this attempt."""
        return await session.any(
            "UPDATE jobs SET state = 'running', started_at ="
            " iif(EXISTS (SELECT 1 FROM pictures WHERE job_id = jobs.id), coalesce(started_at, ?), ?)"
            " WHERE id = ? AND attempt = ? AND state = 'queued' RETURNING id",
            now,
            now,
            job_id,
            attempt,
        )

    async def cover(self, session: Session, job_id: str) -> None:
        await session.run("UPDATE jobs SET spoiler = 1 WHERE id = ?", job_id)

    async def go_back(
        self, session: Session, job_id: str, attempt: int, crash_count: int, seconds: Mapping[str, float]
    ) -> bool:
        """running → queued with the next attempt; False if this attempt has ended."""
        return await session.any(
            "UPDATE jobs SET state = 'queued', attempt = attempt + 1, deaths = ?, seconds = ?"
            " WHERE id = ? AND attempt = ? AND state = 'running' RETURNING id",
            crash_count,
            json.dumps(dict(seconds)),
            job_id,
            attempt,
        )

    async def end(
        self,
        session: Session,
        job_id: str,
        attempt: int | None,
        state: JobState,
        now: float,
        *,
        error_code: str = "",
        error_text: str = "",
        seconds: Mapping[str, float] | None = None,
    ) -> bool:
        """queued or running → *state*; False if it had ended, or is in another *attempt* (None = any)."""
        return await session.any(
            "UPDATE jobs SET state = ?, finished_at = ?, error_code = ?, error_text = ?, seconds = ?"
            " WHERE id = ? AND attempt = coalesce(?, attempt) AND state IN ('queued', 'running') RETURNING id",
            state.value,
            now,
            error_code,
            error_text,
            json.dumps(dict(seconds or {})),
            job_id,
            attempt,
        )

    async def _rows(self, where: str, *values: object, session: Session | None = None) -> list[JobRow]:
        rows = await (session or self.database).all(_SELECT + where, *values)
        return self._parse(rows) if len(rows) <= _INLINE else await asyncio.to_thread(self._parse, rows)

    def _parse(self, rows: Sequence[sqlite3.Row]) -> list[JobRow]:
        """Jobs in the order of *rows*, without those whose request this version cannot read."""
        return [self._job(row, request) for row in rows if (request := _request(row)) is not None]

    def _job(self, row: sqlite3.Row, request: JobRequest) -> JobRow:
        return record(
            JobRow,
            row,
            crash_count=row["deaths"],
            origin=record(Origin, row, applied=tuple(Applied(*one) for one in json.loads(row["applied"]))),
            request=request,
            priority=Priority(row["priority"]),
            state=JobState(row["state"]),
            cost=row["cost"] / STEPS_PER_UNIT,
            seconds=json.loads(row["seconds"]),
            pictures=tuple(map(self._pictures.parse, sorted(json.loads(row["pictures"]), key=itemgetter("idx")))),
        )


def _request(row: sqlite3.Row) -> JobRequest | None:
    """The job's request, or None (and a log line) for a request that this version cannot read."""
    try:
        return job_request_from_json(row["request"])
    except InvalidRequest as error:
        log.error("job %s cannot be read by this version: %s", row["id"], error)
        return None


MOST_CHILDREN = 200
"""Descendants that are looked at, because a popular picture may have thousands."""


@dataclass(frozen=True, slots=True)
class Descent:
    """*child* was made from picture *index* of *parent*; *relation*: how, as a kind of job, ``init`` or ``target``."""

    child: str
    parent: str
    index: int
    relation: str


class Ancestry(Table):
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
        row = await self.database.one(
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
        rows: list[sqlite3.Row] = await self.database.all(
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
