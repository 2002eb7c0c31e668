"""What people attach as masks, and what is made of it."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.errors import Refused
from bot.pictures.mask import SIDE, make_mask
from engine.images.decoder import CleanPicture
from engine.images.foreign import clean
from engine.images.pictures import to_png


def png(image: Image.Image) -> CleanPicture:
    """As the decoder gives a mask back: its alpha is kept."""
    facts, data = clean(to_png(image), 2**21, alpha=True)
    return CleanPicture(data, (facts["width"], facts["height"]))  # type: ignore[arg-type]


def half(mode: str, left: object, right: object, size: tuple[int, int] = (64, 48)) -> Image.Image:
    image = Image.new(mode, size, right)  # type: ignore[arg-type]
    image.paste(left, (0, 0, size[0] // 2, size[1]))  # type: ignore[arg-type]
    return image


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("L")


PICTURE = png(Image.new("RGB", (64, 48), "orange"))


async def test_white_is_painted_and_black_stays() -> None:
    mask = await make_mask(png(half("L", 255, 0)), PICTURE)

    assert ((64, 48), 255, 0, "") == (
        opened(mask.png).size,
        opened(mask.png).getpixel((1, 1)),
        opened(mask.png).getpixel((60, 1)),
        mask.note,
    )


async def test_where_a_mask_has_holes_the_holes_are_painted_whatever_their_colour() -> None:
    mask = await make_mask(png(half("RGBA", (0, 0, 0, 0), (255, 255, 255, 255))), PICTURE)

    assert [255, 0] == [opened(mask.png).getpixel(at) for at in ((1, 1), (60, 1))]


async def test_an_alpha_channel_without_a_hole_says_nothing() -> None:
    mask = await make_mask(png(half("RGBA", (0, 0, 0, 255), (255, 255, 255, 255))), PICTURE)

    assert [0, 255] == [opened(mask.png).getpixel(at) for at in ((1, 1), (60, 1))]


async def test_another_size_is_stretched_over_the_picture_and_said() -> None:
    mask = await make_mask(png(half("L", 255, 0, (30, 30))), PICTURE)

    assert (64, 48) == opened(mask.png).size
    assert "The mask was stretched from 30×30 to the picture's 64×48." == mask.note


async def test_a_large_mask_keeps_its_shape_and_no_more_pixels_than_are_of_use() -> None:
    large = png(Image.new("L", (4000, 1000), 255))

    mask = await make_mask(large, large)

    assert ((SIDE, SIDE // 4), "") == (opened(mask.png).size, mask.note)


async def test_a_mask_that_paints_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="completely black"):
        await make_mask(png(Image.new("RGB", (64, 48))), PICTURE)
