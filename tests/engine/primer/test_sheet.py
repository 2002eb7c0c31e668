"""Contact sheets."""

from __future__ import annotations

import numpy as np

from engine.primer.painter.sheet import contact_sheet


def test_pictures_stand_in_rows_with_white_lines_between() -> None:
    pictures = np.stack([np.full((8, 6, 3), shade, np.uint8) for shade in (10, 20, 30)])
    sheet = np.asarray(contact_sheet(pictures, columns=2))
    assert (22, 18, 3) == sheet.shape
    assert [10, 20, 30] == [int(sheet[y, x, 0]) for y, x in ((2, 2), (2, 10), (12, 2))]
    assert 255 == sheet[0].min() == sheet[:, 8:10].min() == sheet[12:20, 10:16].min()


def test_zoom_repeats_pixels() -> None:
    assert (30, 36) == contact_sheet(np.zeros((1, 8, 6, 3), np.uint8), 1, zoom=3).size
