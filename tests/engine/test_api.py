"""The Python interface: what it paints, what it refuses, and that its examples run."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import engine
from engine import Dream, Studio
from engine.errors import InvalidRequest, ModelUnavailable, UnreadablePicture
from engine.protocol.messages import Progress

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
QUICK = {"steps": 4, "size": "192x192", "cutouts": 2}


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    with Studio("cpu", 1) as found:
        yield found


@pytest.fixture(scope="module")
def owl(studio: Studio) -> Dream:
    return studio.dream("a yellow owl", seed=7, **QUICK)


def test_the_packages_names_are_there() -> None:
    assert {"Dream", "Studio"} <= set(dir(engine))
    assert (ROOT / "engine" / "py.typed").exists()
    with pytest.raises(AttributeError, match="no attribute 'Stduio'"):
        _ = engine.Stduio  # type: ignore[attr-defined]


def test_an_image_knows_its_seed_and_score_and_can_be_saved(owl: Dream, tmp_path: Path) -> None:
    assert ((192, 192), 7) == (owl.image.size, owl.seed)
    assert owl.score is not None and -1 <= owl.score <= 1
    assert "<Dream 192x192, seed 7>" == repr(owl)
    assert owl.png == owl._repr_png_() == owl.save(tmp_path / "owl.png").read_bytes()
    with Image.open(owl.save(tmp_path / "owl.webp")) as saved:
        assert "WEBP" == saved.format


def test_several_images_have_the_seeds_that_follow(studio: Studio, owl: Dream) -> None:
    images = studio.dreams("a yellow owl", count=2, seed=7, **QUICK)

    assert [7, 8] == [image.seed for image in images]
    assert images[0].image.tobytes() != images[1].image.tobytes()


def test_a_films_frames_come_one_by_one_and_follow_one_another(studio: Studio) -> None:
    frames = list(studio.film("a yellow owl ^ snow", frames=3, zoom="0:1, 2:1.2", negative="fog", seed=7, **QUICK))

    assert [7, 8, 9] == [frame.seed for frame in frames]
    told = [frame.record["request"] for frame in frames]
    assert ["", 64, 64] == [one["init_image"] and len(one["init_image"]) for one in told]
    assert all(any(part["text"] == "fog" and part["weight"] == -0.3 for part in one["prompts"]) for one in told)
    with pytest.raises(InvalidRequest, match="Films are painted by"):
        studio.film("an owl", method="pixels")


def test_progress_is_reported(studio: Studio) -> None:
    seen = []
    studio.dream("an owl", seed=1, on_progress=seen.append, **{**QUICK, "steps": 6})

    assert seen and seen[-1].steps == 6


def test_a_replay_is_equal_to_the_pixel(studio: Studio, owl: Dream, tmp_path: Path) -> None:
    assert owl.image.tobytes() == studio.replay(owl.save(tmp_path / "owl.png")).image.tobytes()


def test_images_can_be_started_from_upscaled_and_scored(studio: Studio, owl: Dream) -> None:
    changed = studio.dream("a red owl", init=owl.image, seed=7, **QUICK)
    large = studio.upscale(owl, 2, upscaler="lanczos")
    scores = studio.score([owl, large.image, changed.png], "a yellow owl")

    assert changed.image.tobytes() != owl.image.tobytes()
    assert ((384, 384), None, None) == (large.image.size, large.seed, large.score)
    assert "a yellow owl" in str(large.record["source"])
    assert 3 == len(scores) and scores[0] == pytest.approx(scores[1], abs=0.1)
    assert scores[:1] == pytest.approx(studio.score(owl, "a yellow owl"), abs=1e-5)


def test_mistakes_are_said_in_words(studio: Studio, owl: Dream, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="stepz"):
        studio.dream("an owl", stepz=5)
    with pytest.raises(InvalidRequest, match="1 to 8 times, not 9"):
        studio.upscale(owl, 9)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        studio.upscale(tmp_path / "nothing.png")
    with pytest.raises(UnreadablePicture):
        studio.dream("an owl", init=b"no picture", **QUICK)
    with pytest.raises(InvalidRequest, match="no replay record"):
        studio.replay(Image.new("RGB", (8, 8)))
    with pytest.raises(InvalidRequest, match="made from another picture"):
        studio.replay(studio.dream("an owl", init=owl, seed=1, **QUICK))
    with pytest.raises(ModelUnavailable, match="no upscaler"):
        studio.upscale(owl, 2, upscaler="magic")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_run(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dreams = Studio.dreams

    def quick(self: Studio, prompt: str, **settings: Any) -> list[Dream]:
        return dreams(self, prompt, **{**settings, "steps": 4, "cutouts": 2})

    monkeypatch.setattr(Studio, "dreams", quick)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.worker.worker.cores", lambda: 1)  # two threads stall on a busy machine
    runpy.run_path(str(example))

    (saved,) = tmp_path.glob("*.png")
    with Image.open(saved) as image:
        assert min(image.size) >= 192


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes")
def test_a_pipe_without_a_writer_is_not_waited_for(studio: Studio, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(InvalidRequest, match="cannot be read: it is a device or a pipe"):
        studio.dream("an owl", init=tmp_path / "pipe.png", **QUICK)


def test_a_name_that_no_file_can_have_is_refused(studio: Studio) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        studio.upscale("owl\0.png")


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("I;16", 0x8000, 128), ("F", 0.5, 128), ("L", 128, 128), ("CMYK", (0, 0, 0, 127), 128)],
)
def test_an_image_of_any_mode_keeps_its_shades(studio: Studio, mode: str, value: Any, expected: int) -> None:
    large = studio.upscale(Image.new(mode, (30, 30), value), 2, upscaler="lanczos")

    assert (expected,) * 3 == large.image.getpixel((5, 5))


def test_a_transparent_image_is_saved_in_every_format(studio: Studio, tmp_path: Path) -> None:
    large = studio.upscale(Image.new("RGBA", (30, 30), (255, 0, 0, 0)), 2, upscaler="lanczos")

    modes = {suffix: Image.open(large.save(tmp_path / f"red{suffix}")).mode for suffix in ("", ".png", ".webp", ".JPG")}

    assert {"": "RGBA", ".png": "RGBA", ".webp": "RGBA", ".JPG": "RGB"} == modes


@pytest.mark.parametrize("size", [(192,), (192, 192, 3)])
def test_a_size_of_other_than_two_sides_is_refused(studio: Studio, size: Any) -> None:
    with pytest.raises(InvalidRequest, match="is not a size"):
        studio.dream("an owl", **{**QUICK, "size": size})


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_interrupted_leaves_nothing_to_the_next_request(studio: Studio, error: type[BaseException]) -> None:
    """As Ctrl-C in a notebook."""

    def interrupt(progress: Progress) -> None:
        raise error

    with pytest.raises(error):
        studio.dream("a red circle", seed=1, on_progress=interrupt, **QUICK)

    assert 2 == studio.dream("a yellow owl", seed=2, **QUICK).seed
    assert not list(studio._engine._worker._jobs)


def test_a_second_request_while_one_is_painted_is_refused(studio: Studio) -> None:
    def ask(progress: Progress) -> None:
        studio.dream("a yellow owl", **QUICK)

    with pytest.raises(InvalidRequest, match="one request at a time"):
        studio.dream("a red circle", on_progress=ask, **QUICK)
