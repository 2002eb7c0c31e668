"""`python -m engine compare a.png b.png …`: rank pictures by CLIP score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.cli._pictures import Shown, open_all
from engine.cli.console import Device, echo_json, print_note, printable
from engine.cli.drawing.all_methods import paint_methods, read_methods
from engine.cli.score import PERCEPTOR, PICTURES, Scores, find_scores
from engine.errors import InvalidRequest
from engine.requests.prompts import Prompt, format_prompts, parse_prompts

CLEAR = 2.0
"""The first place is clear if its softmax is at least this many times that of the second."""
Text: TypeAlias = tuple[Prompt, ...]
METHODS = typer.Option(help="all, or methods as in pixels,clipdraw: paint --text by each of them.", show_default=False)
TEXT = typer.Option(help="A prompt for all pictures.", show_default="each picture's own prompt")


@dataclass(frozen=True, slots=True)
class Place:
    """One picture in the ranking. *bet*: softmax over the pictures, or over the texts if the texts differ."""

    path: Path
    prompt: str
    score: float
    bet: float
    parts: Mapping[str, float]


def compare(
    pictures: Annotated[list[Path] | None, PICTURES] = None,
    text: Annotated[str, TEXT] = "",
    perceptor: Annotated[str, PERCEPTOR] = "",
    methods: Annotated[str, METHODS] = "",
    seed: Annotated[int | None, typer.Option(help="With --methods: the seed.", show_default="random")] = None,
    steps: Annotated[int | None, typer.Option(help="With --methods: the steps.", show_default="usual")] = None,
    out: Annotated[Path, typer.Option(help="With --methods: the folder of the pictures.")] = Path("methods"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Device = "auto",
) -> None:
    """Rank PICTUREs by their CLIP score with --text, or with the prompts that they were painted from.

    With --methods, --text is painted by several methods first.
    """
    pictures = list(pictures or ())
    if methods:
        if pictures or not text:
            raise InvalidRequest("--methods paints --text; leave out the pictures.")
        pictures = paint_methods(read_methods(methods), text, out, seed, steps, device)
    if len(pictures) < 2:
        raise InvalidRequest("Name at least two pictures. `score` takes one.")
    given = parse_prompts(text) if text else ()
    shown = open_all(pictures)
    prompts = [given or _own_words(one) for one in shown]
    texts = list(dict.fromkeys(prompts))
    scores = find_scores(shown, texts, perceptor, device)
    ranking = _ranked(shown, prompts, texts, scores)
    verdict = _verdict(ranking, one_text=len(texts) == 1)
    if as_json:
        echo_json(_record(ranking, scores, verdict))
        return
    _print(ranking, one_text=len(texts) == 1)
    typer.echo(verdict)
    for note in scores.notes:
        print_note(note)
    print_note(f"scored by {scores.perceptor}")


def _own_words(one: Shown) -> Text:
    """The text prompts of the picture's record. Raises InvalidRequest without a record."""
    prompts = tuple(prompt for prompt in one.request.prompts if prompt.text) if one.request else ()
    if not prompts:
        raise InvalidRequest(f"{one.path} has no record of its prompt. Give a prompt for all pictures with --text.")
    return prompts


def _ranked(shown: Sequence[Shown], prompts: Sequence[Text], texts: Sequence[Text], scores: Scores) -> list[Place]:
    places = []
    for i, (one, prompt) in enumerate(zip(shown, prompts, strict=True)):
        t = texts.index(prompt)
        parts = {part: values[i] for part, values in scores.parts[t].items()}
        places.append(Place(one.path, format_prompts(prompt), scores.cosines[i][t], scores.odds[i][t], parts))
    return sorted(places, key=lambda place: -place.score)


def _verdict(ranking: Sequence[Place], *, one_text: bool) -> str:
    """One sentence about the first place."""
    first, second = ranking[:2]
    ahead = first.score - second.score
    name, other = printable(first.path), printable(second.path)
    if not one_text:
        return (
            f"{name} matches its own prompt best, {ahead:.3f} ahead of {other}. "
            "Scores of different prompts are hard to compare."
        )
    if first.bet < CLEAR * second.bet:
        return f"{name} matches best, but only {ahead:.3f} ahead of {other}: too close to call."
    return f"{name} matches best, {ahead:.3f} ahead of {other}."


def _print(ranking: Sequence[Place], *, one_text: bool) -> None:
    """Rank, picture, score, softmax; then the scores of the prompt's parts, or each picture's own prompt."""
    parts = list(ranking[0].parts) if one_text and len(ranking[0].parts) > 1 else []
    more = [escape(printable(part)) for part in parts] if one_text else ["prompt"]
    table = Table("", "", "score", "softmax", *more, box=None, header_style="dim", pad_edge=False)
    for number, place in enumerate(ranking, 1):
        own = [f"{place.parts[part]:+.3f}" for part in parts] if one_text else [escape(printable(place.prompt))]
        path = escape(printable(place.path))
        table.add_row(f"{number}.", path, f"{place.score:+.3f}", f"{place.bet:.0%}", *own)
    Console(highlight=False, emoji=False).print(table)


def _record(ranking: Sequence[Place], scores: Scores, verdict: str) -> dict[str, Any]:
    return {
        "perceptor": scores.perceptor,
        "verdict": verdict,
        "ranking": [{**asdict(place), "path": str(place.path)} for place in ranking],
        "notes": scores.notes,
    }
