"""CPU seconds of a picture that fits its caption as well as the reference method's, by a CLIP that never guides.

The reference method is that of the notebooks: a net without the prompt, CLIP guidance at each of 250 ancestral steps,
16 cutouts, one picture at a time. It runs through this engine's step, which is faster than the notebooks'
(`reference_loop`). Scale and limits of both methods were chosen on other captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image
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
"""Two cutouts give a rough gradient, but each step draws new ones."""
TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Way:
    """Cosines of pictures and their captions [N], and the CPU seconds of one picture."""

    fits: Tensor
    seconds: float


def run() -> list[Figure]:
    """Compare the reference, this engine alone and in a batch, and the usual settings (the net reads the prompt)."""
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
        *_of("reference, 250 steps", theirs),
        *_of("reference, 60 steps", fewer),
        *_of("dreambot, one at a time", alone),
        _gain("dreambot − reference", alone, theirs),
        Figure("speed-up at an equal result", theirs.seconds / alone.seconds, "×", "≥ 3"),
        *_of(f"dreambot, {TOGETHER} together", batched),
        Figure(f"speed-up, {TOGETHER} together", theirs.seconds / batched.seconds, "×"),
        *_of(f"usual settings, {TOGETHER} together", usual),
        _gain("usual settings − reference", usual, theirs),
        Figure("speed-up, usual settings", theirs.seconds / usual.seconds, "×"),
    ]


def _painted(captions: Sequence[str], settings: Mapping[str, str], batch: int, runtime: Runtime, judges: Judges) -> Way:
    """Paint each caption with its own seed, the same for all methods."""
    images = list[Image.Image]()
    seconds = cpu_seconds(lambda: images.extend(dream(captions, runtime, settings, batch=batch)))
    fits = (judges.images(images) * judges.texts(captions)).sum(dim=1)
    return Way(fits, seconds / len(captions))


def _of(what: str, way: Way) -> list[Figure]:
    return [Figure(what, way.seconds, "CPU s a picture"), _cosine(what, mean(way.fits))]


def _gain(what: str, way: Way, other: Way) -> Figure:
    """Mean difference of the cosines of each caption's two pictures."""
    return _cosine(what, mean(way.fits - other.fits), "≥ 0 within its interval")


def _cosine(what: str, found: Mean, aim: str = "") -> Figure:
    return Figure(f"{what}, cosine", found.value, f"± {found.error:.3f}", aim)
