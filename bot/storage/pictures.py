"""Finished pictures: files under `<data>/pictures/<year>/`. A row is inserted after its file is durable.

`Frames` keeps the previews of a job in one file, `<data>/frames/<job>.zip`, from which a timelapse is rendered. A frame
holds the newest preview of every picture after one step, encoded as the engine sent it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import re
import sqlite3
import struct
import time
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bot.errors import PictureGone
from bot.models.job import JobRow, PictureRow
from bot.storage import files
from bot.storage.database import Database, Session, Table, record
from engine.protocol.messages import Picture

FRAMES_FOLDER = "frames"
MOST_FRAMES = 1000
"""Jobs whose frames are kept; the oldest are deleted first. A job has some hundred kilobytes."""
Frame: TypeAlias = Mapping[int, bytes]
"""Picture index → encoded picture."""
_FRAME_NAME = re.compile(r"(\d{4})-(\d{1,2})")


def frames_path(data: Path, job_id: str) -> Path:
    return data / FRAMES_FOLDER / f"{job_id}.zip"


class Frames:
    """The folder `frames` in *data*."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def path(self, job_id: str) -> Path:
        return frames_path(self._data, job_id)

    async def keep(self, job_id: str, frames: Sequence[Frame]) -> None:
        """Store a job's frames durably; beyond `MOST_FRAMES` jobs the oldest are deleted. Raises StoreError."""
        await files.write_durably(self.path(job_id), await asyncio.to_thread(_zipped, frames))
        await files.remove(*await asyncio.to_thread(self._too_many))

    async def read(self, job_id: str) -> list[Frame]:
        """The frames in order; empty if the job has none. Raises StoreError."""
        data = await files.read(self.path(job_id))
        return await asyncio.to_thread(_unpacked, data) if data else []

    async def has(self, job_id: str) -> bool:
        return await asyncio.to_thread(self.path(job_id).is_file)

    async def kept_bytes(self) -> int:
        """Bytes on disk. Raises StoreError."""
        return sum(size for _, size in await asyncio.to_thread(self._by_age))

    async def let_go(self, most_bytes: int) -> int:
        """Delete the oldest files until *most_bytes* are free; returns the bytes freed. Raises StoreError."""
        freed = 0
        for path, size in await asyncio.to_thread(self._by_age):
            if freed >= most_bytes:
                break
            await files.remove(path)
            freed += size
        return freed

    async def sweep(self, known: Collection[str]) -> None:
        """Delete the frames of jobs that are not *known*, which a crash may leave. Raises StoreError."""
        found = await asyncio.to_thread(self._by_age)
        await files.remove(*(path for path, _ in found if path.stem not in known))

    def _too_many(self) -> list[Path]:
        paths = [path for path, _ in self._by_age()]
        return paths[: max(len(paths) - MOST_FRAMES, 0)]

    def _by_age(self) -> list[tuple[Path, int]]:
        """(path, bytes) of every file, the oldest first. Raises StoreError."""
        found = []
        folder = self._data / FRAMES_FOLDER
        with files.disk_errors(folder, "read"):
            for path in folder.glob("*.zip"):
                with contextlib.suppress(FileNotFoundError):  # deleted in the meantime
                    state = path.lstat()
                    found.append((state.st_mtime, path, state.st_size))
        return [(path, size) for _, path, size in sorted(found)]


