from __future__ import annotations

from pathlib import Path

from engine.catalogue.registry import PUBLISHED
from engine.cli.weights import weights
from engine.weights.store.folder import VARIABLE

DOCS = (Path(__file__).parents[3] / "docs" / "weights.md").read_text(encoding="utf-8")


def rows() -> list[str]:
    """The table of `docs/weights.md`."""
    head = ["| Name | File | What it is | Size | SHA-256 | Licence |", "|---|---|---|---|---|---|"]
    return head + [
        f"| `{entry.name}` | `{entry.file}` | {entry.title} ({entry.kind.value}) | {max(entry.size / 1e6, 1):,.0f} MB "
        f"| {f'`{entry.sha256[:12]}…`' if entry.sha256 else 'none published'} | {entry.licence} |"
        for entry in PUBLISHED.values()
    ]


def test_every_checkpoint_is_in_the_documentation_as_it_is() -> None:
    assert [] == [row for row in rows() if row not in DOCS]


def test_every_command_is_in_the_documentation() -> None:
    names = [command.name or command.callback.__name__ for command in weights.registered_commands if command.callback]
    assert [] == [name for name in names if f"python -m engine weights {name}" not in DOCS]
    assert VARIABLE in DOCS
