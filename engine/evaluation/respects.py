"""Evaluates single aspects of a prompt: two things with a colour each, counts, positions, small things.

The classifier judges whole pictures or halves. The lattice figure needs no judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from engine.evaluation.figures import Mean, Share, mean
from engine.evaluation.prompts import HELD_OUT_SERIES, Judges, Question
from engine.primer.captions.captions import describe
from engine.primer.painter.scenes import COLOURS, Scene
from engine.primer.tasks.classifier import BOTTOM, LEFT, RIGHT, TOP
from engine.primer.tasks.dataset import scene_at

_SIDES = {"left": (LEFT, RIGHT), "right": (RIGHT, LEFT), "top": (TOP, BOTTOM), "bottom": (BOTTOM, TOP)}
_PAIRED = {"left of": (LEFT, RIGHT), "right of": (RIGHT, LEFT), "above": (TOP, BOTTOM), "below": (BOTTOM, TOP)}
_STRONG = 48
"""Difference of neighbouring pixels, of 255, that counts as an edge."""


def _is_single(scene: Scene) -> bool:
    return len(scene.things) == 1 and scene.things[0].count == 1


def _is_coloured_pair(scene: Scene) -> bool:
    sideways = scene.relation in (*_PAIRED, "beside")
    return len(scene.things) == 2 and sideways and all(t.colour and t.size == "medium" for t in scene.things)


RESPECTS: Mapping[str, Callable[[Scene], bool]] = {
    "small": lambda scene: _is_single(scene) and scene.things[0].size == "small",
    "position": lambda scene: _is_single(scene) and scene.things[0].position != "middle",
    "count": lambda scene: len(scene.things) == 1 and scene.things[0].count in (2, 3),
    "pair": _is_coloured_pair,
}


def asked_about(respect: str, count: int) -> list[Question]:
    """Return *count* questions whose captions tell everything, of held-out plain scenes that have the respect."""
    return list(_found(RESPECTS[respect], count))


def _found(fits: Callable[[Scene], bool], count: int) -> Iterator[Question]:
    index = 0
    while count:
        scene = scene_at(HELD_OUT_SERIES + 1, index, "held")
        if scene.style == "plain" and fits(scene):
            yield Question(describe(scene), scene, index, scene.things[0].kind)
            count -= 1
        index += 1


def judged(respect: str, asked: Sequence[Question], images: Sequence[Image.Image], judges: Judges) -> Share:
    right = {"small": _named, "position": _positions, "count": _counts, "pair": _pairs}[respect]
    return Share(sum(right(asked, images, judges)), len(asked))


def _named(asked: Sequence[Question], images: Sequence[Image.Image], judges: Judges) -> list[bool]:
    return judges.is_named(judges.answers(images), [question.kind for question in asked])


def _positions(asked: Sequence[Question], images: Sequence[Image.Image], judges: Judges) -> list[bool]:
    """Right where the half that was told names the kind with more certainty than the other half."""
    right = []
    for question, image in zip(asked, images, strict=True):
        here, there = (
            _certainty(judges, image, part, question.kind) for part in _SIDES[question.scene.things[0].position]
        )
        right.append(here > there)
    return right


def _certainty(judges: Judges, image: Image.Image, part: int, kind: str) -> float:
    return float(judges.answers([image], part).kinds.softmax(dim=1)[0, judges.classes.index(kind)])


def _counts(asked: Sequence[Question], images: Sequence[Image.Image], judges: Judges) -> list[bool]:
    found = judges.answers(images).counts.argmax(dim=1) + 1
    return [int(n) == question.scene.things[0].count for n, question in zip(found, asked, strict=True)]


def _pairs(asked: Sequence[Question], images: Sequence[Image.Image], judges: Judges) -> list[bool]:
    """Right where each half shows one kind in its colour; "beside" leaves open which half."""
    right = []
    for question, image in zip(asked, images, strict=True):
        first, second = ((t.kind, t.colour) for t in question.scene.things)
        parts = _PAIRED.get(question.scene.relation, (LEFT, RIGHT))
        seen = [_seen(judges, image, part) for part in parts]
        orders = [[first, second]] + ([[second, first]] if question.scene.relation == "beside" else [])
        right.append(seen in orders)
    return right


def _seen(judges: Judges, image: Image.Image, part: int) -> tuple[str, str]:
    """Return the kind in a half, and the likeliest of the named colours: the captions name one for each thing."""
    answers = judges.answers([image], part)
    return judges.classes[int(answers.kinds.argmax())], COLOURS[int(answers.colours[:, : len(COLOURS)].argmax())]


def lattice_share(image: Image.Image, scale: int) -> Share:
    """Return how many strong colour steps of an enlarged picture lie between two pixels of the small one.

    Of steps that lie anywhere, 1 / *scale* would.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.int16)
    hits = total = 0
    for axis in (0, 1):
        steps = np.abs(np.diff(pixels, axis=axis)).max(axis=2) >= _STRONG
        along = steps.sum(axis=1 - axis)
        hits += int(along[scale - 1 :: scale].sum())
        total += int(along.sum())
    return Share(hits, total)


def roundness(image: Image.Image) -> float:
    """Return how far the rim of a red disc on blue is from the circle that fits it best, rms in pixels.

    The rim is where red minus blue changes its sign, found between pixels by linear interpolation; the fit is that of
    Kåsa (1976). Not a number for a picture without a rim.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.float64)
    warm = pixels[..., 0] - pixels[..., 2]
    rim = np.concatenate([_crossings(warm), _crossings(warm.T)[:, ::-1]])
    if len(rim) < 3:
        return float("nan")
    x, y = rim.T
    matrix = np.stack([x, y, np.ones(len(rim))], axis=1)
    (a, b, c), *_ = np.linalg.lstsq(matrix, x**2 + y**2, rcond=None)
    radius = np.sqrt(c + (a**2 + b**2) / 4)
    return float(np.sqrt(np.mean((np.hypot(x - a / 2, y - b / 2) - radius) ** 2)))


def _crossings(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x and y of all sign changes along rows, [M, 2]."""
    before, after = values[:, :-1], values[:, 1:]
    rows, columns = np.nonzero((before > 0) != (after > 0))
    low, high = before[rows, columns], after[rows, columns]
    return np.stack([columns + low / (low - high), rows], axis=1)


def total(shares: Sequence[Share]) -> Share:
    return Share(sum(share.hits for share in shares), sum(share.total for share in shares))


def diversity(pictures: Sequence[Sequence[Image.Image]], judges: Judges) -> tuple[Mean, Mean]:
    """Return the mean distance of pictures of one prompt: of their pixels (0 to 255) and of their embeddings."""
    pixels, embeddings = [], []
    for same in pictures:
        stacked = torch.tensor(np.stack([np.asarray(image, np.float32) for image in same]))
        pixels.append(_mean_distance(stacked, lambda a, b: (a - b).abs().mean()))
        embeddings.append(_mean_distance(judges.images(same), lambda a, b: 1 - a @ b))
    return mean(torch.stack(pixels)), mean(torch.stack(embeddings))


def _mean_distance(items: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    pairs = [distance(items[i], items[j]) for i in range(len(items)) for j in range(i)]
    return torch.stack(pairs).mean()
