"""Thumbnails of pictures: the cache, and files that are missing or damaged."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from bot.pictures import thumbnails
from bot.pictures.thumbnails import Thumbnails
from engine.images.pictures import to_png


async def test_a_file_that_is_gone_or_damaged_has_none(tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(to_png(Image.new("RGB", (64, 64)))[:60])
    small = Thumbnails()

    assert [None, None, None] == [
        await small.of(path, "a") for path in (None, tmp_path / "gone.png", tmp_path / "damaged.png")
    ]


async def test_the_last_ones_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "REMEMBERED", 2)
    small, paths = Thumbnails(), [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(to_png(Image.new("RGB", (640, 320), "red")))
    first, second = [await small.of(path, path.stem) for path in paths[:2]]
    assert await small.of(paths[0], "0") == first is not None
    await small.of(paths[2], "2")
    for path in paths:
        path.unlink()

    assert "WEBP" == Image.open(io.BytesIO(first)).format
    assert first == await small.of(paths[0], "0"), "asked for again before the third came"
    assert second is not None and None is await small.of(paths[1], "1")
