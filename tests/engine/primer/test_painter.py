"""Pictures show what their scenes say, where they say it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint
from engine.primer.painter.palette import MAIN
from engine.primer.painter.scenes import COLOURS, NATURAL_COLOUR, PLACES, TIMES, VECTOR_KINDS, Scene, Thing
from engine.primer.tasks.dataset import scene_at


def _nearest(colour: NDArray[np.float64]) -> str:
    """The name of the palette colour nearest to an RGB triple."""
    return min(MAIN, key=lambda name: float(np.abs(np.subtract(MAIN[name], colour)).sum()))


def _mean(picture: NDArray[np.uint8], rows: slice, columns: slice) -> str:
    return _nearest(picture[rows, columns].reshape(-1, 3).mean(axis=0))


def _share(picture: NDArray[np.uint8], colour: str) -> float:
    """How much of a picture is near a named colour."""
    return float((np.abs(picture.astype(int) - MAIN[colour]).sum(axis=2) < 60).mean())


def test_a_red_circle_on_blue_is_red_in_the_middle_and_blue_at_the_rim() -> None:
    scene = parse_scene("a red circle on a blue background")
    for seed in range(20):
        picture = paint(scene, 64, seed)
        assert "red" == _mean(picture, slice(26, 38), slice(26, 38))
        assert {"blue"} == {_mean(picture, rows, slice(0, 64)) for rows in (slice(0, 2), slice(62, 64))}


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_looks_like_itself(colour: str) -> None:
    other = "white" if colour != "white" else "black"
    picture = paint(Scene((Thing("square", colour),), background=(other,)), 64, 3)
    assert colour == _mean(picture, slice(28, 36), slice(28, 36))
    assert other == _mean(picture, slice(0, 2), slice(0, 2))


@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_every_kind_is_seen_in_its_colour_and_of_a_good_size(kind: str) -> None:
    picture = paint(Scene((Thing(kind, "purple"),), background=("yellow",)), 64, 1)
    assert 0.04 < _share(picture, "purple") < 0.7
    changed = np.abs(picture.astype(int) - picture[0, 0]).sum(axis=2) > 60
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert 0.42 < max(np.ptp(rows), np.ptp(columns)) / 64 < 0.85


def test_no_two_kinds_look_alike() -> None:
    pictures = [paint(Scene((Thing(kind, "red"),), background=("white",)), 64, 1).astype(int) for kind in VECTOR_KINDS]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert np.abs(one - other).mean() > 5


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("time", TIMES)
def test_every_place_can_be_painted_at_every_time(place: str, time: str) -> None:
    extras = ("sun", "cloud", "mountain", "starry")
    picture = paint(Scene((Thing("owl", "brown"),), place=place, time=time, extras=extras), 64, 2)
    assert (64, 64, 3) == picture.shape
    assert np.uint8 == picture.dtype
    assert picture.std() > 10


def test_left_is_left_and_above_is_above() -> None:
    pair = paint(parse_scene("a red circle left of a green square on white"), 64, 5)
    assert _share(pair[:, :32], "red") > 0.15 > 0.01 > _share(pair[:, 32:], "red")
    assert _share(pair[:, 32:], "green") > 0.15 > 0.01 > _share(pair[:, :32], "green")
    pair = paint(parse_scene("a red circle above a green square on white"), 64, 5)
    assert _share(pair[:32], "red") > 0.15 > 0.01 > _share(pair[32:], "red")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_as_many_things_as_were_asked_for(count: int) -> None:
    picture = paint(Scene((Thing("square", "red", count),), background=("white",)), 96, 4)
    red = np.abs(picture.astype(int) - MAIN["red"]).sum(axis=2) < 90
    assert count == _islands(red)


def _islands(mask: NDArray[np.bool_]) -> int:
    """The number of connected regions, by flooding each from its first pixel."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    islands = 0
    while left:
        islands += 1
        shore = [left.pop()]
        while shore:
            y, x = shore.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            shore += near
    return islands


def test_night_is_darker_than_day() -> None:
    for place in PLACES:
        if place != "space":
            dark, light = (paint(Scene(place=place, time=time), 64, 1).mean() for time in ("night", "day"))
            assert dark < light - 40


def test_the_same_seed_paints_the_same_picture_and_another_seed_another() -> None:
    scene = scene_at(1, 2)
    assert np.array_equal(paint(scene, 64, 9), paint(scene, 64, 9))
    assert not np.array_equal(paint(scene, 64, 9), paint(scene, 64, 10))


def test_a_large_picture_is_the_small_one_in_detail() -> None:
    for i in range(12):
        scene = scene_at(4, i, "narrow")
        small, large = paint(scene, 64, i).astype(float), paint(scene, 256, i).astype(float)
        reduced = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
        assert np.abs(reduced - small).mean() < 6


def test_everything_has_a_natural_colour() -> None:
    assert set(VECTOR_KINDS) == set(NATURAL_COLOUR)
