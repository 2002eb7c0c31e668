"""`python -m engine bench prompts`: how well the small model follows prompts, with confidence intervals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.console import calm_torch, write_file

if TYPE_CHECKING:
    from PIL import Image

    from engine.evaluation.prompts import Judges
    from engine.runtime.runtime import Runtime

bench = typer.Typer(help="Measure the quality of pictures.", no_args_is_help=True)


@bench.callback()
def about() -> None:
    """Measure the quality of pictures, with confidence intervals."""


@bench.command()
def prompts(
    count: Annotated[int, typer.Option(min=64, help="Held-out captions, a multiple of 64.")] = 512,
    domain: Annotated[
        str, typer.Option(help="held: held-out combinations with nouns. full, narrow or tidy: without nouns.")
    ] = "held",
    modes: Annotated[
        str, typer.Option(help="Comma-separated: default, clip, cfg, none, real.")
    ] = "real,default,clip,none",
    settings: Annotated[str, typer.Option(help="Options of the method for all modes, as in “steps=40 eta=0.5”.")] = "",
    weights: Annotated[
        str, typer.Option(help="Comma-separated negative weights to test; empty for none.")
    ] = "-0.2,-0.3,-0.5",
    respects: Annotated[int, typer.Option(min=0, help="Captions for each of: small, position, count, pair.")] = 128,
    sheet: Annotated[
        Path | None, typer.Option(help="A PNG for the first 64 pictures of the first painted mode.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Pictures painted together.")] = 16,
) -> None:
    """Paint held-out captions and score them with models that never guide."""
    from engine.requests.request import parse_settings

    given = parse_settings(settings)
    calm_torch()
    from engine.evaluation import prompts as bench
    from engine.images.pictures import contact_sheet, to_png
    from engine.runtime.runtime import Runtime

    runtime = Runtime.open(device)
    judges = bench.Judges(runtime)
    asked = bench.questions(count, bench.domain_named(domain))
    texts = [question.text for question in asked]
    for mode in (name for name in modes.split(",") if name):
        options = {**given, **bench.mode_settings(mode)}
        images = bench.painted(asked) if mode == "real" else list(bench.dream(texts, runtime, options, batch=batch))
        typer.echo(f"{mode:8} {bench.verdict(asked, images, judges)}")
        if sheet is not None and mode != "real":
            first = [image.resize((128, 128)) for image in bench.enlarged(images[:64], runtime)]
            write_file(sheet, to_png(contact_sheet(first, texts[:64], columns=8)))
            sheet = None
    for weight in (float(word) for word in weights.split(",") if word):
        typer.echo(f"negative {weight:g}: {bench.removal(min(count, 64), weight, runtime, judges, given)}")
    if weights:
        typer.echo(f"another background, by the painter: {bench.replacement(count, judges)}")
    if respects:
        for line in _respects(respects, runtime, judges, given, batch):
            typer.echo(line)


def _respects(count: int, runtime: Runtime, judges: Judges, settings: Mapping[str, str], batch: int) -> Iterator[str]:
    """Yield a line for small things, positions, counts and pairs, for the lattice and for the diversity."""
    from engine.errors import ModelUnavailable
    from engine.evaluation import respects
    from engine.evaluation.prompts import dream, enlarged, painted

    pictures: list[Image.Image] = []
    for name in respects.RESPECTS:
        asked = respects.asked_about(name, count)
        pictures = list(dream([question.text for question in asked], runtime, settings, batch=batch))
        yield f"{name:8} right: {respects.judged(name, asked, pictures, judges)}"
        with contextlib.suppress(ModelUnavailable):  # the painter needs the icon sets
            yield f"{name:8} painter itself: {respects.judged(name, asked, painted(asked), judges)}"
    for scale in (4, 16):
        shares = [respects.lattice_share(image, scale) for image in enlarged(pictures[:8], runtime, scale)]
        yield f"strong steps on the lattice at x{scale}: {respects.total(shares)}"
    discs = list(dream(["a red circle on a blue background"] * 8, runtime, settings, batch=batch))
    rims = [respects.roundness(image) for image in enlarged(discs, runtime)]
    yield f"rim of a circle at 256 pixels: {sum(rims) / len(rims):.2f} px rms from the fitted circle"
    prompts = [question.text for question in respects.asked_about("small", 8)]
    seeds = [list(dream(prompts, runtime, settings, batch=batch, seed=1000 * seed)) for seed in range(4)]
    pixels, meaning = respects.diversity(list(zip(*seeds, strict=True)), judges)
    yield f"four seeds of one prompt differ by {pixels} (pixels, of 255) and {meaning} (1 - cosine)"
