"""Every noun is on a page, with its drawing; every shipped style that the small model paints has its picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from bot.community.styles.starters import PAINTED
from bot.pictures import help_sheets
from bot.pictures.help_sheets import PAGE, _drawing, nouns_of, style_picture, style_sheet, word_sheet
from engine.primer.vocabulary import GROUPS, NOUNS


def test_every_noun_is_on_a_page() -> None:
    shown = [name for group in GROUPS for page in range(nouns_of(group, 0)[1]) for name in nouns_of(group, page)[0]]
    assert sorted(NOUNS) == sorted(shown)
    assert all(len(nouns_of(group, 0)[0]) <= PAGE for group in GROUPS)


def test_a_page_beyond_the_last_is_the_last() -> None:
    pages = nouns_of("food", 0)[1]
    assert nouns_of("food", pages - 1) == nouns_of("food", 99)


def test_every_noun_has_a_drawing() -> None:
    assert all(np.asarray(_drawing(name)).std() > 3 for name in NOUNS)


def test_a_sheet_is_a_picture() -> None:
    names, _ = nouns_of("nature", 0)
    with Image.open(io.BytesIO(word_sheet(names))) as image:
        assert image.width > 600


def test_every_style_that_is_painted_here_has_its_picture() -> None:
    with Image.open(Path(help_sheets.__file__).with_name("styles.webp")) as row:
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
