"""Prints the results of `dream`: one line per picture, or one JSON record. Imports no torch.

A replay is compared with its original, and differences are explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer

from engine.cli._dream.best_of import RankedPictures
from engine.cli._dream.order import Done
from engine.cli._dream.run import DreamResult
from engine.cli.console import PhaseTimer, echo_json, print_note
from engine.images.opening import open_own
from engine.images.pictures import pixels_sha256
from engine.protocol.replay_record import StepConditions, read_record, read_step_log
from engine.requests.request import DreamRequest


def tell(finished: DreamResult, clock: PhaseTimer, choice: RankedPictures | None = None) -> bool:
    """Print the results and notes. Return False if a replay differs from its original."""
    likeness, why = _replayed(finished)
    if finished.order.as_json:
        record = _record(finished, clock, choice) | _replay_record(likeness, why)
        echo_json(record)
    else:
        _lines(finished, choice)
        print_note(f"{clock.seconds:.1f} s")
        for sentence in [str(likeness), *why] if likeness else []:
            print_note(sentence)
    return likeness is None or likeness.equal


def _lines(finished: DreamResult, choice: RankedPictures | None) -> None:
    """Print one line per picture on stdout, ranked pictures best first, and the notes on stderr."""
    grades = choice.grades if choice else {}
    for done in sorted(finished.pictures, key=lambda done: -grades.get(done.index, 0.0)):
        facts = done.facts
        words = [f"{facts['width']}×{facts['height']}"]
        words += [f"seed {facts['seed']}"] if facts["seed"] is not None else []
        words += [f"CLIP score {facts['clip_score']:.3f}"] if isinstance(facts["clip_score"], float) else []
        by = (
            facts["replay"]["resolved"].get("upscaler")
            if not isinstance(finished.order.request, DreamRequest)
            else None
        )
        words += [f"by {by}"] if by else []
        words += [f"grade {grades[done.index]:.3f}"] if done.index in grades else []
        words += [f"best {choice.best.index(done.index) + 1}"] if choice and done.index in choice.best else []
        typer.echo(f"{done.path}  {', '.join(words)}")
    if choice:
        for path in [*choice.larger.values(), choice.sheet]:
            typer.echo(path)
    for note in [*finished.notes, *(choice.notes if choice else ())]:
        print_note(note)


def _record(finished: DreamResult, clock: PhaseTimer, choice: RankedPictures | None) -> dict[str, Any]:
    replay: Mapping[str, Any] = finished.pictures[0].facts["replay"]
    record = {
        "request": finished.order.request.model_dump(mode="json"),
        "resolved": replay["resolved"],
        "engine": replay["engine"],
        "seconds": _rounded({"start": clock.start, **finished.seconds, "all": clock.seconds}),
        "notes": [*finished.notes, *(choice.notes if choice else ())],
        "pictures": [_picture_record(finished, done, choice) for done in finished.pictures],
    }
    if choice:
        record["choice"] = {"perceptor": choice.perceptor, "best": list(choice.best), "sheet": str(choice.sheet)}
    return record


def _picture_record(finished: DreamResult, done: Done, choice: RankedPictures | None) -> dict[str, Any]:
    names = ["width", "height", "clip_score", "perceptor", "sha256"]
    names = ["seed", *names] if isinstance(finished.order.request, DreamRequest) else names
    record = {"path": str(done.path), **{name: done.facts[name] for name in names}}
    if choice:
        record["grade"] = choice.grades[done.index]
        record |= {"larger": str(choice.larger[done.index])} if done.index in choice.larger else {}
    return record | {"seconds": _rounded(done.facts["seconds"])}


def _replayed(finished: DreamResult) -> tuple[Likeness | None, list[str]]:
    """Compare a replay with its original: the difference, and possible reasons for it."""
    original, again = finished.order.original, finished.again
    if not original:
        return None, []
    likeness = compare(original, again)
    return likeness, [] if likeness.equal else reasons(original, read_record(original), read_record(again))


def _replay_record(likeness: Likeness | None, why: list[str]) -> dict[str, Any]:
    if likeness is None:
        return {}
    found = {"equal": likeness.equal, "differing_pixels": likeness.differing, "largest_difference": likeness.largest}
    return {"replay": found | {"reasons": why}}


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {phase: round(value, 4) for phase, value in seconds.items()}


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


def _run(conditions: StepConditions) -> str:
    threads = f"{conditions.threads} thread{'s' * (conditions.threads != 1)}"
    return (
        f"{conditions.bucket} at once on {threads}"
        + (f", memory level {conditions.memory_level}" if conditions.memory_level else "")
        + (", by compiled nets" if conditions.compiled else "")
    )


def _short(value: str) -> str:
    plain = "".join(letter for letter in value if letter.isprintable())
    return f"{plain[:SHOWN]}…" if len(plain) > 40 else plain
