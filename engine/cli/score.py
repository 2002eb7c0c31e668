"""`python -m engine score picture.png --text "a red circle"`: CLIP scores of pictures and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.cli._pictures import Shown, fair_grader, open_all
from engine.cli.console import Device, calm_torch, echo_json, print_note, printable
from engine.errors import InvalidRequest
from engine.images.opening import NAMES
from engine.requests.prompts import Prompt, parse_prompts

PICTURES = typer.Argument(metavar="PICTURE…", help=f"{NAMES} or HEIC.", show_default=False)
TEXT = typer.Option(help="A prompt, with parts and weights; repeatable.", show_default=False)
PERCEPTOR = typer.Option(
    help="primer, primer-grader, an OpenAI or open_clip name (ViT-B/32), or a file.",
    show_default="one that did not guide",
)
DIGITS = 5


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of N pictures and T texts.

    *cosines* and *odds* (softmax): [N][T]. *parts*: for each text, its parts with [N] cosines.
    """

    perceptor: str
    cosines: list[list[float]]
    odds: list[list[float]]
    parts: list[dict[str, list[float]]]
    notes: list[str]


def score(
    pictures: Annotated[list[Path], PICTURES],
    text: Annotated[list[str] | None, TEXT] = None,
    perceptor: Annotated[str, PERCEPTOR] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Device = "auto",
) -> None:
    """Score every PICTURE with every text: the cosine (at most 1) and the softmax.

    The softmax runs over the texts, or over the pictures if there is one text. By default the scoring CLIP is one that
    did not guide the picture, because a guide overrates its own pictures.
    """
    if not text:
        raise InvalidRequest("Name the text with --text. `compare` scores pictures with their own prompts.")
    prompts = [parse_prompts(words) for words in text]
    shown = open_all(pictures)
    scores = find_scores(shown, prompts, perceptor, device)
    if as_json:
        echo_json(_record(shown, text, scores))
        return
    if len(shown) == len(text) == 1:
        typer.echo(f"{scores.cosines[0][0]:.3f}")
        for part, values in scores.parts[0].items() if len(scores.parts[0]) > 1 else ():
            typer.echo(f"  {values[0]:+.3f}  {part}")
    else:
        _print(shown, text, scores)
    for note in scores.notes:
        print_note(note)
    print_note(f"scored by {scores.perceptor}")


def find_scores(shown: Sequence[Shown], texts: Sequence[Sequence[Prompt]], perceptor: str, device: str) -> Scores:
    """Score every picture with every text. Raises DreamErrors."""
    name, note = (perceptor, "") if perceptor else fair_grader(shown)
    calm_torch()
    import numpy as np

    from engine.guidance.clip_score import Judge
    from engine.runtime.runtime import Runtime

    judge = Judge(name, Runtime.open(device))
    embedded = [judge.embed_prompts(text) for text in texts]
    seen = judge.embed_images([one.image for one in shown])
    cosines = seen @ np.stack([one.direction for one in embedded]).T
    odds = judge.odds(cosines, axis=0 if len(texts) == 1 else 1)
    parts = [
        {part.text: _rounded(seen @ vector) for part, vector in zip(one.prompts, one.parts, strict=True)}
        for one in embedded
    ]
    notes = list(dict.fromkeys(filter(None, [note, *(note for one in embedded for note in one.notes)])))
    return Scores(judge.id, [_rounded(row) for row in cosines], [_rounded(row) for row in odds], parts, notes)


def _print(shown: Sequence[Shown], texts: Sequence[str], scores: Scores) -> None:
    table = Table("", *(escape(printable(text)) for text in texts), box=None, header_style="dim", pad_edge=False)
    for one, cosines, odds in zip(shown, scores.cosines, scores.odds, strict=True):
        cells = [f"{cosine:+.3f} [dim]{bet:4.0%}[/dim]" for cosine, bet in zip(cosines, odds, strict=True)]
        table.add_row(escape(printable(one.path)), *cells)
    Console(highlight=False, emoji=False).print(table)


def _record(shown: Sequence[Shown], texts: Sequence[str], scores: Scores) -> dict[str, Any]:
    return {
        "perceptor": scores.perceptor,
        "texts": list(texts),
        "softmax_over": "pictures" if len(texts) == 1 else "texts",
        "pictures": [
            {
                "path": str(one.path),
                "scores": scores.cosines[i],
                "softmax": scores.odds[i],
                "parts": [{part: values[i] for part, values in parts.items()} for parts in scores.parts],
            }
            for i, one in enumerate(shown)
        ],
        "notes": scores.notes,
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
