"""Contact sheets: many pictures on one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GAP = 2


def contact_sheet(images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]], columns: int, zoom: int = 1) -> Image.Image:
    """Return the pictures (each uint8 [H, W, 3], all of one size) in rows of `columns`, white lines between them.

    `zoom` repeats every pixel that many times each way.
    """
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    picture = Image.fromarray(sheet)
    return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
