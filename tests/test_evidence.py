"""The documentation's pictures exist and stay small; what docs/evidence.md and docs/playground.md name is there."""

from __future__ import annotations

import re
from pathlib import Path

from bot.playground.server.fault_switches import ALL
from bot.playground.write_block import possible

ROOT = Path(__file__).parent.parent
LARGEST = 150_000
"""Bytes of one picture of the playground."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shown() -> set[Path]:
    """Every picture that a page of the documentation shows."""
    found = [
        (page.parent / path).resolve()
        for page in PAGES
        for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text())
    ]
    return set(found)


def test_every_picture_that_the_documentation_shows_is_there() -> None:
    assert [] == [str(path) for path in shown() if not path.is_file()]


def test_pictures_of_the_playground_are_small_taken_by_the_tour_and_shown() -> None:
    pictures = set((ROOT / "docs" / "pictures").glob("playground-*.webp"))
    taken = {
        f"playground-{name}.webp"
        for name in re.findall(r'shot\(page, "([\w-]+)"\)', text("tests/browser/test_tour.py"))
    }

    assert taken == {path.name for path in pictures}
    assert set() == {path.resolve() for path in pictures} - shown()
    assert [] == [path.name for path in pictures if path.stat().st_size > LARGEST]


def test_everything_that_the_evidence_names_exists() -> None:
    named = re.findall(r"`((?:tests|engine|bot|docs)/[\w/.-]+)`", text("docs/evidence.md") + text("docs/playground.md"))

    assert len(named) > 40
    assert [] == [path for path in named if not (ROOT / path).exists()]


def test_every_claim_has_one_of_the_kinds_of_proof() -> None:
    rows = [
        line.split(" | ")
        for line in text("docs/evidence.md").splitlines()
        if line.startswith("| ") and "**" not in line
    ]
    kinds = {kind.strip() for row in rows if len(row) == 3 for kind in row[1].split(",")} - {"Proof"}

    assert {"golden", "judged", "test", "measured", "never run"} == kinds


def test_every_switch_for_trouble_is_documented() -> None:
    labels = [trouble.label for trouble in ALL.values()] + (["Disk full"] if possible() else [])

    assert [] == [label for label in labels if f"| {label} |" not in text("docs/playground.md")]


def test_every_module_that_the_architecture_names_exists() -> None:
    named = re.findall(r"`((?:bot|engine)/[\w/]+(?:\.py|/))`", text("docs/architecture.md"))

    assert len(named) > 20
    assert [] == [path for path in named if not (ROOT / path).exists()]
