"""How pictures came to be: the snapshots of a job in one file, `<data>/frames/<job>.zip`. Lost, nobody loses a picture.

A frame is what the grid looked like after one step: the newest snapshot of every picture, encoded as it came.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from bot.storage import files

FOLDER = "frames"
MOST = 1000
"""Jobs; those painted first are forgotten first. A job has some hundred kilobytes."""
Frame: TypeAlias = Mapping[int, bytes]
"""Picture index → encoded picture."""
_NAME = re.compile(r"(\d{4})-(\d{1,2})")


def frames_path(data: Path, job_id: str) -> Path:
    """Where a job's frames lie."""
    return data / FOLDER / f"{job_id}.zip"


class Frames:
    """The folder `frames` in *data*."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def path(self, job_id: str) -> Path:
        """Where a job's frames lie, if they are kept."""
        return frames_path(self._data, job_id)

    async def keep(self, job_id: str, frames: Sequence[Frame]) -> None:
        """Durable when this returns; the oldest of too many are forgotten. Raises StoreError."""
        await files.write_durably(self.path(job_id), await asyncio.to_thread(_packed, frames))
        for path in await asyncio.to_thread(self._too_many):
            await files.remove(path)

    async def read(self, job_id: str) -> list[Frame]:
        """The frames in their order; empty where none are kept. Raises StoreError."""
        data = await files.read(self.path(job_id))
        return await asyncio.to_thread(_unpacked, data) if data else []

    async def has(self, job_id: str) -> bool:
        """Whether frames of that job are kept."""
        return await asyncio.to_thread(self.path(job_id).is_file)

    async def kept_bytes(self) -> int:
        """Disk that they take."""
        return sum(size for _, size in await asyncio.to_thread(self._by_age))

    async def let_go(self, most_bytes: int) -> int:
        """Delete them, the oldest first, until *most_bytes* are free; how many are. Raises StoreError."""
        freed = 0
        for path, size in await asyncio.to_thread(self._by_age):
            if freed >= most_bytes:
                break
            await files.remove(path)
            freed += size
        return freed

    async def sweep(self, known: Collection[str]) -> None:
        """Delete those of jobs that are not *known*: a crash came between a job's end and its forgetting."""
        for path, _ in await asyncio.to_thread(self._by_age):
            if path.stem not in known:
                await files.remove(path)

    def _too_many(self) -> list[Path]:
        paths = [path for path, _ in self._by_age()]
        return paths[: max(len(paths) - MOST, 0)]

    def _by_age(self) -> list[tuple[Path, int]]:
        """Path and bytes, the oldest first."""
        found = []
        for path in (self._data / FOLDER).glob("*.zip"):
            with contextlib.suppress(FileNotFoundError):  # gone in the meantime
                state = path.stat()
                found.append((state.st_mtime, path, state.st_size))
        return [(path, size) for _, path, size in sorted(found)]


def _packed(frames: Sequence[Frame]) -> bytes:
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
                if match := _NAME.fullmatch(name):
                    frames.setdefault(int(match[1]), {})[int(match[2])] = archive.read(name)
    except (zipfile.BadZipFile, EOFError, ValueError):  # damaged on disk: as good as gone
        return []
    return [frames[place] for place in sorted(frames)]
