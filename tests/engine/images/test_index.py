"""A folder is indexed once; changed files are indexed again; a broken index is rebuilt."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InvalidRequest
from engine.images.index import Album, IndexedImage, scan
from engine.images.vector_file import Floats

DIM = 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name in ("a.png", "b.JPG", "sub/c.webp", "notes.txt", ".hidden.png", ".secret/d.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def direction(entry: IndexedImage) -> list[float]:
    """a points one way, b another …"""
    vector = [0.0] * DIM
    vector[ord(entry.path.name[0]) % DIM] = 1.0
    return vector


def fill(album: Album) -> list[str]:
    """See everything that is new; its names."""
    news = album.look()
    album.remember(news, np.array([direction(entry) for entry in news], np.float32).reshape(-1, DIM))
    return [str(entry.path) for entry in news]


def aim(name: str) -> Floats:
    return np.array(direction(IndexedImage(Path(name), 0, 0)), np.float32)


def best(album: Album, name: str) -> str:
    return str(album.search(aim(name), 1)[0].path)


def test_pictures_are_found_by_their_names_wherever_they_lie_below(root: Path) -> None:
    assert ["a.png", "b.JPG", "sub/c.webp"] == [line.split("\0")[0] for line in scan(root)]


def test_everything_is_looked_at_once_and_then_only_what_is_new_or_changed(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        assert ["a.png", "b.JPG", "sub/c.webp"] == fill(album)
    (root / "d.gif").write_bytes(b"new")
    (root / "a.png").write_bytes(b"changed")
    (root / "b.JPG").unlink()

    with Album(root, "eye", DIM) as album:
        assert ["a.png", "d.gif"] == fill(album)
        assert (3, ["a.png", "d.gif", "sub/c.webp"]) == (
            len(album),
            sorted(str(f.path) for f in album.search(aim("a"), 9)),
        )


def test_a_file_of_the_same_size_in_place_of_another_is_looked_at(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        fill(album)
    about = (root / "a.png").stat()
    (root / "new").write_bytes(b"b" * about.st_size)
    os.utime(root / "new", ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    (root / "new").replace(root / "a.png")

    with Album(root, "eye", DIM) as album:
        assert ["a.png"] == fill(album)


def test_names_that_sort_unlike_their_lines_are_not_looked_at_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "a.png\x01.png",
        "a.png!.png",
        "a.png.png",
        "a/b.png",
        "a-b.png",
        "ä.png",
        "\U0001f600.png",
        "\uffee.png",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(name.encode())
    with Album(root, "eye", DIM) as album:
        assert 11 == len(fill(album))
    with Album(root, "eye", DIM) as album:
        monkeypatch.setattr(album, "_read", lambda: pytest.fail("the rows were read"))
        assert [] == album.look()


def test_a_forged_row_that_reads_like_two_files_is_removed(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        first, second, _ = album.look()
        fill(album)
        forged = f"a.png\0{first.mtime_ns}\0{first.size}\0b.JPG"
        album._index.execute("DELETE FROM pictures WHERE path IN (?, ?)", (b"a.png", b"b.JPG"))
        row = forged.encode(), second.mtime_ns, second.size
        album._index.execute("INSERT INTO pictures VALUES (?, ?, ?, 0, '')", row)

    with Album(root, "eye", DIM) as album:
        assert [first, second] == album.look()
        assert ["sub/c.webp"] == [str(found.path) for found in album.search(aim("a"), 9)]


def test_what_is_searched_is_found_with_its_cosine(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        fill(album)
        found = album.search(aim("c"), 2)

    assert ("sub/c.webp", 1.0) == (str(found[0].path), found[0].score)


def test_many_rounds_of_changes_leave_a_small_file_with_the_right_vectors(root: Path) -> None:
    for round_ in range(12):
        (root / "a.png").write_bytes(b"a" * (round_ + 10))
        (root / f"b{round_}.png").write_bytes(b"x")
        (root / f"b{round_ - 3}.png").unlink(missing_ok=True)
        with Album(root, "eye", DIM) as album:
            fill(album)
            assert ("a.png", "sub/c.webp") == (best(album, "a"), best(album, "c"))
            assert best(album, "b").startswith("b")
    (vectors,) = root.glob(".dreambot/*/vectors-*")

    assert vectors.stat().st_size < 512 + 2 * DIM * 12


def test_a_file_that_cannot_be_opened_is_remembered_as_that_until_it_changes(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        first, *others = album.look()
        album.remember(others, np.eye(DIM, dtype=np.float32)[: len(others)], [(first, "It is broken.")])
    with Album(root, "eye", DIM) as album:
        assert [] == album.look()
        assert ({Path("a.png"): "It is broken."}, 2) == (album.problems, len(album))
    (root / "a.png").write_bytes(b"mended")
    with Album(root, "eye", DIM) as album:
        assert ["a.png"] == fill(album)
        assert {} == album.problems


def test_what_an_older_version_could_not_open_is_looked_at_again(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        *news, last = album.look()
        album.remember(news, np.array([direction(entry) for entry in news], np.float32), [(last, "It is too large.")])
    (index,) = root.rglob("index.db")
    with contextlib.closing(sqlite3.connect(index)) as old:
        old.execute("PRAGMA application_id = 0")

    with Album(root, "eye", DIM) as album:
        assert [last] == album.look()


def test_a_changed_file_that_is_not_looked_at_is_not_found_as_it_was(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        fill(album)
        (root / "a.png").write_bytes(b"changed")
        album.look()

        assert "a.png" not in [str(found.path) for found in album.search(aim("a"), 9)]


def test_vectors_that_no_index_knows_are_cut_off(root: Path) -> None:
    with Album(root, "eye", DIM) as album:
        fill(album)
    (vectors,) = root.glob(".dreambot/*/vectors-*")
    size = vectors.stat().st_size
    with vectors.open("ab") as file:
        file.write(b"\x3c" * DIM * 2 * 5 + b"half")

    with Album(root, "eye", DIM) as album:
        assert [] == album.look()
        assert "a.png" == best(album, "a")
    assert size == vectors.stat().st_size


def damage_index(place: Path) -> None:
    (place / "index.db").write_bytes(b"this is no database" * 100)


def damage_vectors(place: Path) -> None:
    (place / "vectors-0").write_bytes(b"junk")


def lose_vectors(place: Path) -> None:
    (place / "vectors-0").unlink()


def name_rows_that_are_not_there(place: Path) -> None:
    index = sqlite3.connect(place / "index.db")
    index.execute("UPDATE pictures SET place = 10000000")
    index.commit()
    index.close()


@pytest.mark.parametrize("harm", [damage_index, damage_vectors, lose_vectors, name_rows_that_are_not_there])
def test_a_broken_index_is_made_anew_and_that_is_said(root: Path, harm: object) -> None:
    with Album(root, "eye", DIM) as album:
        fill(album)
        assert not album.mended
    (place,) = root.glob(".dreambot/*")
    harm(place)  # type: ignore[operator]

    with Album(root, "eye", DIM) as album:
        assert (True, 3) == (album.mended, len(fill(album)))
        assert "a.png" == best(album, "a")


def test_an_index_that_came_with_foreign_pictures_names_nothing_outside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "z.png").write_bytes(b"secret")
    with Album(root, "eye", DIM) as album:
        fill(album)
        outside = IndexedImage(Path("../z.png"), 0, 0)
        album.remember([outside], aim("z")[None])

    with Album(root, "eye", DIM) as album:
        album.look()
        assert "../z.png" not in [str(found.path) for found in album.search(aim("z"), 9)]


def test_every_perceptor_has_vectors_of_its_own(root: Path) -> None:
    for key, dim in (("eye", DIM), ("eye other-weights", DIM), ("../../etc", DIM)):
        with Album(root, key, dim) as album:
            assert 3 == len(fill(album))

    assert 3 == len(list((root / ".dreambot").iterdir()))


def test_two_at_once_do_not_get_into_each_others_way(root: Path) -> None:
    with Album(root, "eye", DIM), pytest.raises(InvalidRequest, match="Another search is using"):
        Album(root, "eye", DIM)


def test_names_that_are_no_text_are_kept(root: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/d\xff.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system wants names to be text")
    with Album(root, "eye", DIM) as album:
        fill(album)
    with Album(root, "eye", DIM) as album:
        assert [] == album.look()
        assert b"d\xff.png" == os.fsencode(album.search(aim("d"), 1)[0].path)


def test_a_place_where_nothing_can_be_written_is_named(root: Path) -> None:
    (root / ".dreambot").write_bytes(b"a file")

    with pytest.raises(InvalidRequest, match=r"cannot be written to .*another folder with --cache"):
        Album(root, "eye", DIM)


def test_what_is_no_folder_is_refused(root: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"a\.png is not a folder of pictures"):
        scan(root / "a.png")
