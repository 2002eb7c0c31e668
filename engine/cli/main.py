"""`python -m engine dream|upscale|score|compare|search|models|…`: every command is a file in `engine/cli/`.

Nothing here imports torch: `--help` answers at once. Mistakes are one line on stderr and the exit status 2.
"""

from __future__ import annotations

import inspect
import os

import typer
from rich.markup import escape

from engine.cli.bench import bench
from engine.cli.compare import compare
from engine.cli.console import speaking
from engine.cli.drawing.all_methods import gallery
from engine.cli.drawing.icon import icon
from engine.cli.dream import dream
from engine.cli.film import evolution, film
from engine.cli.listing import methods, models, options_help, profiles
from engine.cli.memory import memory
from engine.cli.score import score
from engine.cli.search import search
from engine.cli.training.finetune import finetune
from engine.cli.training.primer import primer
from engine.cli.upscale import upscale
from engine.cli.weights import weights
from engine.weights.store.custom_models import find_custom_models
from engine.weights.store.trained_models import share_custom_models

app = typer.Typer(
    name="engine",
    help="Paint, upscale and score images; train the small models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(epilog=options_help())(dream)
for command in (upscale, film, evolution, icon, score, compare, search, models, methods, profiles, memory):
    app.command()(command)
app.add_typer(finetune, name="train")
app.add_typer(primer, name="primer")
app.add_typer(weights, name="weights")
app.add_typer(bench, name="bench")
app.add_typer(gallery, name="gallery")


def _show_docstrings(group: typer.Typer) -> None:
    """Make the help texts of all commands: Typer keeps a docstring's line breaks and takes brackets for markup."""
    for command in group.registered_commands:
        paragraphs = inspect.getdoc(command.callback) or ""
        command.help = escape("\n\n".join(" ".join(one.split()) for one in paragraphs.split("\n\n")))
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _show_docstrings(inner.typer_instance)


_show_docstrings(app)


def commands() -> set[str]:
    named = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    return named | {group.name for group in app.registered_groups if group.name}


def main() -> None:
    with speaking():
        share_custom_models(find_custom_models(os.environ), os.environ)
        app()
