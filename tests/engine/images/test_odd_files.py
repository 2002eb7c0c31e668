"""Files that other programs write, which Pillow reads wrong or ends with an odd exception."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from engine.errors import UnreadablePicture
from engine.images.foreign import clean
from engine.images.opening import open_mask, open_own
from tests.engine.images.hostile import chunk, saved

CLEAR, OPAQUE = 0, 255


def png(depth: int, colour: int, row: bytes, width: int, *chunks: bytes) -> bytes:
    """A PNG of one row; *colour*: 0 (grey), 2 (RGB), 3 (palette)."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def transparent(*levels: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(levels)}H", *levels))


TRANSPARENT = {
    "1 bit": (png(1, 0, b"\x80", 2, transparent(0)), [OPAQUE, CLEAR]),
    "2 bits": (png(2, 0, b"\x1b", 4, transparent(2)), [OPAQUE, OPAQUE, CLEAR, OPAQUE]),
    "4 bits": (png(4, 0, b"\x3f", 2, transparent(3)), [CLEAR, OPAQUE]),
    "8 bits": (png(8, 0, b"\x03\x11", 2, transparent(3)), [CLEAR, OPAQUE]),
    "16 bits": (png(16, 0, struct.pack(">3H", 0, 0x8000, 0xFFFF), 3, transparent(0x8000)), [OPAQUE, CLEAR, OPAQUE]),
    "16 bits of colour": (
        png(16, 2, struct.pack(">6H", 0x8000, 0x4000, 0, 0xFFFF, 0, 0), 2, transparent(0x8000, 0x4000, 0)),
        [CLEAR, OPAQUE],
    ),
    "a palette": (
        png(2, 3, b"\x1b", 4, chunk(b"PLTE", bytes(range(12))), chunk(b"tRNS", b"\xff\0")),
        [OPAQUE, CLEAR, OPAQUE, OPAQUE],
    ),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_the_transparent_level_of_a_png_is_that_of_its_depth(name: str) -> None:
    data, alpha = TRANSPARENT[name]
    sent, holes = Image.open(io.BytesIO(clean(data, 100, alpha=True)[1])), 255 - np.asarray(open_mask(data))

    assert alpha == list(open_own(data, alpha=True).getchannel("A").tobytes())
    assert alpha == list(sent.getchannel("A").tobytes())
    assert alpha == holes.ravel().tolist()


def test_a_palette_that_is_missing_is_said() -> None:
    with pytest.raises(UnreadablePicture, match="broken or incomplete"):
        open_own(png(2, 3, b"\x1b", 4))


def test_an_avif_without_its_item_is_said() -> None:
    data = saved(Image.new("RGB", (16, 16)), "AVIF").replace(b"av01", b"none")
    with pytest.raises(UnreadablePicture, match="broken"):
        open_own(data)
