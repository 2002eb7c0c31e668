"""`/mydata` and `/forget`: a copy of everything stored about a person, and its deletion."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import sqlite3
import zipfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_uppercase

from bot.delivery.service import Delivery
from bot.errors import CoolingDown, NothingToCancel, Refused, StoreError
from bot.jobs.service import JobService
from bot.models.history import StoredCounts
from bot.models.job import owner_of
from bot.policy.quota import LedgerEntry
from bot.retry import failpoint, wait_for_news
from bot.storage import Store, files
from bot.storage.jobs import STEPS_PER_UNIT

log = logging.getLogger(__name__)

_EVERYTHING = 1_000_000
_TRIES = 5
JOBS_AT_ONCE, ROWS_AT_ONCE = 8, 200
"""Jobs, and rows of other tables, that one transaction of a deletion takes."""
RETRY_SECONDS = 60.0
"""Pause before an interrupted deletion is continued."""
_SPARE = 64 * 1024
"""Bytes that are reserved for the index of the archive."""
COPY_SECONDS = 60.0
"""Least time between two copies of one person."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A ZIP file. *pictures* are in it, *left_out* did not fit."""

    data: bytes
    pictures: int
    left_out: int


class Privacy:
    """*clock* returns unix seconds. *purge* removes the vectors of deleted pictures."""

    def __init__(
        self,
        store: Store,
        jobs: JobService,
        delivery: Delivery,
        clock: Callable[[], float],
        purge: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._delivery = delivery
        self._clock = clock
        self._purge = purge
        self._copied: dict[int, float] = {}
        self._deleting = asyncio.Lock()
        self._news = asyncio.Event()

    async def belongings(self, user_id: int) -> StoredCounts:
        return StoredCounts(*await self._store.erasure.counts(owner_of(user_id)))

    async def copy(self, user_id: int, most_bytes: int) -> Copy:
        """A ZIP of at most *most_bytes*: records as JSON, then vectors, pictures (newest first), previews, if they fit.

        Raises CoolingDown for a second copy within `COPY_SECONDS`. Everything large happens in a thread.
        """
        now = self._clock()
        self._admit(user_id, now)
        return await asyncio.to_thread(lambda: asyncio.run(self._read(user_id, now, most_bytes)))

    async def _read(self, user_id: int, now: float, most_bytes: int) -> Copy:
        """Runs in the event loop of another thread, because thousands of rows would delay the bot's own loop."""
        owner = owner_of(user_id)
        async with self._store.snapshot() as store:
            entries = await self._jobs.quota.history(user_id, _EVERYTHING, store.ledger)
            jobs, pictures, questions = await store.erasure.rows(owner)
            indexed = await store.picture_index.of_owner(user_id)
            of_job: dict[str, list[sqlite3.Row]] = {}
            for picture in pictures:
                of_job.setdefault(picture["job_id"], []).append(picture)
            about = {
                "person": str(user_id),
                "copied_at": _time(now),
                "settings": await store.settings.all("person", str(user_id)),
                **await store.styles.of_person(user_id),
                "made_from": [
                    {"job": one.child, "parent": one.parent, "image": one.index, "how": one.relation}
                    for one in await store.ancestry.of_owner(owner)
                ],
                **await store.challenges.of_person(user_id),
                "votes": [_vote(row) for row in await store.votes.of_person(user_id)],
                "searches": [
                    {
                        "at": _time(one.at),
                        "words": one.words,
                        "in": one.place,
                        "since": _time(one.since) if one.since else None,
                    }
                    for one in await store.searches.of_person(user_id)
                ],
                "search_index": [_indexed(row) for row in indexed],
                "stars": [
                    {"job": one.job_id, "picture": one.index + 1, "since": _time(one.at)}
                    for one in await store.stars.of_person(user_id)
                ],
                "jobs": [_job(job, of_job.get(job["id"], ())) for job in jobs],
                "asked_about": [
                    {"at": _time(one["asked_at"]), "request": json.loads(one["request"])} for one in questions
                ],
                "ledger": [_entry(entry) for entry in entries],
            }
        text = json.dumps(about, ensure_ascii=False, indent=1)
        paths = [self._store.folder / one["path"] for job in jobs for one in of_job.get(job["id"], ()) if one["path"]]
        frames = [self._store.frames.path(job["id"]) for job in jobs]
        return _zip(text, json.dumps([_vector(row) for row in indexed if row["vector"]]), paths, frames, most_bytes)

    def _admit(self, user_id: int, now: float) -> None:
        self._copied = {who: at for who, at in self._copied.items() if at + COPY_SECONDS > now >= at}
        if (last := self._copied.get(user_id)) is not None:
            raise CoolingDown("You have just received a copy of your data. Try again in a minute.", last + COPY_SECONDS)
        self._copied[user_id] = now

    async def forget(self, user_id: int) -> None:
        """Delete everything of one person. Messages on Discord are queued for deletion.

        What was begun is finished by `run`, also after a crash. Raises Refused if a job cannot be stopped now.
        """
        owner = owner_of(user_id)
        await self._store.erasure.begin(owner, user_id, self._clock())
        failpoint("forgetting")
        try:
            await self._finish(owner, user_id)
        finally:
            self._news.set()

    async def run(self) -> None:
        """Finish deletions that an error or a crash interrupted."""
        while True:
            try:
                for owner, user_id in await self._store.erasure.begun():
                    await self._finish(owner, user_id)
            except (StoreError, Refused) as error:
                log.error("the deletion of a person's data is continued later: %s", error)
            await wait_for_news(self._news, RETRY_SECONDS)

    async def _finish(self, owner: str, user_id: int) -> None:
        """Cancel unfinished jobs, then delete in short transactions, so that other queries continue.

        Files are deleted before their rows, so that a crash leaves no file without a row.
        """
        erasure = self._store.erasure
        async with self._deleting:
            for _ in range(_TRIES):
                await self._cancel_all(owner, user_id)
                while (batch := await erasure.next_jobs(owner, JOBS_AT_ONCE))[0]:
                    await files.remove(*batch[1])
                    await erasure.delete_jobs(batch[0])
                    failpoint("jobs forgotten")
                while await erasure.delete_stars(user_id, ROWS_AT_ONCE):
                    continue
                now = self._clock()
                async with self._store.database.reading() as session:
                    since = await self._jobs.quota.start_for(session, owner, now)
                while await erasure.unname_charges(owner, since, ROWS_AT_ONCE):
                    continue
                if await self._delete_rest(owner, user_id, since, now):
                    break
            else:
                raise Refused("A picture of yours cannot be stopped now. Your data is deleted as soon as it ends.")
        await self._store.attachments.drop_unneeded()
        if self._purge is not None:
            await self._purge()

    async def _cancel_all(self, owner: str, user_id: int) -> None:
        for job in await self._store.jobs.alive():
            if job.owner == owner:
                with contextlib.suppress(NothingToCancel):  # it has just ended
                    await self._jobs.cancel(job.id, user_id)
        self._delivery.drop(owner)

    async def _delete_rest(self, owner: str, user_id: int, since: float, now: float) -> bool:
        """Delete what belongs to no job, and end the deletion; False if a job is left."""
        async with self._store.transaction() as session:
            if await self._store.erasure.has_jobs(session, owner):
                return False
            await self._store.erasure.forget(session, owner, user_id, since, now)
            await self._store.styles.forget(session, user_id)
            await self._store.challenges.forget(session, user_id)
        failpoint("forgotten")
        return True


def _zip(text: str, vectors: str, pictures: list[Path], frames: list[Path], most_bytes: int) -> Copy:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", text)
        if buffer.tell() + len(vectors) + _SPARE < most_bytes:
            archive.writestr("vectors.json", vectors)
        packed = _pack_files(archive, buffer, "pictures", pictures, most_bytes)
        _pack_files(archive, buffer, "frames", frames, most_bytes)
    return Copy(buffer.getvalue(), packed, len(pictures) - packed)


def _pack_files(archive: zipfile.ZipFile, buffer: io.BytesIO, folder: str, paths: list[Path], most_bytes: int) -> int:
    """Returns the number of *paths* that fitted."""
    packed = 0
    for path in paths:
        with contextlib.suppress(OSError):  # missing
            data = path.read_bytes()
            if buffer.tell() + len(data) + _SPARE < most_bytes:
                archive.writestr(f"{folder}/{path.name}", data, compress_type=zipfile.ZIP_STORED)
                packed += 1
    return packed


def _job(job: sqlite3.Row, pictures: Iterable[sqlite3.Row]) -> dict[str, object]:
    return {
        "id": job["id"],
        "kind": job["kind"],
        "state": job["state"],
        "asked_at": _time(job["created_at"]),
        "finished_at": None if job["finished_at"] is None else _time(job["finished_at"]),
        "name": job["user_name"],
        "server": job["server_id"] and str(job["server_id"]),
        "channel": str(job["channel_id"]),
        "parent": job["parent_job"],
        "request": json.loads(job["request"]),
        "units": job["cost"] / STEPS_PER_UNIT,
        "error": job["error_text"],
        "pictures": [
            {"file": one["path"] and f"pictures/{Path(one['path']).name}", "facts": json.loads(one["facts"])}
            for one in pictures
        ],
    }


def _vote(row: sqlite3.Row) -> dict[str, object]:
    return {
        "vote": row["id"],
        "server": str(row["server_id"]),
        "title": row["title"],
        "ends_at": _time(row["ends_at"]),
        "started_by_you": bool(row["started"]),
        "your_choice": None if row["place"] is None else ascii_uppercase[row["place"]],
        "voted_at": None if row["at"] is None else _time(row["at"]),
    }


def _indexed(row: sqlite3.Row) -> dict[str, object]:
    """What the search knows of a picture; its vector is in vectors.json."""
    return {
        "job": row["job_id"],
        "picture": row["idx"] + 1,
        "words": row["words"],
        "adult": bool(row["mature"]),
        "perceptor": row["perceptor"],
    }


def _vector(row: sqlite3.Row) -> dict[str, object]:
    """The CLIP embedding of a picture: little-endian half floats in base64."""
    return {"job": row["job_id"], "picture": row["idx"] + 1, "vector": base64.b64encode(row["vector"]).decode()}


def _entry(entry: LedgerEntry) -> dict[str, object]:
    return {"at": _time(entry.at), "what": entry.kind, "units": entry.amount, "job": entry.job_id, "note": entry.note}


def _time(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")
