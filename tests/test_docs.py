"""Every command, option and button that exists is documented, with the ranges and defaults that it really has."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
from discord import app_commands

from bot import cogs
from engine.cli.listing import option_rows
from engine.primer.vocabulary import unknown_words
from engine.requests.profiles import profile_rows
from engine.requests.request import METHODS, ClipDiffusionOptions
from engine.requests.schedule import Schedule
from tests import benchmarks
from tests.benchmarks.docs import published

ROOT = Path(__file__).parent.parent
USING = (ROOT / "docs" / "using.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r'dream "([^"]+)"|/dream ([a-z][^`:]*?)(?= \w+:|`|$)')
"""A prompt in a shell command or in a slash command."""
METHODS_PAGE = ROOT / "docs" / "methods.md"


def introduction(method: str) -> str:
    """The heading of one method, and what its options model says it is."""
    return f"### {method}\n\n{(METHODS[method].__doc__ or '').strip()}\n"


def option_table(method: str) -> str:
    """The table of one method's options, from their model."""
    rows = [f"| `{name}` | {default} | {span} | {text} |" for name, span, default, text in option_rows(METHODS[method])]
    return "\n".join(["| Option | Default | Range | Meaning |", "|---|---|---|---|", *rows])


def slash_commands() -> list[app_commands.Command[Any, ..., Any]]:
    """Every slash command of every cog."""
    modules = [
        importlib.import_module(found.name) for found in pkgutil.walk_packages(cogs.__path__, f"{cogs.__name__}.")
    ]
    members = [
        member
        for module in modules
        for _, cog in inspect.getmembers(module, inspect.isclass)
        for member in vars(cog).values()
    ]
    return [member for member in members if isinstance(member, app_commands.Command)]


@pytest.mark.parametrize("method", METHODS)
def test_the_options_of_every_method_are_in_the_documentation_as_they_are(method: str) -> None:
    page = METHODS_PAGE.read_text(encoding="utf-8")

    assert introduction(method) in page and option_table(method) in page, "python -m tests.test_docs renews the tables"


def test_every_command_and_every_option_of_it_is_in_the_documentation() -> None:
    missing = [
        f"/{command.qualified_name} {name}"
        for command in slash_commands()
        for name in ["", *(parameter.display_name for parameter in command.parameters)]
        if f"`{name}`" not in USING and f"`/{command.qualified_name}{' ' + name if name else ''}" not in USING
    ]

    assert [] == missing


def test_there_are_commands_to_document() -> None:
    assert {"dream", "queue", "quota"} <= {command.qualified_name for command in slash_commands()}


def test_every_profile_is_in_the_documentation_with_its_cost_and_source() -> None:
    rows = [f"| `{name}` | {cost} | {about} | {source} |" for name, about, cost, _, source in profile_rows()]
    assert [] == [row for row in rows if row not in METHODS_PAGE.read_text(encoding="utf-8")]


def test_every_option_that_may_change_along_the_walk_is_named() -> None:
    names = [f"`{name}`" for name, field in ClipDiffusionOptions.model_fields.items() if field.annotation is Schedule]
    page = " ".join(METHODS_PAGE.read_text(encoding="utf-8").split())
    assert f"These options may change: {', '.join(names)}." in page


def test_the_shell_commands_of_the_readme_need_no_extra() -> None:
    """`make play` installs none of the extras `video`, `icons` and `primer`."""
    commands = re.findall(r"^dream .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands
    assert [] == [line for line in commands if re.search(r"\.mp4|icon:fa-|primer icons", line)]


@pytest.mark.parametrize("page", ["README.md", "docs/playground.md", "docs/using.md", "docs/shell.md"])
def test_the_first_examples_use_words_that_the_bundled_model_knows(page: str) -> None:
    """A newcomer copies them, and the bundled model paints nonsense for words that it has not learnt."""
    text = (ROOT / page).read_text(encoding="utf-8")
    prompts = [found[1] or found[2] for found in re.finditer(EXAMPLE, text)]
    prompts = [prompt for prompt in prompts if prompt not in ("prompt", "a prompt")][:3]

    assert {} == {prompt: unknown_words(prompt) for prompt in prompts if unknown_words(prompt)}


def renew_option_tables() -> None:
    """Write the option tables of docs/methods.md anew; the prose around them stays."""
    page = METHODS_PAGE.read_text(encoding="utf-8")
    for method in METHODS:
        start = introduction(method)
        if f"### {method}\n" not in page:
            page = f"{page.rstrip()}\n\n{start}\n{option_table(method)}\n"
        page = re.sub(rf"### {method}\n\n.*\n", lambda _, text=start: text, page)
        before, section = page.split(start, 1)
        section = re.sub(
            r"\| Option \|.*?(?=\n\n|\Z)", lambda _, m=method: option_table(m), section, count=1, flags=re.DOTALL
        )
        page = before + start + section.rstrip("\n") + "\n"
    METHODS_PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    renew_option_tables()


def test_every_benchmark_has_a_table_of_figures() -> None:
    tables = published()

    modules = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    assert modules - {"docs", "measure", "__main__"} == set(tables)
    assert [] == [name for name, table in tables.items() if not table.values]
    assert [] == [
        name for name, table in tables.items() if not re.match(r"\*20\d\d-\d\d-\d\d, .* torch ", table.origin)
    ]
