"""Previews of a finished job: stored, dropped without room, and read back as a timelapse."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.errors import PictureGone, StoreError
from bot.models.job import Update
from bot.pictures.timelapse import FEWEST, Timelapses
from engine.images.pictures import to_png
from tests.bot.samples import done

PREVIEW = to_png(Image.new("RGB", (32, 32), "red"))


class Frames:
    def __init__(self, folder: Path, error: StoreError | None = None) -> None:
        self.folder, self.error, self.kept = folder, error, dict[str, Any]()

    def path(self, job_id: str) -> Path:
        return self.folder / job_id

    async def keep(self, job_id: str, frames: Any) -> None:
        if self.error is not None:
            raise self.error
        self.path(job_id).write_bytes(b"frames")
        self.kept[job_id] = frames

    async def read(self, job_id: str) -> Any:
        return self.kept.get(job_id, [])


class Store:
    """What timelapses need of a `Store`. *known*: whether the job is still in the database."""

    def __init__(self, folder: Path, known: bool = True, error: StoreError | None = None) -> None:
        self.frames, self.jobs, self.known = Frames(folder, error), self, known

    async def find(self, job_id: str) -> object:
        return job_id if self.known else None


async def heard(store: Store, *, room: bool = True, frames: int = FEWEST) -> Timelapses:
    lapses = Timelapses(store, lambda: room)  # type: ignore[arg-type]
    lapses.hear(replace(Update(done()), frames=tuple({0: PREVIEW} for _ in range(frames))))
    await asyncio.wait_for(lapses.close(), 60)
    return lapses


@pytest.mark.parametrize(
    ("known", "room", "frames", "kept"),
    [
        (True, True, FEWEST, True),
        (True, False, FEWEST, False),
        (True, True, FEWEST - 1, False),
        (False, True, 9, False),
    ],
)
async def test_previews_are_kept_where_there_is_room_enough_of_them_and_still_a_job(
    tmp_path: Path, known: bool, room: bool, frames: int, kept: bool
) -> None:
    store = Store(tmp_path, known)
    await heard(store, room=room, frames=frames)

    assert kept == store.frames.path(done().id).exists()


async def test_a_full_disk_costs_the_timelapse_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bot.pictures.timelapse"):
        await heard(Store(tmp_path, error=StoreError("The disk is full.")))

    assert ["the timelapse of job abc123def4 was not stored: The disk is full."] == caplog.messages


async def test_what_is_damaged_or_gone_has_expired(tmp_path: Path) -> None:
    store, path = Store(tmp_path), tmp_path / "picture.png"
    lapses = await heard(store)
    job = done()
    job = replace(job, pictures=tuple(replace(picture, path=path) for picture in job.pictures))

    with pytest.raises(PictureGone, match="The timelapse has expired"):
        await lapses.film(job, 2**20)
    path.write_bytes(b"no picture")
    with pytest.raises(PictureGone, match="The timelapse has expired"):
        await lapses.film(job, 2**20)
    path.write_bytes(to_png(Image.new("RGB", (64, 64))))
    film = await lapses.film(job, 2**20)

    assert "abc123def4-evolution.gif" == film.name
    assert film.data.startswith(b"GIF8")
