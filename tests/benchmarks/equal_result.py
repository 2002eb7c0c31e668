"""The CPU seconds of a picture that fits its words as well as the reference's does: one net, one set of captions and
seeds, a judge that guides nobody.

The reference's way is that of the notebooks: the net without the prompt, CLIP alone, at every one of many ancestral
steps, many views, one picture at a time. It runs through our own step, which is faster than the notebooks' already
(`reference_loop`), with the limits and scale that served it best; those of both ways were chosen on other captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.evaluation.figures import Mean, mean
from engine.evaluation.prompts import AMONG, Judges, dream, questions
from engine.runtime.runtime import Runtime
from tests.benchmarks.measure import Figure, cpu_seconds

CAPTIONS = 24
CLIP_ALONE = {"cfg_scale": "0", "clip_guidance_scale": "5000", "clamp_max": "0", "shift_max": "0.25"}
REFERENCE = {**CLIP_ALONE, "sampler": "ddpm", "steps": "250", "cutouts": "16"}
FEWER_STEPS = {**REFERENCE, "steps": "60"}
OURS = {**CLIP_ALONE, "shift_max": "0.4", "steps": "15", "cutouts": "2"}
"""What is enough: the gradient of few views is rough, but every step takes others."""
TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Way:
    """How one way of painting did: how well each picture fits its caption [N], and the CPU seconds of one."""

    fits: Tensor
    seconds: float


def run() -> list[Figure]:
    """Both ways, ours alone and in a batch, and what people get, whose net reads the prompt besides."""
    runtime = Runtime.open("cpu")
    judges = Judges(runtime)
    captions = [question.text for question in questions(AMONG)][:CAPTIONS]
    list(dream(captions[:1], runtime, {"steps": "2"}))  # nets into memory
    theirs = _painted(captions, REFERENCE, 1, runtime, judges)
    fewer = _painted(captions, FEWER_STEPS, 1, runtime, judges)
    alone = _painted(captions, OURS, 1, runtime, judges)
    batched = _painted(captions, OURS, TOGETHER, runtime, judges)
    usual = _painted(captions, {}, TOGETHER, runtime, judges)
    return [
        *_of("the reference's way", theirs),
        *_of("the same in 60 steps instead of 250", fewer),
        *_of("ours, one at a time", alone),
        _gain("ours over the reference's", alone, theirs),
        Figure("speed-up at an equal result", theirs.seconds / alone.seconds, "×", "≥ 3"),
        *_of(f"ours, {TOGETHER} together", batched),
        Figure("speed-up", theirs.seconds / batched.seconds, "×"),
        *_of(f"the usual settings, the net reads the prompt, {TOGETHER} together", usual),
        _gain("the usual over the reference's", usual, theirs),
        Figure("speed-up", theirs.seconds / usual.seconds, "×"),
    ]


def _painted(captions: Sequence[str], settings: Mapping[str, str], batch: int, runtime: Runtime, judges: Judges) -> Way:
    """Every caption with a seed of its own, the same in every way."""
    images = []
    seconds = cpu_seconds(lambda: images.extend(dream(captions, runtime, settings, batch=batch)))
    fits = (judges.images(images) * judges.texts(captions)).sum(dim=1)
    return Way(fits, seconds / len(captions))


def _of(what: str, way: Way) -> list[Figure]:
    return [Figure(what, way.seconds, "CPU s a picture"), _cosine(what, mean(way.fits))]


def _gain(what: str, way: Way, other: Way) -> Figure:
    """Of each caption's two pictures: how much better one way fits than the other."""
    return _cosine(what, mean(way.fits - other.fits), "≥ 0 within its interval")


def _cosine(what: str, found: Mean, aim: str = "") -> Figure:
    return Figure(f"{what}, the judge's cosine", found.value, f"± {found.error:.3f}", aim)