def _zipped(frames: Sequence[Frame]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for place, frame in enumerate(frames):
            for index, data in frame.items():
                archive.writestr(f"{place:04d}-{index}", data)
    return buffer.getvalue()


def _unpacked(data: bytes) -> list[Frame]:
    frames: dict[int, dict[int, bytes]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in sorted(archive.namelist()):
                if match := _FRAME_NAME.fullmatch(name):
                    frames.setdefault(int(match[1]), {})[int(match[2])] = archive.read(name)
    except (zipfile.BadZipFile, EOFError, ValueError):  # damaged on disk
        return []
    return [frames[place] for place in sorted(frames)]


FOLDER = "pictures"
_IDLE = """
    SELECT *, EXISTS (
        SELECT 1 FROM stars JOIN jobs ON jobs.id = stars.job_id WHERE stars.job_id = pictures.job_id
        AND (stars.idx = pictures.idx OR json_extract(jobs.request, '$.kind') = 'film')
    ) AS kept FROM pictures
    WHERE path IS NOT NULL
    AND job_id NOT IN (SELECT job_id FROM deliveries WHERE state = 'pending')
    AND job_id NOT IN (SELECT id FROM jobs WHERE state IN ('queued', 'running'))
    AND job_id NOT IN (SELECT job_id FROM vote_candidates JOIN votes ON votes.id = vote_id WHERE state = 'open')
    AND sha256 NOT IN (SELECT value FROM json_each(?)) AND
"""
"""Pictures that nothing unfinished needs: delivered, in no open vote, no source of an unfinished job (the hashes)."""
_NAMED = "SELECT request FROM jobs WHERE state IN ('queued', 'running')"
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_USED = """
    EXISTS (
        SELECT 1 FROM jobs child WHERE child.parent_job = pictures.job_id AND child.parent_job <> ''
        AND child.parent_index = pictures.idx
        AND child.kind IN ('upscale', 'variation', 'init', 'target', 'blend', 'outpaint', 'crop')
    )
"""
"""Another picture was made from it. The partial index needs the condition that parent_job is not empty."""
_BY_WORTH = (f"NOT kept AND NOT {_USED}", f"NOT kept AND {_USED}", "kept")


class Pictures(Table):
    """The table `pictures` and its folder."""

    def __init__(self, database: Database, data: Path) -> None:
        super().__init__(database)
        self._data = data

    async def keep(self, job: JobRow, picture: Picture) -> Path:
        """Write the file durably; returns its path relative to the data folder. Raises StoreError.

        The name depends on job and index only, so a second attempt replaces the file of the first.
        """
        year = time.strftime("%y", time.gmtime(job.created_at))
        relative = Path(FOLDER, year, f"{job.id}-{picture.index}.png")
        await files.write_durably(self._data / relative, picture.png)
        return relative

    async def insert(self, session: Session, picture: Picture, path: Path, now: float) -> PictureRow | None:
        """Insert the row of a file that `keep` wrote; None if the job no longer runs in this attempt."""
        facts = {key: value for key, value in picture.facts.items() if key != "embedding"}
        row = await session.one(
            "INSERT OR REPLACE INTO pictures SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
            " WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND state = 'running') RETURNING *",
            picture.job_id,
            picture.index,
            path.as_posix(),
            _side(facts, "width"),
            _side(facts, "height"),
            hashlib.sha256(picture.png).hexdigest(),
            len(picture.png),
            json.dumps(facts, ensure_ascii=False),
            str(facts.get("perceptor") or ""),
            _packed(picture.facts.get("embedding")),
            now,
            picture.job_id,
            picture.attempt,
        )
        return None if row is None else self.parse(row)

    async def find(self, job_id: str, index: int) -> PictureRow | None:
        row = await self.database.one("SELECT * FROM pictures WHERE job_id = ? AND idx = ?", job_id, index)
        return None if row is None else self.parse(row)

    async def png(self, job_id: str, index: int) -> bytes:
        """The PNG file of one picture. Raises PictureGone if its row or file is missing, or StoreError."""
        picture = await self.find(job_id, index)
        data = await files.read(picture.path) if picture else None
        if data is None:
            raise PictureGone(f"Picture {index + 1} of job {job_id} has expired.")
        return data

    async def by_sha(self, sha256: str, session: Session | None = None) -> PictureRow | None:
        """A picture on disk whose file has this hash, or None."""
        row = await (session or self.database).one(
            "SELECT * FROM pictures WHERE sha256 = ? AND path IS NOT NULL LIMIT 1", sha256
        )
        return None if row is None else self.parse(row)

    async def embedding(self, job_id: str, index: int) -> tuple[str, tuple[float, ...]] | None:
        """(CLIP name, vector in half precision) of one picture, or None."""
        row = await self.database.one(
            "SELECT perceptor, embedding FROM pictures WHERE job_id = ? AND idx = ?", job_id, index
        )
        if row is None or row["embedding"] is None:
            return None
        return row["perceptor"], struct.unpack(f"<{len(row['embedding']) // 2}e", row["embedding"])

    async def learn(self, job_id: str, facts: Mapping[int, Mapping[str, object]]) -> None:
        """Merge *facts* (index → facts) into the pictures of a job; unknown indices are ignored."""
        async with self.database.transaction() as session:
            for index, more in facts.items():
                await session.run(
                    "UPDATE pictures SET facts = json_patch(facts, ?) WHERE job_id = ? AND idx = ?",
                    json.dumps(more, ensure_ascii=False),
                    job_id,
                    index,
                )

    async def drop_rows(self, session: Session, job_id: str) -> None:
        """Delete all rows of a job. The next attempt overwrites the files."""
        await session.run("DELETE FROM pictures WHERE job_id = ?", job_id)

    async def aged(self, before: float, limit: int) -> list[PictureRow]:
        """Unstarred pictures on disk that were finished before *before* (unix seconds), oldest first."""
        rows = await self._idle("created_at < ? AND NOT kept ORDER BY created_at LIMIT ?", before, limit)
        return [self.parse(row) for row in rows]

    async def least_missed(self, limit: int) -> list[tuple[PictureRow, bool]]:
        """(picture on disk, whether it is starred), in the order in which they are deleted to make room.

        First pictures that no other was made from, then the other unstarred ones, then starred ones; oldest first.
        """
        rows: list[sqlite3.Row] = []
        for worth in _BY_WORTH:  # one query each, so that each stops at its limit
            if len(rows) < limit:
                rows += await self._idle(f"{worth} ORDER BY created_at LIMIT ?", limit - len(rows))
        return [(self.parse(row), bool(row["kept"])) for row in rows]

    async def _idle(self, where: str, *values: object) -> list[sqlite3.Row]:
        async with self.database.reading() as session:
            named = {name for request in await session.column(_NAMED) for name in _HASH.findall(request)}
            return await session.all(_IDLE + where, json.dumps(sorted(named)), *values)

    async def sweep(self) -> None:
        """Delete files without a row that belong to ended jobs: a cancelled or failed attempt leaves them.

        Files of unknown jobs stay. Raises StoreError.
        """
        paths = await asyncio.to_thread(self._files)
        async with self.database.reading() as session:
            rows = set(await session.column("SELECT path FROM pictures WHERE path IS NOT NULL"))
            over = set(await session.column("SELECT id FROM jobs WHERE state NOT IN ('queued', 'running')"))
        await files.remove(
            *(
                path
                for path in paths
                if path.relative_to(self._data).as_posix() not in rows and path.stem.rpartition("-")[0] in over
            )
        )

    def _files(self) -> list[Path]:
        folder = self._data / FOLDER
        with files.disk_errors(folder, "read"):
            return sorted(folder.glob("*/*.png")) if folder.is_dir() else []

    async def kept_bytes(self) -> int:
        return await self.database.number("SELECT coalesce(sum(size), 0) FROM pictures WHERE path IS NOT NULL")

    async def let_go(self, picture: PictureRow) -> None:
        """Delete the file, then clear the path. A crash between the two leaves the path of a missing file."""
        if picture.path is not None:
            await files.remove(picture.path)
            await files.remove(frames_path(self._data, picture.job_id))
        await self.database.run(
            "UPDATE pictures SET path = NULL WHERE job_id = ? AND idx = ?", picture.job_id, picture.index
        )

    def parse(self, row: sqlite3.Row | Mapping[str, Any]) -> PictureRow:
        path = None if row["path"] is None else self._data / row["path"]
        return record(PictureRow, row, path=path, facts=json.loads(row["facts"]))


def _side(facts: Mapping[str, object], name: str) -> int:
    value = facts.get(name)
    if not isinstance(value, int):
        raise TypeError(
            f"a picture's facts lack its {name}"
        )  # the engine's promise, see engine.protocol.messages.Picture
    return value


def _packed(embedding: object) -> bytes | None:
    if not isinstance(embedding, Sequence) or isinstance(embedding, str):
        return None
    return struct.pack(f"<{len(embedding)}e", *embedding)
