"""Key frames as they are written, and a camera that moves as Disco Diffusion's does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.errors import PromptError
from engine.film.camera import Edges, moved, read_camera, read_key_frames

GENERATOR = np.random.default_rng(3)
NOISE = Image.fromarray(GENERATOR.integers(0, 256, (32, 48, 3), dtype=np.uint8))
SMOOTH = Image.fromarray(
    np.stack([np.add.outer(np.arange(64.0) * a, np.arange(64.0) * b) + 20 for a, b in ((1, 2), (3, 0), (0, 3))], -1)
    .clip(0, 255)
    .astype(np.uint8)
)


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", {0: 1.5, 99: 1.5}),
        ("0:(1), 10:(2)", {0: 1, 5: 1.5, 10: 2, 99: 2}),
        ("20:2,10:1", {0: 1, 10: 1, 15: 1.5, 30: 2}),
        (" 0 : .5 , 4: 1. ", {0: 0.5, 1: 0.625, 4: 1}),
    ],
)
def test_key_frames_are_linear_between_and_constant_beyond(text: str, expected: dict[int, float]) -> None:
    found = read_key_frames(text, "zoom", 0.5, 2)

    assert expected == {frame: pytest.approx(found.at(frame)) for frame in expected}


@pytest.mark.parametrize(
    ("text", "sentence", "at"),
    [
        ("", "a frame and a value are missing here", 0),
        ("0:1, 5", "a frame and a value are missing here", 4),
        ("0:(1, 5:2", "a frame and a value are missing here", 0),
        ("0:1 5:2", "a comma is missing here", 4),
        ("0:1, 0:2", "frame 0 is named twice", 5),
        ("0:1, 5:-3", "-3 is out of range (0.5–2)", 7),
        ("3", "3 is out of range", 0),
        ("0:sin(t)", "a frame and a value are missing here", 0),
    ],
)
def test_broken_key_frames_are_refused_at_their_character(text: str, sentence: str, at: int) -> None:
    with pytest.raises(PromptError) as refused:
        read_key_frames(text, "zoom", 0.5, 2)

    assert sentence in str(refused.value) and at == refused.value.position


def test_a_camera_that_stands_changes_nothing() -> None:
    camera = read_camera("1", "0", "0", "0", "mirror")

    assert (array(NOISE) == array(camera.move(NOISE, 7))).all()


@pytest.mark.parametrize("edges", ["wrap", "mirror", "stretch", "black"])
def test_whole_pixels_are_shifted_right_and_down_and_the_edge_continues(edges: Edges) -> None:
    found = array(moved(NOISE, 1, 0, (5, 3), edges))
    mode = {"wrap": "wrap", "mirror": "symmetric", "stretch": "edge", "black": "constant"}[edges]
    expected = np.pad(array(NOISE), ((3, 0), (5, 0), (0, 0)), mode=mode)[:32, :48]  # type: ignore[call-overload]

    assert (expected == found).all()


def test_shares_of_the_sides_are_percent() -> None:
    camera = read_camera("1", "0", "0:0, 2:25", "-50", "wrap")

    assert (array(camera.move(NOISE, 2)) == np.roll(array(NOISE), (-16, 12), axis=(0, 1))).all()


def test_a_quarter_turn_is_counter_clockwise() -> None:
    found = array(moved(SMOOTH, 1, 90, (0, 0), "black"))

    assert np.abs(np.rot90(array(SMOOTH)) - found)[1:-1, 1:-1].max() <= 1


def test_zoom_enlarges_around_the_centre() -> None:
    found = array(moved(SMOOTH, 2, 0, (0, 0), "black"))
    half = SMOOTH.crop((16, 16, 48, 48)).resize((64, 64), Image.Resampling.BICUBIC)

    assert np.abs(array(half) - found)[4:-4, 4:-4].max() <= 2
    assert np.abs(array(moved(SMOOTH, 0.5, 0, (0, 0), "black")))[:8].max() == 0


@given(
    st.floats(0.5, 2), st.floats(-180, 180), st.floats(-24, 24), st.floats(-16, 16),
    st.sampled_from(["wrap", "mirror", "stretch"]),
)  # fmt: skip
def test_every_move_is_the_one_that_is_written_out(zoom: float, angle: float, x: float, y: float, edges: Edges) -> None:
    """A plane of colour stays a plane: each pixel shows the place that the inverse of the move sends it to."""
    width, height = 40, 30
    plane = np.add.outer(np.arange(30) * 1.0, np.arange(40) * 2.0) + 60
    image = Image.fromarray(np.repeat(plane[..., None], 3, -1).astype(np.uint8))
    found = array(moved(image, zoom, angle, (x, y), edges))[..., 0]
    turn = math.radians(angle)
    for v, u in ((15, 20), (12, 24), (18, 15)):
        du, dv = (u + 0.5 - width / 2) / zoom, (v + 0.5 - height / 2) / zoom
        px = math.cos(turn) * du - math.sin(turn) * dv + width / 2 - x - 0.5
        py = math.sin(turn) * du + math.cos(turn) * dv + height / 2 - y - 0.5
        if 2 < px < width - 3 and 2 < py < height - 3:
            assert py + 2 * px + 60 == pytest.approx(found[v, u], abs=1.5)
