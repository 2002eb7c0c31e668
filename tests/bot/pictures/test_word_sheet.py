"""Every noun is on a page, with its drawing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from bot.pictures.word_sheet import PAGE, _drawing, nouns_of, word_sheet
from engine.primer.things import GROUPS, NOUNS


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
