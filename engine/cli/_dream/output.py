"""Prints the results of `dream`: one line per picture, or one JSON record. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from engine.cli._dream.best_of import RankedPictures
from engine.cli._dream.order import Done
from engine.cli._dream.run import DreamResult
from engine.cli._image_diff import Likeness, compare, reasons
from engine.cli.console import PhaseTimer, echo_json, print_note
from engine.protocol.replay_record import read_record
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
