"""A person's right to their own: a copy of everything that is kept about them, and its end. Knows no Discord."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.delivery.service import Delivery
from bot.errors import NothingToCancel, Refused
from bot.jobs.service import JobService
from bot.models.comparison import asked_to_json
from bot.models.job import JobRow, owner_of
from bot.policy.quota import LedgerEntry, Quota
from bot.storage import Store, files

_EVERYTHING = 1_000_000
_TRIES = 5
_SPARE = 64 * 1024
"""Bytes of an archive that are left for its index."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is kept about a person, in numbers."""

    jobs: int
    pictures: int
    unfinished: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A ZIP with everything; *left_out*: pictures that did not fit."""

    data: bytes
    pictures: int
    left_out: int


class Farewell:
    """Copies and forgets. *clock* is unix seconds."""

    def __init__(
        self, store: Store, ledger: Quota, jobs: JobService, delivery: Delivery, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._jobs = jobs
        self._delivery = delivery
        self._clock = clock

    async def belongings(self, user_id: int) -> Belongings:
        """How much there is."""
        return Belongings(*await self._store.farewells.counts(owner_of(user_id)))

    async def copy(self, user_id: int, most_bytes: int) -> Copy:
        """Jobs, prompts, ledger, settings, keeps as JSON; then pictures, newest first, and snapshots, as they fit."""
        jobs = await self._store.jobs.of_owner(owner_of(user_id), _EVERYTHING)
        entries = await self._ledger.history(owner_of(user_id), _EVERYTHING)
        settings = await self._store.settings.all("person", str(user_id))
        keeps = await self._store.keeps.of_person(user_id)
        questions = await self._store.questions.of_owner(owner_of(user_id))
        about = {
            "person": str(user_id),
            "copied_at": _time(self._clock()),
            "settings": settings,
            "keeps": [{"job": keep.job_id, "since": _time(keep.at)} for keep in keeps],
            "jobs": [_job(job) for job in jobs],
            "asked_about": [
                {"at": _time(one.asked_at), "request": json.loads(asked_to_json(one.request))} for one in questions
            ],
            "ledger": [_entry(entry) for entry in entries],
        }
        text = json.dumps(about, ensure_ascii=False, indent=1)
        paths = [picture.path for job in jobs for picture in job.pictures if picture.path is not None]
        frames = [self._store.frames.path(job.id) for job in jobs]
        return await asyncio.to_thread(_pack, text, paths, frames, most_bytes)

    async def forget(self, user_id: int) -> None:
        """Cancel what is under way, then delete everything. Done when this returns, but for messages on Discord.

        Files go first: a crash leaves records of pictures that are gone, never pictures that nobody knows of.
        """
        owner = owner_of(user_id)
        for _ in range(_TRIES):
            await self._cancel_all(owner, user_id)
            for path in await self._store.farewells.files(owner):
                await files.remove(path)
            if await self._delete(owner, user_id):
                await self._store.inputs.drop_unneeded()
                return
        raise Refused("You are asking for pictures faster than I can forget them; stop for a moment and try again.")

    async def _cancel_all(self, owner: str, user_id: int) -> None:
        for job in await self._store.jobs.alive():
            if job.owner == owner:
                with contextlib.suppress(NothingToCancel):  # it has just ended by itself
                    await self._jobs.cancel(job.id, user_id)
        self._delivery.drop(owner)

    async def _delete(self, owner: str, user_id: int) -> bool:
        """False if something new has come in between."""
        now = self._clock()
        async with self._store.transaction() as session:
            if await self._store.farewells.alive(session, owner):
                return False
            since = self._ledger.window_start(now)
            await self._store.farewells.forget(session, owner, user_id, since, now)
        return True


def _pack(text: str, pictures: list[Path], frames: list[Path], most_bytes: int) -> Copy:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.json", text)
        packed = _pack_files(archive, buffer, "pictures", pictures, most_bytes)
        _pack_files(archive, buffer, "frames", frames, most_bytes)
    return Copy(buffer.getvalue(), packed, len(pictures) - packed)


def _pack_files(archive: zipfile.ZipFile, buffer: io.BytesIO, folder: str, paths: list[Path], most_bytes: int) -> int:
    """How many of *paths* fitted."""
    packed = 0
    for path in paths:
        with contextlib.suppress(OSError):  # gone in the meantime, or never there
            data = path.read_bytes()
            if buffer.tell() + len(data) + _SPARE < most_bytes:
                archive.writestr(f"{folder}/{path.name}", data, compress_type=zipfile.ZIP_STORED)
                packed += 1
    return packed


def _job(job: JobRow) -> dict[str, object]:
    origin = job.origin
    return {
        "id": job.id,
        "kind": origin.kind,
        "state": job.state.value,
        "asked_at": _time(job.created_at),
        "finished_at": None if job.finished_at is None else _time(job.finished_at),
        "name": origin.user_name,
        "server": origin.server_id and str(origin.server_id),
        "channel": str(origin.channel_id),
        "parent": origin.parent_job,
        "request": json.loads(asked_to_json(job.request)),
        "units": job.cost,
        "error": job.error_text,
        "pictures": [
            {"file": picture.path and f"pictures/{picture.path.name}", "facts": dict(picture.facts)}
            for picture in job.pictures
        ],
    }


def _entry(entry: LedgerEntry) -> dict[str, object]:
    return {"at": _time(entry.at), "what": entry.kind, "units": entry.amount, "job": entry.job_id, "note": entry.note}


def _time(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")
