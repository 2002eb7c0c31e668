"""Many pictures of one prompt: written as they finish, resumed, ranked, with timelapses."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.cli.console import check_writable
from engine.errors import InvalidRequest, NotFinite
from engine.images.pictures import to_png
from engine.methods import Failed, Step
from engine.methods.clip_diffusion import ClipDiffusion
from engine.protocol.replay_record import KEYWORD, read_record
from tests.engine.shell import Shell
from tests.engine.tiny import tiny_perceptor
from tests.engine.workshop import TinyMethod, TinyState

MANY = ("dream", "a cat", "--seed", 7, "--steps", 3, "--count", 6, "--size", "192x192", "--out", "x.png")


class Interrupted(TinyMethod):
    """Somebody presses Ctrl-C before the sixth picture's first step."""

    def advance(self, states: list[TinyState], runtime: Any) -> Sequence[Step]:
        if any(state.index == 5 for state in states):
            raise KeyboardInterrupt
        return super().advance(states, runtime)


class Unused(TinyMethod):
    """Nothing is painted."""

    def begin(self, *_: Any) -> list[TinyState]:
        raise AssertionError


class Usurped(TinyMethod):
    """While it paints, somebody puts a file where the folder `out` was."""

    def advance(self, states: list[TinyState], runtime: Any) -> Sequence[Step]:
        if Path("out").is_dir():
            shutil.rmtree("out")
            Path("out").touch()
        return super().advance(states, runtime)


