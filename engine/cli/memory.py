"""`python -m engine memory NAME…`: estimate the memory of a picture, also for models that are not installed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.catalogue.models import MODELS
from engine.cli.console import Device, calm_torch
from engine.requests.request import PROFILES, build_request, find_model, parse_settings

PROMPT = "red"
"""The prompt does not change the estimate."""


def memory(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL…]", help="All installed models if empty.")
    ] = None,
    size: Annotated[str, typer.Option(help="Width x height; the model's default if empty.")] = "",
    profile: Annotated[str, typer.Option(help=f"A named set of options: {' or '.join(PROFILES)}.")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the method; repeatable.")
    ] = None,
    method: Annotated[str, typer.Option(help="The model's default if empty.")] = "",
    card: Annotated[
        float, typer.Option(min=0, help="Memory in GB of an imagined empty NVIDIA card; 0 = this machine.")
    ] = 0,
    device: Device = "auto",
) -> None:
    """Estimate the memory for the models of a picture and its largest step, and the form that fits.

    Nothing is downloaded or painted.
    """
    given = parse_settings(" ".join(settings or ())) | ({"profile": profile} if profile else {})
    for name in names or ():
        find_model(name)
    calm_torch()
    from engine.memory_planning.plan import VirtualDevice, amount, report_memory
    from engine.runtime.runtime import Runtime
    from engine.worker.capabilities import find_capabilities

    runtime = Runtime.on(VirtualDevice(card)) if card else Runtime.open(device)
    table = Table("", "picture", "models", "step", "form", box=None, header_style="dim", pad_edge=False)
    for name in names or find_capabilities("shell", 0, "", 0).models:
        request = build_request(PROMPT, model=MODELS[name].name, size=size, method=method, seed=0, settings=given)
        found = report_memory(request, runtime)
        lighter = "full" if found.begins == found.step else f"lighter, {amount(found.begins)}"
        begins = escape(found.refusal) or lighter
        table.add_row(
            f"[bold]{request.model}[/bold]",
            f"{request.width}×{request.height}",
            *([amount(found.models), amount(found.step), begins] if found.step else ["", "", "unknown"]),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"[dim]{amount(runtime.hardware.reach())} available for models and one step. Estimated, not measured.[/dim]"
    )
