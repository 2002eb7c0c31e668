"""The tables of docs/performance.md: read, compared with a new run, and written.

A table lies between `<!-- NAME -->` and `<!-- end -->`. Its first line says when and where it was measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.benchmarks.measure import Figure

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
NOTABLE = 1.25
"""A figure that differs from the page's by more than this factor is marked."""
_TABLE = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
_ROW = re.compile(r"^\| (?P<what>.+?) \| (?P<value>-?[\d.,]+(?:e[+-]?\d+)?)(?: (?P<unit>.*?))? \| .* \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Published:
    """One table of the page."""

    origin: str
    values: Mapping[str, float]


def published(text: str | None = None) -> dict[str, Published]:
    """Benchmark → its table on the page."""
    return {
        name: Published(
            body.partition("\n")[0], {row["what"]: float(row["value"].replace(",", "")) for row in _ROW.finditer(body)}
        )
        for name, body in _TABLE.findall(PAGE.read_text("utf-8") if text is None else text)
    }


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def comparison(figures: Sequence[Figure], table: Published) -> list[str]:
    """A line for each figure: what, now, on the page, and by which factor they differ."""
    lines = []
    for figure in figures:
        before = table.values.get(figure.what)
        if before is None:
            lines.append(f"{figure.what}: {number(figure.value)} {figure.unit}; not on the page")
            continue
        factor = figure.value / before if before else float(figure.value == before)
        mark = "" if 1 / NOTABLE <= factor <= NOTABLE else "   <<<"
        lines.append(
            f"{figure.what}: {number(figure.value)} {figure.unit}; on the page {number(before)} ({factor:.2f}×){mark}"
        )
    return lines


def write(name: str, figures: Sequence[Figure], machine: str) -> None:
    """Put a run into the page."""
    text = PAGE.read_text("utf-8")
    rows = [f"| {f.what} | {number(f.value)} {f.unit}".rstrip() + f" | {f.aim or '–'} |" for f in figures]
    body = "\n".join([f"*{date.today():%Y-%m-%d}, {machine}*", "", "| What | Measured | Aim |", "|---|---|---|", *rows])
    new, found = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{body}\n{m[2]}", text, flags=re.DOTALL
    )
    if not found:
        raise SystemExit(f"{PAGE} has no table <!-- {name} -->.")
    PAGE.write_text(new, "utf-8")
