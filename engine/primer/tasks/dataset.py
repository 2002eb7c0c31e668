"""Captioned pictures by the hundred thousand, as arrays.

Picture `i` depends on `(seed, i)` only: not on how many are drawn, nor on how many workers draw them.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.primer.captions.captions import caption_pair
from engine.primer.painter.looks import MOST_COUNT, MOST_SPOTS, MOST_THINGS, spot_array, thing_array
from engine.primer.painter.painter import compose
from engine.primer.painter.scenes import COLOURS, KINDS, Domain, Scene, sample_scene
from engine.primer.painter.styles import apply_style
from engine.primer.vocabulary import CONTEXT, tokenise

_CHUNK = 250
_PLAY: dict[Domain, float] = {"tidy": 0.15}
"""How freely sizes, spots and shades vary between pictures of one scene."""
_SPOTS, _THINGS = (MOST_SPOTS, 6), (MOST_THINGS, 3 + 3 * MOST_COUNT)
_KIND = {kind: i for i, kind in enumerate(KINDS)}
_COLOUR = {colour: i for i, colour in enumerate(COLOURS)}


@dataclass(frozen=True)
class Rendered:
    """`count` pictures; row i of every array belongs to picture i."""

    images: NDArray[np.uint8]
    """[N, size, size, 3]"""
    tokens: NDArray[np.int16]
    """[N, 24], the captions"""
    negatives: NDArray[np.int16]
    """[N, 24], the hard negatives"""
    captions: list[str]
    labels: NDArray[np.int16]
    """[N], the index into `scenes.KINDS` where the picture shows a single thing, else -1"""
    colours: NDArray[np.int16]
    """[N], the index into `scenes.COLOURS` of that thing's colour, else -1 (always -1 in ink)"""
    spots: NDArray[np.float32]
    """[N, 6, 6], see `looks.spot_array`"""
    things: NDArray[np.float32]
    """[N, 3, 18], see `looks.thing_array`"""
    large: NDArray[np.uint8] | None = None
    """[N, large, large, 3], the same pictures at a second size, if asked for"""


def render(
    count: int, seed: int, size: int = 64, domain: Domain = "full", workers: int | None = None, first: int = 0
) -> Rendered:
    """Paint pictures `first` to `first + count` of the endless series `seed`, with `workers` processes.

    Without `workers`, one for each core. They are forked where the system can: call it before a GPU context exists if
    possible.
    """
    return _render(count, seed, (size,), domain, workers, first)


def render_pair(
    count: int,
    seed: int,
    size: int = 64,
    large: int = 256,
    domain: Domain = "full",
    workers: int | None = None,
    first: int = 0,
) -> Rendered:
    """Like `render`, with every picture at `large` too: what an upscaler learns from."""
    return _render(count, seed, (size, large), domain, workers, first)


def scene_at(seed: int, index: int, domain: Domain = "full") -> Scene:
    """Return the scene of picture `index` of the series `seed`."""
    return sample_scene(np.random.default_rng([seed, index]), domain)


def _render(count: int, seed: int, sizes: tuple[int, ...], domain: Domain, workers: int | None, first: int) -> Rendered:
    images = [np.empty((count, size, size, 3), np.uint8) for size in sizes]
    tokens = np.zeros((2, count, CONTEXT), np.int16)
    labels = np.full((2, count), -1, np.int16)
    spots, things = np.zeros((count, *_SPOTS), np.float32), np.zeros((count, *_THINGS), np.float32)
    captions: list[str] = []
    for part in _chunks(count, seed, sizes, domain, workers, first):
        rows = slice(len(captions), len(captions) + len(part.captions))
        for whole, piece in zip(images, part.images, strict=True):
            whole[rows] = piece
        tokens[:, rows], labels[:, rows] = part.tokens, part.labels
        spots[rows], things[rows] = part.spots, part.things
        captions += part.captions
    large = images[1] if len(images) > 1 else None
    return Rendered(images[0], tokens[0], tokens[1], captions, labels[0], labels[1], spots, things, large)


@dataclass(frozen=True)
class _Part:
    images: list[NDArray[np.uint8]]
    tokens: NDArray[np.int16]
    labels: NDArray[np.int16]
    spots: NDArray[np.float32]
    things: NDArray[np.float32]
    captions: list[str]


def _chunks(
    count: int, seed: int, sizes: tuple[int, ...], domain: Domain, workers: int | None, first: int
) -> Iterator[_Part]:
    """Yield the parts in order, drawn here or by a pool."""
    spans = [(first + start, first + min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    draw = partial(_draw, seed=seed, sizes=sizes, domain=domain)
    workers = min(workers or os.cpu_count() or 1, len(spans))
    if workers <= 1:
        yield from map(draw, spans)
        return
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    with multiprocessing.get_context(method).Pool(workers) as pool:
        yield from pool.imap(draw, spans)


def _draw(span: tuple[int, int], seed: int, sizes: tuple[int, ...], domain: Domain) -> _Part:
    """Draw the pictures of one span; runs in a worker."""
    count = span[1] - span[0]
    images = [np.empty((count, size, size, 3), np.uint8) for size in sizes]
    tokens = np.zeros((2, count, CONTEXT), np.int16)
    labels = np.full((2, count), -1, np.int16)
    spots, things = np.zeros((count, *_SPOTS), np.float32), np.zeros((count, *_THINGS), np.float32)
    captions = []
    for row, index in enumerate(range(*span)):
        rng = np.random.default_rng([seed, index])
        scene = sample_scene(rng, domain)
        right, wrong = caption_pair(scene, rng)
        captions.append(right)
        tokens[0, row], tokens[1, row] = tokenise(right), tokenise(wrong)
        labels[:, row] = _label(scene)
        picture_seed = int(rng.integers(1 << 31))
        for size, array in zip(sizes, images, strict=True):
            picture, places = compose(scene, size, picture_seed, _PLAY.get(domain, 1.0))
            array[row] = np.asarray(apply_style(picture, scene.style, picture_seed))
            spots[row], things[row] = spot_array(places), thing_array(scene, places, tokens[0, row].tolist())
    return _Part(images, tokens, labels, spots, things, captions)


def _label(scene: Scene) -> tuple[int, int]:
    if len(scene.things) != 1 or scene.things[0].count != 1:
        return (-1, -1)
    thing = scene.things[0]
    return (_KIND[thing.kind], -1 if scene.style == "ink" else _COLOUR.get(thing.colour, -1))
