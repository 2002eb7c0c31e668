"""`python -m engine models`, `methods`, `profiles`: list the catalogue and the options."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.catalogue.models import MODELS
from engine.catalogue.registry import entries
from engine.cli.console import calm_torch
from engine.requests.profiles import profile_rows
from engine.requests.request import (
    METHODS,
    SHIPPED,
    Options,
    adapter_key,
    known_adapters,
    option_names,
    option_span,
    option_text,
)
from engine.upscalers import upscaler_names


def models() -> None:
    """List models, adapters and upscalers with their sizes and methods; installed ones first, then your own."""
    calm_torch()
    from engine.worker.capabilities import find_capabilities

    ready = find_capabilities("shell", 0, "", 0)
    table = Table("", "", "size", "methods", box=None, header_style="dim", pad_edge=False)
    table.add_column("installed", overflow="fold")
    rows: list[tuple[str, str, str, str, str]] = []
    for model in MODELS.values():
        others = f"{model.smallest}–{model.largest} by {model.multiple}"
        sizes = f"{model.size[0]}×{model.size[1]}\n[dim]{others if model.smallest < model.largest else 'only'}[/dim]"
        here = "yes" if model.name in ready.models else ready.unavailable[model.name].partition("; run ")[0]
        rows.append((model.name, model.title, sizes, "\n".join(model.methods), here))
    for name, entry in known_adapters().items():
        here = ready.unavailable.get(adapter_key(name), "yes").partition("; run ")[0]
        rows.append((name, entry.title, "", f"adapter of {entry.adapts}", here))
    for name in upscaler_names():
        reason = ready.unavailable.get(f"upscaler {name}", "yes").partition("; run ")[0]
        weights = entries().get(name)
        title, size = (weights.title, f"{weights.size / 1e6:,.0f} MB" if weights.size else "") if weights else ("", "")
        rows.append((name, title or SHIPPED[name], size, "upscale", reason))
    own = {name for name, entry in entries().items() if entry.is_own}
    for name, title, size, use, here in sorted(rows, key=lambda row: (row[-1] != "yes", row[0] not in own)):
        table.add_row(f"[bold]{name}[/bold]", escape(title), size, use, escape(here))
    console = Console(highlight=False)
    console.print(table)
    console.print("[dim]python -m engine weights list NAME[/dim] shows where to get a model.")


def methods() -> None:
    """List the methods, and every option with its range and default."""
    console = Console()
    for name, options in METHODS.items():
        console.print(f"[bold]{name}[/bold]  {options.__doc__}", highlight=False)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for option, span, default, description in option_rows(options):
            table.add_row(option, default, f"[dim]{span}[/dim]", description)
        console.print(table)
        console.print()


def profiles() -> None:
    """List the profiles (named sets of options of clip_diffusion) with their source and cost."""
    console = Console(highlight=False)
    for name, about, teraflops, settings, source in profile_rows():
        console.print(f"[bold]{name}[/bold]  {about}")
        console.print(f"  {source}", markup=False, style="dim")
        console.print(f"  {settings}", markup=False)
        console.print(f"  {teraflops} TFLOP for 256×256 with the 256-pixel ImageNet model", style="dim")
        console.print()


def options_help() -> str:
    """Options of each method with defaults and ranges, for the end of `dream --help`."""
    paragraphs = [
        f"[bold]--set, for {name}:[/bold] "
        + ", ".join(f"{option}={default} [dim]({span})[/dim]" for option, span, default, _ in option_rows(options))
        for name, options in METHODS.items()
    ]
    return "\n\n".join([*paragraphs, "[dim]python -m engine methods[/dim] explains each option."])


def option_rows(options: type[Options]) -> list[tuple[str, str, str, str]]:
    """(name, range, default, description) of every option."""
    fields = {name: options.model_fields[name] for name in option_names(options)}
    return [(name, option_span(f), option_text(f.default), f.description or "") for name, f in fields.items()]
