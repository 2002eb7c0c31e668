"""Every shipped style that the small model paints has its picture, beside the one without a style."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageChops

import bot.pictures.style_sheet
from bot.community.styles.starters import PAINTED
from bot.pictures.style_sheet import style_picture, style_sheet


def test_every_style_that_is_painted_here_has_its_picture() -> None:
    with Image.open(Path(bot.pictures.style_sheet.__file__).with_name("styles.webp")) as row:
        assert row.width == row.height * (1 + len(PAINTED))
        tiles = [
            row.convert("RGB").crop((place * row.height, 0, (place + 1) * row.height, row.height))
            for place in range(1 + len(PAINTED))
        ]
    for tile in tiles[1:]:  # and it looks different
        difference = ImageChops.difference(tiles[0], tile).convert("L")
        assert sum(difference.histogram()[32:]) > 0.1 * tile.width * tile.height


def test_sheets_are_pictures() -> None:
    pair = Image.open(io.BytesIO(style_picture(len(PAINTED) - 1, PAINTED[-1].name)))
    everything = Image.open(io.BytesIO(style_sheet([style.name for style in PAINTED])))

    assert pair.width > pair.height
    assert everything.width * everything.height > pair.width * pair.height
