"""The report of a run: one HTML file with curves and sample grids, without scripts and without other files."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

FILE = "report.html"
WIDTH, HEIGHT, MARGIN = 640, 220, 40
MOST_GRIDS = 12
_STYLE = (
    "body{font:15px sans-serif;max-width:900px;margin:2em auto;padding:0 1em}img{max-width:100%}td{padding:0 1em 0 0}"
)


def write_report(folder: Path, name: str, rows: Sequence[Mapping[str, float]], facts: Mapping[str, object]) -> Path:
    """From the log *rows* and the `samples-….png` in *folder*."""
    columns = dict.fromkeys(key for row in rows for key in row if key != "step")
    curves = []
    for column in columns:
        points = [(row["step"], row[column]) for row in rows if column in row]
        curves.append(f"<h3>{html.escape(column)}</h3>{curve(points)}")
    grids = sorted(folder.glob("samples-*.png"))
    stride = math.ceil(len(grids) / MOST_GRIDS) or 1
    shown = grids[::-1][::stride][::-1]
    table = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in facts.items())
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(name)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(name)}</h1><table>{table}</table><h2>Curves</h2>{''.join(curves)}<h2>Samples</h2>"
        + "".join(f"<h3>step {int(path.stem.split('-')[1]):,}</h3>{_image(path)}" for path in shown)
    )
    target = folder / FILE
    target.write_text(page, encoding="utf-8")
    return target


def curve(points: Sequence[tuple[float, float]]) -> str:
    """An SVG of *points* (step, value); values that are not finite are left out."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    if not finite:
        return "<p>No finite value.</p>"
    left, right = min(x for x, _ in finite), max(x for x, _ in finite)
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    across, up = (right - left) or 1, (high - low) or 1
    wide, tall = (WIDTH - 2 * MARGIN) / across, (HEIGHT - 2 * MARGIN) / up
    line = " ".join(f"{MARGIN + (x - left) * wide:.1f},{HEIGHT - MARGIN - (y - low) * tall:.1f}" for x, y in finite)
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img"><polyline fill="none" stroke="#2563eb" points="{line}"/>'
        f'<text x="0" y="14">{high:.4g}</text><text x="0" y="{HEIGHT - 4}">{low:.4g}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">step {right:,.0f}</text></svg>'
    )


def _image(path: Path) -> str:
    return f'<img alt="samples" src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
