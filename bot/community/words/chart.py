"""Draws how well texts fit a picture: the picture, and for each text its shares as bars. Blocks; call it in a thread.

The chart has its own dark ground, so it looks the same in light and dark themes. A phone shows it about 300 pixels
wide, half its size.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from bot.community.words.explain import Explanation, TextFit
from engine.images.lettering import draw_line, fitting
from engine.images.opening import open_own
from engine.images.pictures import to_png, within

WIDTH = 640
GROUND, PANEL, INK, SOFT = (30, 31, 34), (43, 45, 49), (240, 240, 242), (176, 179, 186)
GOLD, BLUE = (240, 181, 65), (96, 150, 214)
MARGIN, TEXT, SMALL, BAR = 28, 30, 24, 20
PREVIEW = 240
ROW = TEXT + 2 * (BAR + 16) + SMALL + 30
"""Pixels of one text's rows."""


def explanation_chart(png: bytes, explanation: Explanation, *, pulls: bool) -> bytes:
    """The chart as PNG; *pulls*: with the bars of the pulls."""
    picture = within(open_own(png), PREVIEW)
    row = ROW if pulls else ROW - BAR - 16
    top = MARGIN + picture.height + MARGIN
    sheet = Image.new("RGB", (WIDTH, top + row * len(explanation.fits) + MARGIN), GROUND)
    sheet.paste(picture.convert("RGB"), (MARGIN, MARGIN))
    _legend(ImageDraw.Draw(sheet), MARGIN + picture.width + MARGIN, explanation.perceptor, pulls=pulls)
    for number, fit in enumerate(explanation.fits):
        _row(ImageDraw.Draw(sheet), top + number * row, number + 1, fit, pulls=pulls)
    return to_png(sheet)


def _legend(draw: ImageDraw.ImageDraw, left: int, perceptor: str, *, pulls: bool) -> None:
    lines = [(GOLD, "share of the softmax")] + ([(BLUE, "share of the pull")] if pulls else [])
    draw_line(draw, (left, MARGIN), fitting(perceptor, TEXT, WIDTH - left - MARGIN), TEXT, INK)
    for number, (colour, words) in enumerate(lines, 1):
        y = MARGIN + number * (TEXT + 16)
        draw.rectangle((left, y + 6, left + BAR, y + 6 + BAR), colour)
        draw_line(draw, (left + BAR + 12, y), words, SMALL, SOFT)


def _row(draw: ImageDraw.ImageDraw, top: int, number: int, fit: TextFit, *, pulls: bool) -> None:
    draw_line(draw, (MARGIN, top), str(number), TEXT, INK)
    draw_line(draw, (MARGIN + 40, top), fitting(fit.text, TEXT, WIDTH - 2 * MARGIN - 40, f"Text {number}"), TEXT, INK)
    y = top + TEXT + 14
    _bar(draw, y, fit.share, GOLD)
    if pulls:
        y += BAR + 16
        _bar(draw, y, fit.pull, BLUE)
    weight = "" if fit.weight == 1 else f" · weight {fit.weight:g}"
    draw_line(draw, (MARGIN, y + BAR + 8), f"cosine {fit.cosine:.3f}{weight}", SMALL, SOFT)


def _bar(draw: ImageDraw.ImageDraw, y: int, share: float, colour: tuple[int, int, int]) -> None:
    right = WIDTH - MARGIN - 90
    draw.rounded_rectangle((MARGIN, y, right, y + BAR), BAR // 2, PANEL)
    if (length := round((right - MARGIN) * share)) > 3:
        draw.rounded_rectangle((MARGIN, y, MARGIN + length, y + BAR), min(BAR, length) // 2, colour)
    draw_line(draw, (WIDTH - MARGIN, y - 4), f"{share:.0%}", SMALL, INK, "ra")
