"""The previews of a job in one file, `<data>/frames/<job>.zip`, from which a timelapse is rendered.

A frame holds the newest preview of every picture after one step, encoded as the engine sent it.
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
"""Jobs whose frames are kept; the oldest are deleted first. A job has some hundred kilobytes."""
Frame: TypeAlias = Mapping[int, bytes]
"""Picture index → encoded picture."""
_NAME = re.compile(r"(\d{4})-(\d{1,2})")


def frames_path(data: Path, job_id: str) -> Path:
    return data / FOLDER / f"{job_id}.zip"


class Frames:
    """The folder `frames` in *data*."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def path(self, job_id: str) -> Path:
        return frames_path(self._data, job_id)

    async def keep(self, job_id: str, frames: Sequence[Frame]) -> None:
        """Store a job's frames durably; beyond `MOST` jobs the oldest are deleted. Raises StoreError."""
        await files.write_durably(self.path(job_id), await asyncio.to_thread(_packed, frames))
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
        return paths[: max(len(paths) - MOST, 0)]

    def _by_age(self) -> list[tuple[Path, int]]:
        """(path, bytes) of every file, the oldest first. Raises StoreError."""
        found = []
        folder = self._data / FOLDER
        with files.disk_errors(folder, "read"):
            for path in folder.glob("*.zip"):
                with contextlib.suppress(FileNotFoundError):  # deleted in the meantime
                    state = path.lstat()
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
    except (zipfile.BadZipFile, EOFError, ValueError):  # damaged on disk
        return []
    return [frames[place] for place in sorted(frames)]
