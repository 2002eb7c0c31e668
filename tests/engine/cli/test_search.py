"""Searches of a folder by words and by pictures, repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.errors import InvalidRequest
from engine.images.pictures import to_png
from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint
from tests.engine.shell import Shell

SCENES = {
    "circle.png": "a red circle on a blue background",
    "sub/star.webp": "a yellow star on a black background",
    "boat.png": "a boat on the sea at sunset",
    "tree.png": "a green tree in a meadow",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of the small models' world, and one file that is none."""
    for name, words in SCENES.items():
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(paint(parse_scene(words), 64, 0)).save(path)
    (tmp_path / "album" / "broken.jpg").write_bytes(b"\xff\xd8\xff junk")
    return tmp_path / "album"


def names(said: Any) -> list[str]:
    return [line.split("  album/")[1] for line in said.out.splitlines() if "  album/" in line]


@pytest.mark.usefixtures("folder")
def test_words_find_their_picture_and_a_sheet_shows_it(shell: Shell) -> None:
    for name, words in SCENES.items():
        said = shell("search", "album", words, "--count", 2, "--out", "sheet.png")
        assert (0, name, 2) == (said.status, names(said)[0], len(names(said)))
        assert "Skipped unreadable files: broken.jpg." in said.err
        assert "2 of 4 pictures, scored by primer-grader" in said.err

    assert "sheet.png" == said.out.splitlines()[-1]
    assert Image.open("sheet.png").width > 128


@pytest.mark.usefixtures("folder")
def test_what_is_pushed_away_goes_down(shell: Shell) -> None:
    plain = shell("search", "album", "a tree | a boat on the sea:0.8")
    against = shell("search", "album", "a tree | a boat on the sea:-0.8")

    assert names(plain).index("boat.png") < 2
    assert ("tree.png", "boat.png") == (names(against)[0], names(against)[-1])


@pytest.mark.usefixtures("folder")
def test_a_picture_finds_its_like_but_not_itself(shell: Shell) -> None:
    again = Path("album/again.png")
    again.write_bytes(to_png(Image.open("album/circle.png").resize((80, 80))))

    said = shell("search", "album", "--like", "album/circle.png", "--count", 1)

    assert ["again.png", "search-circle.png"] == [*names(said), said.out.splitlines()[-1]]


@pytest.mark.usefixtures("folder")
def test_no_other_sheet_is_replaced_unless_it_is_named(shell: Shell) -> None:
    places = [shell("search", "album", "a circle").out.splitlines()[-1] for _ in range(2)]
    named = [shell("search", "album", "a circle", "--out", "sheet.png").out.splitlines()[-1] for _ in range(2)]

    assert ["search-a-circle.png", "search-a-circle.2.png", "sheet.png", "sheet.png"] == [*places, *named]


@pytest.mark.usefixtures("folder")
def test_every_picture_is_looked_at_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.guidance.clip_score import Judge

    seen: list[int] = []
    embed_images = Judge.embed_images
    monkeypatch.setattr(
        Judge, "embed_images", lambda self, images: seen.append(len(images)) or embed_images(self, images)
    )
    shell("search", "album", "an owl")
    shell("search", "album", "a boat")
    Path("album/new.png").write_bytes(to_png(Image.new("RGB", (20, 20), "red")))
    record = json.loads(shell("search", "album", "red", "--json").out)

    assert [4, 1] == seen
    assert (5, "primer-grader") == (record["pictures"], record["perceptor"])
    assert ["album/broken.jpg"] == list(record["problems"])
    assert sorted([found["score"] for found in record["found"]], reverse=True) == [
        found["score"] for found in record["found"]
    ]


@pytest.mark.usefixtures("folder")
def test_what_was_enlarged_is_found_too(shell: Shell) -> None:
    large = Image.open("album/circle.png").resize((7200, 7200), Image.Resampling.NEAREST)
    large.save("album/large.png", compress_level=1)

    said = shell("search", "album", "--like", "album/large.png", "--count", 1)

    assert (0, ["circle.png"]) == (said.status, names(said)), said.err


def test_where_nothing_can_be_opened_every_problem_is_named(shell: Shell) -> None:
    Path("album").mkdir()
    for index in range(7):
        Path(f"album/{index}.jpg").write_bytes(b"junk")

    said = shell("search", "album", "a cat")

    assert (2, 1) == (said.status, len(said.err.splitlines()))
    assert "No other readable pictures in album" in said.err
    assert "0.jpg: This file is not a picture that can be opened; PNG, " in said.err
    assert said.err.endswith("And 2 more.\n") and "5.jpg" not in said.err


@pytest.mark.usefixtures("folder")
def test_what_could_not_be_read_once_is_looked_at_again(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def unplugged(path: Path) -> bytes:
        if path.name == "circle.png":
            raise InvalidRequest(f"{path} cannot be read: Input/output error.")
        return path.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr("engine.cli.search.read_file", unplugged)
        before = json.loads(shell("search", "album", SCENES["circle.png"], "--json").out)
    after = json.loads(shell("search", "album", SCENES["circle.png"], "--json").out)

    assert (3, "album/circle.png cannot be read: Input/output error.") == (
        before["pictures"],
        before["problems"]["album/circle.png"],
    )
    assert (4, ["album/broken.jpg"]) == (after["pictures"], list(after["problems"]))
    assert "album/circle.png" == after["found"][0]["path"]


@pytest.mark.usefixtures("folder")
def test_words_that_the_small_clip_lacks_are_named(shell: Shell) -> None:
    said = shell("search", "album", "child's boat")

    assert (0, True) == (said.status, "I don’t know “child's”" in said.err)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["search", "nowhere", "a cat"], "nowhere is not a folder of pictures"),
        (["search", "album"], "words, or a picture with --like"),
        (["search", "album", "a cat:-x"], "is not a number"),
        (["search", "album", "zzz"], "I don’t know “zzz”"),
        (["search", "album", "--like", "absent.png"], "absent.png cannot be read"),
        (["search", "album", "--like", "album/broken.jpg"], "it starts like JPEG, but its header is broken"),
        (["search", "album", "a cat", "--out", "x.jpg"], "The sheet is a PNG"),
        (["search", "empty", "a cat"], "No other readable pictures in empty"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_mistake_is_said_and_ends_with_2(shell: Shell, words: list[str], error: str) -> None:
    Path("empty").mkdir()

    said = shell(*words)

    assert (2, "") == (said.status, said.out)
    assert error in said.err and "Traceback" not in said.err


def test_a_long_way_down_the_answer_is_still_the_nearest(shell: Shell, folder: Path) -> None:
    for index in range(40):
        pixels = np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        (folder / f"noise-{index}.png").write_bytes(to_png(Image.fromarray(pixels)))

    said = shell("search", "album", SCENES["circle.png"], "--count", 1)

    assert ["circle.png"] == names(said)
