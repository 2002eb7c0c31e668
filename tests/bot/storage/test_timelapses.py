"""Stored timelapses: in order, the oldest deleted first, damaged ones count as missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.storage import pictures as module
from bot.storage.pictures import Frames, frames_path

WAY = [{0: b"a"}, {0: b"b", 1: b"c"}, {0: b"d", 1: b"e"}]


async def test_frames_come_back_in_their_order(tmp_path: Path) -> None:
    frames = Frames(tmp_path)

    await frames.keep("job1", WAY)

    assert await frames.has("job1")
    assert WAY == await frames.read("job1")


async def test_what_is_not_there_is_empty(tmp_path: Path) -> None:
    assert (False, []) == (await Frames(tmp_path).has("job1"), await Frames(tmp_path).read("job1"))


@pytest.mark.parametrize("damage", [b"", b"PK", b"not a zip", None])
async def test_a_damaged_file_is_as_good_as_gone(tmp_path: Path, damage: bytes | None) -> None:
    frames = Frames(tmp_path)
    await frames.keep("job1", WAY)
    path = frames_path(tmp_path, "job1")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30] if damage is None else damage)

    assert [] == await frames.read("job1")


async def test_the_oldest_of_too_many_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FRAMES", 3)
    frames = Frames(tmp_path)

    for number in range(5):
        await frames.keep(f"job{number}", WAY)
        os.utime(frames_path(tmp_path, f"job{number}"), (number, number))

    assert ["job2.zip", "job3.zip", "job4.zip"] == sorted(path.name for path in (tmp_path / "frames").iterdir())


async def test_timelapses_of_unknown_jobs_are_swept_up(tmp_path: Path) -> None:
    frames = Frames(tmp_path)
    for job in ("job1", "job2"):
        await frames.keep(job, WAY)

    await frames.sweep({"job2"})

    assert [False, True] == [await frames.has(job) for job in ("job1", "job2")]
