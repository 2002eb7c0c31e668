"""The report of a run: one HTML file with curves and sample grids, without scripts and without other files."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

FILE = "report.html"
WIDTH, HEIGHT, MARGIN = 430, 170, 24
MOST_GRIDS = 12
TITLES = {
    "loss": "Loss",
    "held_out": "Loss on held-out pictures",
    "gradient": "Norm of the gradient",
    "lr": "Learning rate",
    "images_per_second": "Pictures per second",
    "loss_scale": "Loss scale",
    "gigabytes": "GPU memory in GB",
}
_STYLE = (
    ":root{color-scheme:light dark}body{font:15px sans-serif;max-width:940px;margin:2em auto;padding:0 1em}"
    "h3{font-size:1em;margin:1em 0 .3em}th{text-align:left;font-weight:normal;opacity:.7;vertical-align:top;"
    "white-space:nowrap;padding-right:1em}section{display:flex;flex-wrap:wrap;gap:1em}section div{flex:0 0 auto;"
    "max-width:100%}img,svg{max-width:100%}svg{font-size:12px;fill:currentColor}"
)


def write_report(folder: Path, name: str, rows: Sequence[Mapping[str, float]], facts: Mapping[str, object]) -> Path:
    """From the log *rows* and the `samples-….png` in *folder*."""
    columns = [*TITLES, *dict.fromkeys(key for row in rows for key in row if key not in (*TITLES, "step"))]
    points = {column: [(row["step"], row[column]) for row in rows if column in row] for column in columns}
    curves = [_titled(TITLES.get(column, column), curve(found)) for column, found in points.items() if found]
    grids = {int(path.stem.split("-")[1]): path for path in sorted(folder.glob("samples-*.png"))}
    later = [step for step in grids if step]
    steps = [0] * (0 in grids) + later[::-1][:: math.ceil(len(later) / MOST_GRIDS) or 1][::-1]
    shown = [_titled(f"Step {step:,}" if step else "Before training", _image(grids[step])) for step in steps]
    table = "".join(f"<tr><th>{html.escape(k)}<td>{html.escape(str(v))}" for k, v in facts.items())
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(name)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(name)}</h1><table>{table}</table><h2>Curves</h2><section>{''.join(curves)}</section>"
        f"<h2>Samples</h2><section>{''.join(shown)}</section>"
    )
    target = folder / FILE
    target.write_text(page, encoding="utf-8")
    return target


def _titled(title: str, content: str) -> str:
    return f"<div><h3>{html.escape(title)}</h3>{content}</div>"


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
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img"><path fill="none" stroke="currentColor" '
        f'stroke-opacity=".3" d="M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}"/>'
        f'<polyline fill="none" stroke="#3b82f6" stroke-width="1.5" points="{line}"/>'
        f'<text x="{MARGIN}" y="{MARGIN - 6}">{high:.4g}</text><text x="{MARGIN}" y="{HEIGHT - 8}">{low:.4g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 8}" text-anchor="end">step {right:,.0f}</text></svg>'
    )


def _image(path: Path) -> str:
    return f'<img alt="samples" src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