@pytest.fixture
def eye(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every perceptor is a tiny one."""
    monkeypatch.setattr("engine.perceptors.perceptor_loader.read_perceptor", lambda name, device: tiny_perceptor())


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.suffix == ".png")


def seed_of(name: str) -> int:
    record = read_record(Path(name).read_bytes())
    return int(record["request"]["seed"] + record["index"])


def test_an_interrupted_run_keeps_its_pictures_and_resumes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shell(*MANY[:-1], "whole.png")
    with monkeypatch.context() as patch:
        patch.setattr("engine.methods.clip_diffusion.METHOD", Interrupted())
        stopped = shell(*MANY)
    there = [name for name in files() if name.startswith("x-")]
    times = {name: Path(name).stat().st_mtime_ns for name in there}
    resumed = shell(*MANY, "--resume")

    assert (0, 130, 0) == (whole.status, stopped.status, resumed.status)
    assert 1 <= len(there) <= 5
    assert f"Stopped after {len(there)} of 6 pictures. Run the same command with --seed 7 --resume" in stopped.err
    assert times == {name: Path(name).stat().st_mtime_ns for name in there}
    assert 6 == len(resumed.out.splitlines())
    for index in range(6):
        assert (np.asarray(Image.open(f"x-{index}.png")) == np.asarray(Image.open(f"whole-{index}.png"))).all()
        assert read_record(Path(f"x-{index}.png").read_bytes()) == read_record(Path(f"whole-{index}.png").read_bytes())


def test_more_can_be_asked_for_later_and_the_seed_is_found_in_what_is_there(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 3, "--count", 2, "--out", "x.png")

    said = shell("dream", "a cat", "--steps", 3, "--count", 3, "--out", "x.png", "--resume", "--evolution", "way.gif")

    assert [f"x-{i}.png  256×256, seed {7 + i}" for i in range(3)] == [
        line.partition(", CLIP")[0] for line in said.out.splitlines()
    ]
    assert "2 pictures are from an earlier run, so their steps are missing." in said.err
    assert ["way-2.gif"] == [path.name for path in Path().glob("way*")]


def test_the_seed_is_that_of_the_same_order_and_of_no_neighbour(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 5, "--steps", 3, "--count", 2, "--out", "r-0.png")
    shell("dream", "a cat", "--seed", 6, "--steps", 3, "--out", "r-blue.png")
    shell("dream", "a cat", "--seed", 6, "--steps", 3, "--out", "r-7.png")
    shell("dream", "a cat", "--seed", 7, "--steps", 3, "--count", 2, "--out", "r.png")
    Path("r-0.png").unlink()

    said = shell("dream", "a cat", "--steps", 3, "--count", 2, "--out", "r.png", "--resume")

    assert (0, [7, 8]) == (said.status, [seed_of(f"r-{index}.png") for index in range(2)]), said.err


def test_a_name_may_have_brackets(shell: Shell) -> None:
    words = ("dream", "a cat", "--steps", 3, "--out", "q[1].png")
    shell(*words, "--seed", 7, "--count", 2)

    said = shell(*words, "--count", 3, "--resume")

    assert (0, [7, 8, 9]) == (said.status, [seed_of(f"q[1]-{index}.png") for index in range(3)]), said.err


def test_what_was_begun_with_other_words_is_named(shell: Shell) -> None:
    shell("dream", "a dog", "--seed", 7, "--steps", 3, "--count", 2, "--out", "x.png")

    said = shell("dream", "a cat", "--steps", 3, "--count", 2, "--out", "x.png", "--resume")

    assert 2 == said.status
    assert "x-0.png is in the way of --resume: it was painted with another prompt or other settings" in said.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["dream", "a dog", "--seed", 7, "--steps", 3, "--count", 2], "painted with another prompt or other settings"),
        (["dream", "a cat", "--seed", 7, "--steps", 4, "--count", 2], "painted with another prompt or other settings"),
        (["dream", "a cat", "--seed", 8, "--steps", 3, "--count", 2], "painted with another prompt or other settings"),
    ],
)
def test_other_pictures_in_the_way_are_not_painted_over(shell: Shell, words: list[Any], error: str) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 3, "--count", 2, "--out", "x.png")
    before = Path("x-0.png").read_bytes()

    said = shell(*words, "--out", "x.png", "--resume")

    assert (2, before) == (said.status, Path("x-0.png").read_bytes())
    assert "x-0.png is in the way of --resume" in said.err and error in said.err


@pytest.mark.usefixtures("eye")
def test_a_mask_that_paints_nothing_or_lies_elsewhere_is_said(shell: Shell) -> None:
    Image.new("RGB", (64, 64), "green").save("photo.png")
    Image.new("RGB", (64, 64), "black").save("black.png")
    Image.new("RGB", (64, 16), "white").save("flat.png")

    black, flat = (shell("dream", "owl", "--init", "photo.png", "--mask", f"{mask}.png") for mask in ("black", "flat"))

    assert (2, "error: The mask is completely black. Make the areas to repaint white or transparent.\n") == (
        black.status,
        black.err,
    )
    assert "The mask (64×16) has another shape than the picture (64×64)" in flat.err


def test_the_best_are_found_marked_and_enlarged(shell: Shell) -> None:
    said = shell(*MANY, "--best", 2, "--upscale-best", "--json")

    record = json.loads(said.out)
    grades = [picture["grade"] for picture in record["pictures"]]
    best = record["choice"]["best"]
    assert sorted(range(6), key=lambda index: -grades[index])[:2] == best
    assert [f"x-{index}-x4.png" for index in best] == [record["pictures"][index]["larger"] for index in best]
    assert all((768, 768) == Image.open(f"x-{index}-x4.png").size for index in best)
    assert 4 == sum("larger" not in picture for picture in record["pictures"])
    sheet = Image.open(record["choice"]["sheet"]).convert("RGB")
    assert (250, 190, 60) == sheet.getpixel((1, 1)), "the best is marked"
    assert (250, 190, 60) != sheet.getpixel((sheet.width - 2, 1)), "the third is not"


@pytest.mark.usefixtures("eye")
def test_the_lines_come_in_the_order_of_the_grades(shell: Shell) -> None:
    said = shell(*MANY, "--best", 1)

    *pictures, sheet = said.out.splitlines()
    grades = [float(line.partition("grade ")[2].split(",")[0]) for line in pictures]
    assert sorted(grades, reverse=True) == grades
    assert pictures[0].endswith("best 1") and "x-sheet.png" == sheet


def test_how_a_picture_came_to_be_is_a_file_of_its_own(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 30, "--out", "x.png", "--evolution", "way.webp")

    film: Any = Image.open("way.webp")
    assert film.n_frames >= 4


def test_a_replay_never_paints_over_its_original(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 3)
    before = Path("dream-7.png").read_bytes()

    said = shell("dream", "--replay", "dream-7.png", "--json")

    assert before == Path("dream-7.png").read_bytes()
    assert {"equal": True, "differing_pixels": 0, "largest_difference": 0, "reasons": []} == json.loads(said.out)[
        "replay"
    ]
    assert Path("dream-7-again.png").is_file()


def test_a_replay_that_differs_says_by_how_much_and_why_and_ends_with_1(shell: Shell) -> None:
    shell("dream", "a cat", "--seed", 7, "--steps", 3, "--out", "x.png")
    pixels = np.array(Image.open("x.png"))
    pixels[0, :4] ^= 8
    record = read_record(Path("x.png").read_bytes())
    record["resolved"]["device"] = "abacus"
    Path("y.png").write_bytes(to_png(Image.fromarray(pixels), {KEYWORD: json.dumps(record)}))

    said = shell("dream", "--replay", "y.png")

    assert 1 == said.status
    assert "Not equal: 4 of 65,536 pixels (0.01%) differ, by at most 8 of 255." in said.err
    assert "The PNG was changed after it was painted" in said.err
    assert "Another value for the device: abacus then, CPU" in said.err


def test_the_real_small_model_paints_its_pictures_again_pixel_by_pixel(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", ClipDiffusion())
    shell("dream", "a red circle", "--seed", 7, "--steps", 3, "--count", 2, "--size", "192x192", "--out", "x.png")

    record = json.loads(shell("dream", "--replay", "x-1.png", "--json").out)

    assert record["replay"]["equal"]
    assert {"weights", "perceptor", "perceptor_weights", "upscaler_weights", "bucket", "dtype", "device"} <= set(
        record["resolved"]
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["dream", "a cat", "--resume", "--seed", 7], "give its --count"),
        (["dream", "a cat", "--count", 3, "--resume"], "--resume needs the --seed of the interrupted run"),
        (
            ["dream", "a cat", "--count", 3, "--resume", "--out", "new.png"],
            "Nothing to resume at new.png",
        ),
        (["dream", "a cat", "--best", 3, "--count", 2], "--best 3 is out of range for --count 2 (1 to 2)"),
        (["dream", "a cat", "--grader", "primer"], "need --best"),
        (["dream", "a cat", "--threads", "nope"], "“nope” is not a number of CPU threads"),
        (["dream", "a cat", "--threads", "-3"], "“-3” is not a number of CPU threads: use 1 to 1024, or auto"),
        (["dream", "a cat", "--evolution", "way.avi"], "Unknown film format “.avi”. Available: .gif, .webp, .mp4"),
        (["dream", "--replay", "small.png", "--model", "lsun"], "leave out model"),
        (["dream", "--replay", "small.png", "--count", 3], "leave out --resume and --count"),
    ],
)
@pytest.mark.usefixtures("small")
def test_a_mistake_is_one_line_and_the_status_2(shell: Shell, words: list[Any], error: str) -> None:
    said = shell(*words)

    assert (2, "", 1) == (said.status, said.out, len(said.err.splitlines())), said.err
    assert error in said.err


def test_pictures_that_fail_do_not_take_the_others_along(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    class Second(TinyMethod):
        def advance(self, states: list[TinyState], runtime: Any) -> Sequence[Step]:
            steps = super().advance(states, runtime)
            return [Failed(NotFinite("no")) if s.index == 1 else step for s, step in zip(states, steps, strict=True)]

    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", Second())
    said = shell("dream", "a cat", "--seed", 7, "--steps", 3, "--count", 3, "--out", "x.png")

    assert (0, ["x-0.png", "x-2.png"]) == (said.status, files())
    assert "Picture 2 of 3 failed: no" in said.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--out", "small.png/x.png"], "small.png/x-0.png cannot be written: a part of its path is a file."),
        (["--out", "small.png/y/x.png"], "small.png/y/x-0.png cannot be written: Not a directory."),
        (["--out", f"{'x' * 300}.png"], "cannot be written: File name too long."),
        (["--out", f"{'x' * 246}.png"], "cannot be written: File name too long."),
        (["--out", "folders.png/a.png"], "folders.png/a-1.png cannot be written: it is a folder."),
        (["--snapshots", "small.png"], "cannot be written: a part of its path is a file."),
        (["--evolution", "small.png/way.gif"], "small.png/way-0.gif cannot be written"),
        (["--best", 1, "--grader", "nope"], "There is no CLIP “nope”"),
        (["--best", 1, "--grader", "ViT-B/32"], "not downloaded; run python -m engine weights download ViT-B/32"),
        (["--best", 1, "--grader", "primer"], "I don’t know"),
    ],
)
@pytest.mark.usefixtures("small")
def test_what_can_be_known_before_is_said_before_anything_is_painted(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, words: list[Any], error: str
) -> None:
    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", Unused())
    Path("folders.png/a-1.png").mkdir(parents=True)

    said = shell("dream", "zzz", "--seed", 7, "--steps", 3, "--count", 2, *words)

    assert (2, "", 1) == (said.status, said.out, len(said.err.splitlines())), said.err
    assert error in said.err
    assert not list(Path().rglob("*.part"))


def test_pictures_whose_place_is_gone_meanwhile_are_kept_elsewhere(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", Usurped())

    said = shell("dream", "a cat", "--seed", 7, "--steps", 3, "--count", 2, "--out", "out/x.png", "--snapshots", "out")

    kept = sorted((tmp_path / "elsewhere").rglob("*.png"), key=lambda path: path.name)
    assert (2, ["x-0.png", "x-1.png"]) == (said.status, [path.name for path in kept])
    assert all(f"out/{path.name} is kept as {path}" in said.err for path in kept)
    assert [7, 7] == [read_record(path.read_bytes())["request"]["seed"] for path in kept]
    assert "cannot be written: a part of its path is a file" in said.err and "Traceback" not in said.err


def test_a_full_disk_is_noticed_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(InvalidRequest, match=r"x\.png cannot be written: No space left on device\."):
        check_writable(tmp_path / "x.png")
