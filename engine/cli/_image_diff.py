"""Compares a repainted picture with its original, and explains differences. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.images.opening import open_own
from engine.images.pictures import pixels_sha256
from engine.protocol.replay_record import StepConditions, read_step_log

WORDS = {
    "weights": "the net's weights",
    "adapters": "the adapters",
    "perceptor": "the guiding CLIP",
    "perceptor_weights": "the guiding CLIP's weights",
    "upscaler": "the upscaler",
    "upscaler_weights": "the upscaler's weights",
    "device": "the device",
    "dtype": "the number format",
}
"""Keys of a replay record's resolved settings → their names in messages, most important first."""
COURSES = {"course": "steps", "upscaler_course": "tiles of the upscaler"}
SHOWN = 12
"""Characters of a hash."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Pixel-wise difference of two pictures. Sizes are (width, height); if they differ, every pixel counts."""

    size: tuple[int, int]
    other_size: tuple[int, int]
    differing: int
    """Number of pixels that differ."""
    largest: int
    """Largest difference of a colour value, 0 to 255."""

    @property
    def equal(self) -> bool:
        return not self.differing

    def __str__(self) -> str:
        if self.equal:
            return "Equal: the same picture, pixel by pixel."
        if self.size != self.other_size:
            return "Not equal: {}×{} then, {}×{} now.".format(*self.size, *self.other_size)
        pixels = self.size[0] * self.size[1]
        part = f"{self.differing:,} of {pixels:,} pixels ({self.differing / pixels:.2%})"
        return f"Not equal: {part} differ, by at most {self.largest} of 255."


def compare(first: bytes, again: bytes) -> Likeness:
    """Compare two encoded pictures pixel by pixel. Raises UnreadablePicture."""
    a, b = (open_own(data) for data in (first, again))
    if a.size != b.size:
        return Likeness(a.size, b.size, a.width * a.height, 255)
    difference = np.abs(np.asarray(a, dtype=np.int16) - np.asarray(b, dtype=np.int16)).max(2)
    return Likeness(a.size, b.size, int(np.count_nonzero(difference)), int(difference.max()))


def reasons(original: bytes, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Sentences that explain why a replay may differ, from the records *then* and *now*; at least one."""
    found = list(_reasons(original, then, now))
    return found or [
        "Everything recorded is the same, so another processor, or another version of PyTorch or of a driver, "
        "has rounded differently."
    ]


def _reasons(original: bytes, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if then["pixels"] and then["pixels"] != pixels_sha256(open_own(original)):
        yield "The PNG was changed after it was painted: its pixels are not those of its record."
    if then["engine"] != now["engine"]:
        yield f"It was painted by engine {then['engine']}; this is {now['engine']}."
    for key, words in WORDS.items():
        before, after = (str(record["resolved"].get(key, "")) for record in (then, now))
        if before and before != after:
            yield f"Another value for {words}: {_short(before)} then, {_short(after) or 'none'} now."
    yield from _of_courses(then["resolved"], now["resolved"])


def _of_courses(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Compare how the steps were run (batch, threads, tiles), which a replay repeats where possible."""
    for key, words in COURSES.items():
        first, again = (read_step_log(resolved.get(key)) for resolved in (then, now))
        other = [number for number in range(first.steps) if first.at(number) != again.at(number)]
        if other:
            before, after = (_run(course.at(other[0])) for course in (first, again))
            yield (
                f"{len(other)} of {first.steps} {words} could not be run as they were the first time: "
                f"{before} then, {after} now."
            )
        elif key == "course" and not first.steps:
            yield (
                "Its record does not say how each step was run; steps that it shared with other pictures were rounded "
                "differently."
            )


def _run(terms: StepConditions) -> str:
    threads = f"{terms.threads} thread{'s' * (terms.threads != 1)}"
    return (
        f"{terms.bucket} at once on {threads}"
        + (f", memory level {terms.memory_level}" if terms.memory_level else "")
        + (", by compiled nets" if terms.compiled else "")
    )


def _short(value: str) -> str:
    plain = "".join(letter for letter in value if letter.isprintable())
    return f"{plain[:SHOWN]}…" if len(plain) > 40 else plain
