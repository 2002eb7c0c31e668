"""`python -m engine dream|upscale|score|compare|search|models|…`: every command is a file in `engine/commands/`.

Nothing here imports torch: `--help` answers at once. Mistakes are one line on stderr and the exit status 2.
"""

from __future__ import annotations

import os

import typer

from engine.commands.bench import bench
from engine.commands.compare import compare
from engine.commands.console import speaking
from engine.commands.dream import dream
from engine.commands.evolution import evolution
from engine.commands.listing import methods, models, options_help, profiles
from engine.commands.memory import memory
from engine.commands.primer import primer
from engine.commands.score import score
from engine.commands.search import search
from engine.commands.upscale import upscale
from engine.commands.weights import weights
from engine.weights.own import find_own, share_own

app = typer.Typer(
    name="engine",
    help="Paint pictures from words, enlarge and judge them, train the small models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(epilog=options_help())(dream)
for command in (upscale, evolution, score, compare, search, models, methods, profiles, memory):
    app.command()(command)
app.add_typer(primer, name="primer")
app.add_typer(weights, name="weights")
app.add_typer(bench, name="bench")


def main() -> None:
    """Run a command; errors become words."""
    with speaking():
        share_own(find_own(os.environ), os.environ)
        app()
