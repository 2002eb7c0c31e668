"""`python -m engine models`, `methods`, `profiles`: what there is, from the catalogue and the options themselves."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.catalogue.models import MODELS
from engine.catalogue.registry import entries
from engine.cli.console import calm_torch
from engine.requests.profiles import profile_rows
from engine.requests.request import METHODS, SHIPPED, Options, option_names, option_span, option_text
from engine.upscalers import upscaler_names


def models() -> None:
    """The models: what they can paint, and whether they are installed here."""
    calm_torch()
    from engine.worker.capabilities import look_around

    ready = look_around("shell", 0, "", 0)
    table = Table("", "", "size", "methods", box=None, header_style="dim", pad_edge=False)
    table.add_column("here", overflow="fold")
    for model in MODELS.values():
        others = f"{model.smallest}–{model.largest} by {model.multiple}"
        sizes = f"{model.size[0]}×{model.size[1]}\n[dim]{others if model.smallest < model.largest else 'alone'}[/dim]"
        here = "yes" if model.name in ready.models else ready.unavailable[model.name].partition("; run ")[0]
        table.add_row(f"[bold]{model.name}[/bold]", escape(model.title), sizes, "\n".join(model.methods), escape(here))
    for name in upscaler_names():
        reason = ready.unavailable.get(f"upscaler {name}", "yes").partition("; run ")[0]
        entry = entries().get(name)
        title, size = (entry.title, f"{entry.size / 1e6:,.0f} MB" if entry.size else "") if entry else ("", "")
        table.add_row(f"[bold]{name}[/bold]", escape(title or SHIPPED[name]), size, "upscale", escape(reason))
    console = Console(highlight=False)
    console.print(table)
    console.print("[dim]python -m engine weights list NAME[/dim] says where to get a model.")


def methods() -> None:
    """The methods: how each paints, and every option with its range and default."""
    console = Console()
    for name, options in METHODS.items():
        console.print(f"[bold]{name}[/bold]  {options.__doc__}", highlight=False)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for option, span, default, description in option_rows(options):
            table.add_row(option, default, f"[dim]{span}[/dim]", description)
        console.print(table)
        console.print()


def profiles() -> None:
    """The profiles: words for many options of clip_diffusion, whose settings they are, and what a picture costs."""
    console = Console(highlight=False)
    for name, about, teraflops, settings, source in profile_rows():
        console.print(f"[bold]{name}[/bold]  {about}")
        console.print(f"  {source}", markup=False, style="dim")
        console.print(f"  {settings}", markup=False)
        console.print(f"  {teraflops} TFLOP for 256×256 on the 256-pixel ImageNet net", style="dim")
        console.print()


def options_help() -> str:
    """For the end of `dream --help`: each method's options with defaults and ranges."""
    paragraphs = [
        f"[bold]--set, for {name}:[/bold] "
        + ", ".join(f"{option}={default} [dim]({span})[/dim]" for option, span, default, _ in option_rows(options))
        for name, options in METHODS.items()
    ]
    return "\n\n".join([*paragraphs, "[dim]python -m engine methods[/dim] says what each of them does."])


def option_rows(options: type[Options]) -> list[tuple[str, str, str, str]]:
    """(name, range, default, description) of every option."""
    return [
        (
            name,
            option_span(options.model_fields[name]),
            option_text(options.model_fields[name].default),
            _about(options, name),
        )
        for name in option_names(options)
    ]


def _about(options: type[Options], name: str) -> str:
    return options.model_fields[name].description or ""
