"""`python -m engine primer train NET`: trains a small model from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.console import INTERRUPTED, Threads, calm_torch, errors

Minutes = Annotated[float, typer.Option(min=0, help="Stop after so long; 0 = as long as the recipe says.")]
Pictures = Annotated[int, typer.Option(min=500, help="Number of painted training pictures.")]


def train(
    net: Annotated[
        str,
        typer.Argument(help="clip, composer, grader, classifier, diffusion, upscaler or vqgan.", show_default=False),
    ],
    minutes: Minutes = 0.0,
    pictures: Pictures = 150_000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    threads: Threads = "auto",
    anew: Annotated[bool, typer.Option("--anew", help="Start a new run instead of resuming.")] = False,
    start: Annotated[Path | None, typer.Option(help="Finished weights to begin with, instead of random ones.")] = None,
    install: Annotated[bool, typer.Option("--install", help="Then put the weights where the engine looks.")] = False,
) -> None:
    """Train the small model NET from scratch: paint its pictures, train it, and print its quality.

    The same command resumes an interrupted run. Only a finished model is installed. The files are in
    DREAMBOT_TRAINING, or in the user's cache folder.
    """
    from engine.training.malloc import keep_memory

    keep_memory()
    calm_torch()
    import os

    from engine.primer.tasks import remake
    from engine.runtime.device import find_device
    from engine.runtime.tuning import Threads as Pace

    pace = Pace(threads, os.cpu_count() or 1)
    run = remake.trainer(net, minutes=minutes, pictures=pictures, device=find_device(device), start=start, anew=anew)
    if run.device.type == "cpu":
        run.threads = pace
    if not anew and run.resume():
        finished = "finished already, and nothing would be different now; --anew trains it again"
        typer.echo(f"{net}: {finished if run.finished else f'going on at step {run.step:,}'}")
    try:
        scores = run.run()
    except KeyboardInterrupt:
        again = "the same command without --anew" if anew else "the same command"
        errors.print(f"Stopped at step {run.step:,}, and saved; {again} goes on.", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    typer.echo(str(remake.install(run, net) if install else run.folder / "weights.safetensors"))
