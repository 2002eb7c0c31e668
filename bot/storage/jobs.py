"""Jobs as rows. A change of state says from which state and attempt it comes, so a late one changes nothing."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping
from typing import cast

from bot.models.comparison import Asked, asked_from_json, asked_to_json
from bot.models.job import JobRow, JobState, Kind, Origin, PictureRow, Priority
from bot.storage.database import Database, Session
from bot.storage.pictures import Pictures
from engine.errors import InvalidRequest

log = logging.getLogger(__name__)

STEPS_PER_UNIT = 1_000_000
"""Costs are stored as whole pixel steps; a unit is a million of them."""
_SELECT = """
    SELECT jobs.*, (
        SELECT message_id FROM messages
        WHERE messages.job_id = jobs.id AND messages.channel_id = jobs.channel_id
        ORDER BY messages.created_at DESC, message_id DESC LIMIT 1
    ) AS message_id
    FROM jobs
"""
_BESIDE = "(SELECT created_at, rowid FROM jobs WHERE id = ?)"
_OLDER = f"AND (created_at, rowid) < {_BESIDE} ORDER BY created_at DESC, rowid DESC LIMIT ?"
_NEWER = f"AND (created_at, rowid) > {_BESIDE} ORDER BY created_at, rowid LIMIT ?"
_ALIVE = "state IN ('queued', 'running')"
"""As the index of what is not over has it: SQLite takes it only for a query that says the same."""
_OWN = "owner = ?"
_KEPT = "id IN (SELECT job_id FROM keeps WHERE user_id = ?)"


def pixel_steps(units: float) -> int:
    """Units → the whole number that is stored."""
    return round(units * STEPS_PER_UNIT)


class Jobs:
    """The table `jobs`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    async def insert(self, session: Session, job: JobRow) -> None:
        """A new job; its interaction's token goes elsewhere (`Interactions`)."""
        origin = job.origin
        await session.run(
            "INSERT INTO jobs (id, attempt, deaths, owner, kind, user_id, user_name, guild_id, channel_id,"
            " interaction_id, parent_job, parent_index, priority, running_limit, request, cost, state, created_at,"
            " server_id, spoiler, thread_of)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            job.id,
            job.attempt,
            job.deaths,
            job.owner,
            origin.kind,
            origin.user_id,
            origin.user_name,
            origin.guild_id,
            origin.channel_id,
            origin.interaction_id,
            origin.parent_job,
            origin.parent_index,
            int(job.priority),
            job.running_limit,
            asked_to_json(job.request),
            pixel_steps(job.cost),
            job.state.value,
            job.created_at,
            origin.server_id,
            int(origin.spoiler),
            origin.thread_of,
        )

    async def find(self, job_id: str, session: Session | None = None) -> JobRow | None:
        """The job of that id, pictures included."""
        rows = await self._rows("WHERE id = ?", job_id, session=session)
        return rows[0] if rows else None

    async def alive(self, session: Session | None = None) -> list[JobRow]:
        """Queued and running jobs, oldest first."""
        return await self._rows(f"WHERE {_ALIVE} ORDER BY created_at, rowid", session=session)

    async def unreadable(self) -> list[tuple[str, int]]:
        """(id, attempt) of queued and running jobs whose request this version cannot read."""
        async with self._database.reading() as session:
            rows = await session.all(f"SELECT id, attempt, request FROM jobs WHERE {_ALIVE}")  # noqa: S608 - ours
        return [(row["id"], row["attempt"]) for row in rows if _request(row) is None]

    async def of_owner(self, owner: str, limit: int, before: float | None = None) -> list[JobRow]:
        """One person's jobs, newest first."""
        until = float("inf") if before is None else before
        return await self._rows(
            "WHERE owner = ? AND created_at < ? ORDER BY created_at DESC, rowid DESC LIMIT ?", owner, until, limit
        )

    async def page(self, whose: str | int, limit: int, beside: str = "", *, older: bool = True) -> list[JobRow]:
        """Jobs of an owner, or (a person's id) those that they keep, newest first.

        The newest, or those that follow the job *beside*, older or newer ones.
        """
        which = f"WHERE {_which(whose)} "
        if not beside:
            return await self._rows(f"{which} ORDER BY created_at DESC, rowid DESC LIMIT ?", whose, limit)
        rows = await self._rows(which + (_OLDER if older else _NEWER), whose, beside, limit)
        return rows if older else rows[::-1]

    async def ids(self) -> frozenset[str]:
        """Of all jobs that are known."""
        async with self._database.reading() as session:
            return frozenset([row[0] for row in await session.all("SELECT id FROM jobs")])

    async def count_of(self, whose: str | int) -> int:
        """How many jobs this owner has asked for, or (a person's id) this person keeps."""
        async with self._database.reading() as session:
            row = await session.one(f"SELECT count(*) FROM jobs WHERE {_which(whose)}", whose)  # noqa: S608 - ours
        return 0 if row is None else int(row[0])

    async def children(self, job_id: str) -> list[JobRow]:
        """Jobs that came from this one's buttons and reactions, oldest first."""
        return await self._rows("WHERE parent_job = ? AND parent_job <> '' ORDER BY created_at, rowid", job_id)

    async def lately_done(self, limit: int) -> list[JobRow]:
        """The last finished jobs, oldest first: what speeds can be learnt from."""
        rows = await self._rows(
            "WHERE state = 'done' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ?", limit
        )
        return rows[::-1]

    async def waiting(self, session: Session, owner: str) -> tuple[int, int]:
        """(this person's, everybody's) jobs that wait."""
        row = await session.one(
            f"SELECT count(*), total(owner = ?) FROM jobs WHERE {_ALIVE} AND state = 'queued'",  # noqa: S608 - ours
            owner,
        )
        assert row is not None
        return int(row[1]), int(row[0])

    async def last_submission(self, session: Session, owner: str) -> float | None:
        """When this person last asked for something to be painted."""
        row = await session.one(
            "SELECT max(created_at) FROM jobs WHERE owner = ? AND kind NOT IN ('upscale', 'pick')", owner
        )
        return None if row is None else row[0]

    async def costs_since(self, since: float) -> dict[str, float]:
        """Owner → units of the jobs that were handed over after *since*."""
        async with self._database.reading() as session:
            rows = await session.all(
                "SELECT owner, sum(cost) FROM jobs WHERE started_at >= ? AND state <> 'queued' GROUP BY owner", since
            )
        return {row[0]: row[1] / STEPS_PER_UNIT for row in rows}

    async def start(self, session: Session, job_id: str, attempt: int, now: float) -> bool:
        """queued → running; False if the job is not waiting in this attempt any more."""
        row = await session.one(
            "UPDATE jobs SET state = 'running', started_at ="
            " iif(EXISTS (SELECT 1 FROM pictures WHERE job_id = jobs.id), coalesce(started_at, ?), ?)"
            " WHERE id = ? AND attempt = ? AND state = 'queued' RETURNING id",
            now,
            now,
            job_id,
            attempt,
        )
        return row is not None

    async def cover(self, session: Session, job_id: str) -> None:
        """Its pictures are to be covered from now on."""
        await session.run("UPDATE jobs SET spoiler = 1 WHERE id = ?", job_id)

    async def go_back(self, session: Session, job_id: str, attempt: int, deaths: int) -> bool:
        """running → queued with the next attempt; False if this attempt has ended meanwhile."""
        row = await session.one(
            "UPDATE jobs SET state = 'queued', attempt = attempt + 1, deaths = ?"
            " WHERE id = ? AND attempt = ? AND state = 'running' RETURNING id",
            deaths,
            job_id,
            attempt,
        )
        return row is not None

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
        """queued or running → an end; False if it had ended, or is in another *attempt* (None = in any)."""
        row = await session.one(
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
        return row is not None

    async def _rows(self, where: str, *values: object, session: Session | None = None) -> list[JobRow]:
        async with self._database.reading(session) as own:
            rows = await own.all(_SELECT + where, *values)
            return [
                _job(row, request, await self._pictures.of_job(row["id"], own))
                for row in rows
                if (request := _request(row)) is not None
            ]


def _which(whose: str | int) -> str:
    return _OWN if isinstance(whose, str) else _KEPT


def _request(row: sqlite3.Row) -> Asked | None:
    """The job's request; None, and a line in the log, for one that another version wrote: one row must not stop all."""
    try:
        return asked_from_json(row["request"])
    except InvalidRequest as error:
        log.error("job %s cannot be read by this version: %s", row["id"], error)
        return None


def _job(row: sqlite3.Row, request: Asked, pictures: tuple[PictureRow, ...]) -> JobRow:
    return JobRow(
        id=row["id"],
        attempt=row["attempt"],
        deaths=row["deaths"],
        origin=_origin(row),
        owner=row["owner"],
        request=request,
        priority=Priority(row["priority"]),
        running_limit=row["running_limit"],
        state=JobState(row["state"]),
        error_code=row["error_code"],
        error_text=row["error_text"],
        cost=row["cost"] / STEPS_PER_UNIT,
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        message_id=row["message_id"],
        seconds=json.loads(row["seconds"]),
        pictures=pictures,
    )


def _origin(row: sqlite3.Row) -> Origin:
    return Origin(
        channel_id=row["channel_id"],
        user_id=row["user_id"],
        user_name=row["user_name"],
        guild_id=row["guild_id"],
        interaction_id=row["interaction_id"],
        kind=cast(Kind, row["kind"]),
        parent_job=row["parent_job"],
        parent_index=row["parent_index"],
        server_id=row["server_id"],
        spoiler=bool(row["spoiler"]),
        thread_of=row["thread_of"],
    )
