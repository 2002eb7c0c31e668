"""Strokes as SVG: what the renderer draws, without pixels."""

from __future__ import annotations

from torch import Tensor

from engine.methods._drawing.stroke_renderer import Strokes


def strokes_to_svg(strokes: Strokes, paper: str, size: tuple[int, int]) -> str:
    """The strokes of one image (tensors without N) on *paper*, a CSS colour; *size* = (width, height) in pixels."""
    width, height = size
    longer, sides = max(size), f'width="{width}" height="{height}"'
    paths = [
        f'<path d="{_way(points * longer)}" stroke="{_hex(colour)}" stroke-width="{stroke * longer:.3g}" '
        f'stroke-opacity="{opacity:.3g}"/>'
        for points, colour, stroke, opacity in zip(
            strokes.points, strokes.colours, strokes.widths.tolist(), strokes.opacities.tolist(), strict=True
        )
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {sides} viewBox="0 0 {width} {height}">',
            f'<rect {sides} fill="{paper}"/>',
            '<g fill="none" stroke-linecap="round" stroke-linejoin="round">',
            *paths,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _way(points: Tensor) -> str:
    """[3K + 1, 2] → ``M0 0C1 1 2 2 3 3``."""
    texts = [f"{x:.2f} {y:.2f}" for x, y in points.tolist()]
    return f"M{texts[0]}C{' '.join(texts[1:])}"


def _hex(colour: Tensor) -> str:
    red, green, blue = (colour.clamp(0, 1) * 255).round().int().tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
