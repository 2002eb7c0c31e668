"""Saved snapshots become a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.images.pictures import snapshot
from tests.engine.shell import Shell


@pytest.fixture
def way(shell: Shell) -> Path:
    """Three snapshots of one picture, two of another, and a file that is none."""
    folder = Path("way")
    folder.mkdir()
    for name, light in (("x-0-step-0002", 20), ("x-0-step-0010", 90), ("x-0-step-0024", 160), ("x-1-step-0002", 30)):
        (folder / f"{name}.webp").write_bytes(snapshot(Image.new("L", (64, 64), light)))
    (folder / "notes.txt").write_text("not a snapshot")
    return folder


def test_snapshots_are_shown_in_their_order_and_then_the_finished_picture(shell: Shell, way: Path) -> None:
    Image.new("RGB", (128, 128), (250, 250, 250)).save("x.png")

    said = shell("evolution", way, "--of", "x-0", "--picture", "x.png", "--out", "x.gif")

    film: Any = Image.open("x.gif")
    light = []
    for place in range(film.n_frames):
        film.seek(place)
        light.append(film.convert("L").getpixel((5, 5)))
    assert (0, "x.gif  4 pictures\n") == (said.status, said.out)
    assert [20, 90, 160, 250] == pytest.approx(light, abs=3)


def test_no_other_film_is_replaced_unless_it_is_named(shell: Shell, way: Path) -> None:
    films = [shell("evolution", way, "--of", "x-0").out for _ in range(2)]

    assert ["evolution.webp  3 pictures\n", "evolution.2.webp  3 pictures\n"] == films


def test_the_finished_picture_may_have_been_enlarged(shell: Shell, way: Path) -> None:
    Image.new("L", (8000, 8000), 250).save("x.png")

    said = shell("evolution", way, "--of", "x-0", "--picture", "x.png", "--out", "x.gif")

    assert (0, "x.gif  4 pictures\n") == (said.status, said.out), said.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["way"], "Choose one with --of: x-0, x-1"),
        (["way", "--of", "y-0"], "way has no snapshots of y-0. Available: x-0, x-1"),
        (["way", "--of", "x-0", "--out", "x.avi"], "Unknown film format “.avi”. Available: .gif, .webp, .mp4"),
        (["way", "--of", "x-0", "--picture", "absent.png"], "absent.png cannot be read"),
        (["nowhere"], "nowhere is not a folder of snapshots"),
        (["."], "has no snapshots"),
    ],
)
@pytest.mark.usefixtures("way")
def test_a_mistake_is_one_line_and_the_status_2(shell: Shell, words: list[str], error: str) -> None:
    said = shell("evolution", *words)

    assert (2, "", 1) == (said.status, said.out, len(said.err.splitlines()))
    assert error in said.err
