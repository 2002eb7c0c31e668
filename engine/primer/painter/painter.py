"""Paints a scene: procedural pictures in flat colours, drawn three times too large and averaged down."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engine.primer.painter import places, skies
from engine.primer.painter.icons import icon
from engine.primer.painter.layout import Spot, arrange
from engine.primer.painter.palette import MAIN, SKY, Tones, mix, tones, under_light, vary
from engine.primer.painter.parts import PARTS
from engine.primer.painter.pen import Pen
from engine.primer.painter.scenes import SHAPES, SUBMERGED, Scene
from engine.primer.painter.styles import apply_style
from engine.primer.vocabulary import NOUNS

_OVERSAMPLING = 3
_TINT = {"morning": 0.04, "sunset": 0.08, "night": 0.14, "fog": 0.14}
"""How much of the sky's colour falls on the things."""


class _Restrained(random.Random):
    """Draws from the middle of each range only: `play` is the share of the range that is left."""

    def __init__(self, seed: int, play: float) -> None:
        super().__init__(seed)
        self._play = play

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2 + (self.random() - 0.5) * (b - a) * self._play


def paint(scene: Scene, size: int, seed: int, play: float = 1.0) -> NDArray[np.uint8]:
    """Return the scene as uint8 [size, size, 3]. The same seed gives the same composition at every size.

    *play* in [0, 1]: how freely sizes, spots and shades vary between seeds.
    """
    picture = paint_plain(scene, size, seed, play)
    return np.asarray(picture if scene.style == "plain" else apply_style(picture, scene.style, seed))


def paint_plain(scene: Scene, size: int, seed: int, play: float = 1.0) -> Image.Image:
    """Return the scene before its style is applied."""
    return compose(scene, size, seed, play)[0]


def compose(scene: Scene, size: int, seed: int, play: float = 1.0) -> tuple[Image.Image, list[Spot]]:
    """Return the scene before its style is applied, and where its things are, back to front."""
    rng = random.Random(seed) if play == 1 else _Restrained(seed, play)
    side = size * _OVERSAMPLING
    ground = places.horizon(scene, rng)
    canvas = _background(scene, side, rng, ground)
    pen = Pen(ImageDraw.Draw(canvas), 0, 0, side)
    if scene.place or scene.extras:
        skies.fill_sky(pen, scene, rng, ground)
        places.lay_ground(pen, scene, rng, ground)
    spots = arrange(scene, rng, ground)
    for spot in spots:
        _thing(canvas, pen, side, spot, scene, rng)
    return canvas.reduce(_OVERSAMPLING), spots


def _background(scene: Scene, side: int, rng: random.Random, ground: float) -> Image.Image:
    if scene.place:
        return skies.gradient(side, skies.sky_stops(scene, rng), ground)
    stops = tuple(vary(MAIN[colour], rng) for colour in scene.background)
    if len(stops) == 1:
        return Image.new("RGB", (side, side), stops[0])
    return skies.gradient(side, stops)


def _thing(canvas: Image.Image, pen: Pen, side: int, spot: Spot, scene: Scene, rng: random.Random) -> None:
    colour = _tinted(tones(spot.colour, rng), scene) if spot.colour else None
    swims = scene.place == "sea" and spot.grounded
    if spot.grounded and scene.place and not swims and spot.kind not in SHAPES:
        shade = mix(under_light(_GROUND_SHADE.get(scene.place, (70, 70, 80)), scene.time), (20, 20, 40), 0.15)
        pen.ellipse(spot.x, spot.foot - 0.005, spot.reach * 0.8, spot.reach * 0.11, shade)
    if spot.kind in NOUNS:
        tint = (SKY[scene.time][0], _TINT[scene.time]) if colour is None and _tint(scene) else None
        image = icon(spot.kind, spot.look, round(2 * spot.reach * side), colour, tint)
        canvas.paste(image, (round((spot.x - spot.reach) * side), round((spot.y - spot.reach) * side)), image)
    elif colour is not None:
        draw = ImageDraw.Draw(canvas)
        PARTS[spot.kind](Pen(draw, spot.x * side, spot.y * side, spot.reach * side, spot.facing), colour)
    if swims and spot.kind not in SUBMERGED:
        places.lap(pen, rng, spot.x, spot.foot - spot.reach * 0.12, spot.reach * 0.8, scene.time)


_GROUND_SHADE = {
    "meadow": (64, 132, 62), "beach": (196, 168, 112), "snow": (190, 204, 226), "desert": (186, 138, 80),
    "forest": (44, 84, 50), "mountain": (72, 118, 62), "city": (78, 82, 94),
}  # fmt: skip


def _tinted(colour: Tones, scene: Scene) -> Tones:
    share = _tint(scene)
    if not share:
        return colour
    main, dark, light = (mix(tone, SKY[scene.time][0], share) for tone in colour[:3])
    return Tones(main, dark, light, colour.name)


def _tint(scene: Scene) -> float:
    return _TINT.get(scene.time, 0.0) if scene.place not in ("", "space") else 0.0
