"""Styles are filters over any picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint_plain
from engine.primer.painter.scenes import STYLES
from engine.primer.painter.styles import apply_style

_OWL = paint_plain(parse_scene("a red owl in a meadow with a sun"), 96, 1)


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_picture(style: str) -> None:
    assert apply_style(_OWL, style, 7).tobytes() == apply_style(_OWL, style, 7).tobytes()


@pytest.mark.parametrize("style", STYLES[1:])
@pytest.mark.parametrize("size", [(64, 64), (40, 96), (256, 128), (17, 33)])
def test_any_picture_of_any_size_can_be_styled(style: str, size: tuple[int, int]) -> None:
    styled = apply_style(_OWL.resize(size), style, 1)
    assert size == styled.size
    assert "RGB" == styled.mode
    assert np.abs(np.asarray(styled, float) - np.asarray(_OWL.resize(size), float)).mean() > 4


def test_plain_changes_nothing() -> None:
    assert _OWL is apply_style(_OWL, "plain", 1)


def test_pixel_art_has_few_colours_in_large_cells() -> None:
    picture = np.asarray(apply_style(_OWL, "pixel", 1))
    assert 12 >= len(np.unique(picture.reshape(-1, 3), axis=0))
    cells = picture.reshape(16, 6, 16, 6, 3)
    assert (cells == cells[:, :1, :, :1]).all()


def test_ink_has_no_colour_and_neon_is_dark() -> None:
    ink, neon = (np.asarray(apply_style(_OWL, style, 1), int) for style in ("ink", "neon"))
    assert np.ptp(ink, axis=2).max() < 30
    assert ink.mean() > 150
    assert neon.mean() < 100 < 200 < neon.max()


def test_watercolour_leaves_the_rim_bare_and_keeps_the_colours() -> None:
    flat = Image.new("RGB", (64, 64), (220, 40, 40))
    picture = np.asarray(apply_style(flat, "watercolour", 3), float)
    assert picture[0].mean() > 235
    red, green, blue = picture[16:48, 16:48].reshape(-1, 3).mean(axis=0)
    assert red > 190 > 110 > max(green, blue)
