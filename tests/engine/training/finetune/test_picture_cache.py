"""Squares on disk: read once, renewed where a file has changed, never trusted when broken, bounded."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engine.images.opening import open_own
from engine.training.finetune import pictures
from engine.training.finetune.picture_cache import INDEX, ROWS, SIGNATURES, PictureCache, SetWriter
from engine.training.finetune.pictures import Collection, read_folder
from tests.engine.training.finetune.workshop import painted_folder, scene

NAMES = ("a.png", "b.png", "c.png", "d.png")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of every file that is decoded."""
    found = list[int]()

    def opening(data: bytes) -> object:
        found.append(len(data))
        return open_own(data)

    monkeypatch.setattr(pictures, "open_own", opening)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures, a copy of one, and a broken one."""
    folder = painted_folder(tmp_path / "in", *NAMES)
    scene(0).save(folder / "copy.bmp")
    (folder / "e.png").write_bytes((folder / "a.png").read_bytes()[:200])
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "cache", 10**9)


def same(one: Collection, other: Collection) -> bool:
    told = [(found.files, found.captions, {item.file: item.why for item in found.skipped}) for found in (one, other)]
    return told[0] == told[1] and np.array_equal(one.images, other.images)


def the_set(cache: PictureCache) -> Path:
    (index,) = cache.root.glob(f"[!.]*/{INDEX}")
    return index.parent


def test_the_second_start_decodes_nothing_and_finds_the_same(
    folder: Path, cache: PictureCache, decoded: list[int]
) -> None:
    plain = read_folder(folder, 32)
    first = read_folder(folder, 32, cache=cache)
    assert 12 == len(decoded)
    decoded.clear()
    again = read_folder(folder, 32, cache=cache)
    assert not decoded
    assert same(plain, first) and same(first, again)
    assert isinstance(again.images, np.memmap)
    assert first.sha256 == again.sha256 != ""


def test_other_options_have_another_set(folder: Path, cache: PictureCache, decoded: list[int]) -> None:
    read_folder(folder, 32, cache=cache)
    decoded.clear()
    assert 16 == read_folder(folder, 16, cache=cache).images.shape[1]
    read_folder(folder, 32, shape="pad", cache=cache)
    assert 12 == len(decoded)


def test_only_files_that_have_changed_are_decoded(folder: Path, cache: PictureCache, decoded: list[int]) -> None:
    read_folder(folder, 32, cache=cache)
    scene(9).save(folder / "b.png")
    scene(10).save(folder / "new.png")
    (folder / "a.png").unlink()
    decoded.clear()
    found = read_folder(folder, 32, cache=cache)
    wanted = [(folder / name).stat().st_size for name in ("b.png", "copy.bmp", "e.png", "new.png")]
    assert wanted == decoded
    assert same(found, read_folder(folder, 32))
    assert "copy.bmp" in found.files  # its double is gone


def test_a_touched_file_is_decoded_again(folder: Path, cache: PictureCache, decoded: list[int]) -> None:
    read_folder(folder, 32, cache=cache)
    decoded.clear()
    os.utime(folder / "c.png", ns=(1, 1))
    read_folder(folder, 32, cache=cache)
    assert (folder / "c.png").stat().st_size in decoded


@pytest.mark.parametrize("file", [ROWS, SIGNATURES, INDEX])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_broken_set_is_made_again(file: str, damage: str, folder: Path, cache: PictureCache) -> None:
    whole = read_folder(folder, 32)
    read_folder(folder, 32, cache=cache)
    path = the_set(cache) / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    {"cut": lambda: path.write_bytes(data[:-9]), "flipped": lambda: path.write_bytes(data), "gone": path.unlink}[
        damage
    ]()
    assert same(whole, read_folder(folder, 32, cache=cache))
    assert same(whole, read_folder(folder, 32, cache=cache))


def test_a_killed_writer_leaves_the_old_set(folder: Path, cache: PictureCache) -> None:
    read_folder(folder, 32, cache=cache)
    key = the_set(cache).name
    writer = SetWriter(cache, key)
    writer.__enter__()
    left = writer._part
    assert left.is_dir()
    scene(9).save(folder / "new.png")
    assert 5 == len(read_folder(folder, 32, cache=cache).files)
    assert not left.exists()


def test_the_sets_that_were_used_longest_ago_make_room(tmp_path: Path, cache: PictureCache) -> None:
    keys = list[str]()
    for name in ("one", "two", "three"):
        read_folder(painted_folder(tmp_path / name, *NAMES), 32, cache=cache)
        keys += {path.parent.name for path in cache.root.glob(f"*/{INDEX}")} - {*keys}
        os.utime(cache.root / keys[-1] / INDEX, (len(keys), len(keys)))
    read_folder(tmp_path / "one", 32, cache=cache)
    size = sum(path.stat().st_size for path in cache.root.rglob("*"))
    PictureCache(cache.root, size * 3 // 4).make_room(keys[2])
    assert {keys[0], keys[2]} == {path.parent.name for path in cache.root.glob(f"*/{INDEX}")}


def test_a_folder_beyond_the_limit_or_the_disk_stays_in_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = read_folder(folder, 32, cache=PictureCache(tmp_path / "small", 5_000))
    assert "do not fit into" in small.note and not isinstance(small.images, np.memmap)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SetWriter, "add", full)
    found = read_folder(folder, 32, cache=PictureCache(tmp_path / "full", 10**9))
    assert "cannot be used: No space left on device." in found.note
    assert same(small, found)
    assert not [*(tmp_path / "full").glob("*/*")]
