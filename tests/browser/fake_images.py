"""Images of the fake bot: a landscape per seed that emerges from noise."""

from __future__ import annotations

import colorsys
import io
import random

from PIL import Image, ImageDraw, ImageFilter


def paint(seed: int, clarity: float = 1.0, size: int = 256) -> bytes:
    """One PNG of *size* × *size*; *clarity* goes from 0 (noise) to 1 (finished)."""
    picture = _landscape(seed, 128).resize((size, size), Image.Resampling.BICUBIC)
    if clarity < 1:
        noise = Image.effect_noise((32, 32), 90).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        soft = picture.filter(ImageFilter.GaussianBlur((1 - clarity) * size / 12))
        picture = Image.blend(noise, soft, clarity)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _landscape(seed: int, size: int) -> Image.Image:
    """A sky, a sun and three rows of hills in related colours."""
    chance = random.Random(seed)
    hue = chance.random()
    picture = Image.new("RGB", (size, size))
    draw = ImageDraw.Draw(picture)
    for y in range(size):
        draw.line([(0, y), (size, y)], fill=_colour(hue + 0.12 * y / size, 0.55, 0.45 + 0.5 * y / size))
    x, y, radius = chance.randint(30, 98), chance.randint(25, 60), chance.randint(10, 20)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=_colour(hue + 0.5, 0.35, 1.0))
    for row in range(3):
        _hills(draw, chance, size, 60 + 22 * row, _colour(hue + 0.55 + 0.04 * row, 0.5, 0.55 - 0.17 * row))
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def _hills(
    draw: ImageDraw.ImageDraw, chance: random.Random, size: int, height: int, fill: tuple[int, int, int]
) -> None:
    tops = [(x, height + chance.randint(-12, 12)) for x in range(-16, size + 33, 16)]
    draw.polygon([*tops, (size, size), (0, size)], fill=fill)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, min(value, 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)
