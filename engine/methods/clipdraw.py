"""CLIPDraw: strokes of a pen or a brush, moved by CLIP alone; sharp at any size.

Frans, Soros & Witkowski 2021 (arXiv 2106.14843): Adam optimises the points, widths, colours and opacities of Bézier
curves by CLIP's gradient. CLIP sees a small drawing; the final one is rendered at full size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from PIL import Image, ImageColor
from torch import Tensor

from engine.catalogue.models import Model
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import noise, to_image, to_signed, to_tensor, uniform
from engine.methods._drawing.canvas import CanvasImage, CanvasMethod
from engine.methods._drawing.stroke_renderer import Strokes, draw, strokes_on_edges
from engine.requests.request import ClipdrawOptions, DreamRequest


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


LARGEST_SIDE = 224
"""Longer side in pixels of the drawing that CLIP sees: the input size of most CLIPs."""
INKS: Mapping[str, tuple[float, ...]] = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0)}
PAPERS: Mapping[str, str] = {"white": "#ffffff", "black": "#101014", "cream": "#f6efdf"}
REACH = 0.1
"""Maximum initial distance between two control points along each axis, in units of the longer side."""
THINNEST, THICKEST = 0.25, 4.0
"""Limits of a stroke's width, in units of the initial one."""
EDGE_REACH = 0.2
"""Length of an initial stroke along an edge, in units of the longer side."""
PALEST = 0.3
"""Minimum initial opacity."""
POINT_RATE, WIDTH_RATE, COLOUR_RATE = 1 / 224, 0.1 / 224, 0.01
"""Learning rates of the paper for points (1 pixel of 224), widths and colours."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Layout of the parameters. Each stroke has its points, width, red, green, blue and opacity."""

    height: int
    width: int
    """Size in pixels of the drawing that CLIP sees."""
    full_height: int
    full_width: int
    """Size in pixels of the final drawing."""
    strokes: int
    curves: int
    stroke_width: float
    """In units of the longer side."""
    ink: str
    paper: str

    @property
    def coordinates(self) -> int:
        return 2 * (3 * self.curves + 1)

    @property
    def corner(self) -> tuple[float, float]:
        """x and y of the lower right corner, in units of the longer side."""
        longer = max(self.height, self.width)
        return self.width / longer, self.height / longer

    def paint(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1]."""
        return to_signed(self._drawn(parameters, (self.height, self.width)))

    def rates(self) -> Tensor:
        """Learning rate of each parameter, [P]; 0 for the colour of a fixed ink."""
        colour = 0.0 if self.ink in INKS else COLOUR_RATE
        one = [POINT_RATE] * self.coordinates + [WIDTH_RATE] + [colour] * 3 + [COLOUR_RATE]
        return torch.tensor(one).repeat(self.strokes)

    def settle(self, parameters: Tensor) -> Tensor:
        """Clamps widths, colours and opacities to their ranges; points may leave the sheet."""
        points, width, rest = self._parts(parameters)
        width = width.clamp(THINNEST * self.stroke_width, THICKEST * self.stroke_width)
        return torch.cat([points, width, rest.clamp(0, 1)], dim=-1).flatten(-2)

    @torch.no_grad()
    def finish(self, parameters: Tensor) -> Image.Image:
        """[P] → the drawing at full size."""
        return to_image(self._drawn(parameters[None], (self.full_height, self.full_width))[0])

    def svg(self, parameters: Tensor) -> str:
        """[P] → the drawing as an SVG of the final size: one path per stroke."""
        size = (self.full_width, self.full_height)
        return strokes_to_svg(self._strokes(parameters.detach().cpu()), PAPERS[self.paper], size)

    def _drawn(self, parameters: Tensor, size: tuple[int, int]) -> Tensor:
        paper = torch.tensor(ImageColor.getrgb(PAPERS[self.paper])) / 255
        return draw(self._strokes(parameters), paper.to(parameters), size)

    def _strokes(self, parameters: Tensor) -> Strokes:
        points, width, rest = self._parts(parameters)
        return Strokes(points.reshape(*points.shape[:-1], -1, 2), width[..., 0], rest[..., :3], rest[..., 3])

    def _parts(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[..., P] → points [..., S, 2V], width [..., S, 1], colour and opacity [..., S, 4]."""
        by_stroke = parameters.reshape(*parameters.shape[:-1], self.strokes, -1)
        points, width, rest = torch.split(by_stroke, [self.coordinates, 1, 4], dim=-1)
        return points, width, rest


class Clipdraw(CanvasMethod[Sheet]):
    name = "clipdraw"

    def canvas(self, request: DreamRequest, model: Model) -> Sheet:
        """A sheet whose drawing for CLIP has at most `LARGEST_SIDE` pixels per side."""
        options = request.options
        assert isinstance(options, ClipdrawOptions)
        scale = max(model.scale, math.ceil(max(request.height, request.width) / LARGEST_SIDE))
        return Sheet(
            request.height // scale,
            request.width // scale,
            request.height,
            request.width,
            options.strokes,
            options.curves,
            options.stroke_width / 100,
            options.ink,
            options.paper,
        )

    def first(self, request: DreamRequest, canvas: Sheet, images: Mapping[str, bytes], index: int) -> Tensor:
        """Short strokes at random places, with random colours; of an init image, its colours and perhaps its edges."""
        draws = uniform(request.seed, index, 0, "strokes", (canvas.strokes, 6))
        start = draws[:, None, :2] * torch.tensor(canvas.corner)
        way = REACH * (2 * uniform(request.seed, index, 0, "ways", (canvas.strokes, 3 * canvas.curves, 2)) - 1)
        points = torch.cat([start, start + way.cumsum(1)], dim=1)
        width = canvas.stroke_width * (0.25 * noise(request.seed, index, 0, "widths", (canvas.strokes, 1))).exp()
        colours = draws[:, 2:5]
        if request.init_image:
            picture = to_tensor(
                fit(open_own(images[request.init_image]), canvas.width, canvas.height, request.options.init_fit)
            )
            longer = max(canvas.height, canvas.width)
            if isinstance(request.options, ClipdrawOptions) and request.options.placement == "edges":
                found = strokes_on_edges(picture, draws[:, 0], 3 * canvas.curves + 1, EDGE_REACH * longer)
                points = found / longer
            colours = _colours_at(picture, points[:, len(points[0]) // 2] * longer)
        if canvas.ink in INKS:
            colours = torch.tensor(INKS[canvas.ink]).expand(canvas.strokes, 3)
        opacity = PALEST + (1 - PALEST) * draws[:, 5:]
        return canvas.settle(torch.cat([points.flatten(1), width, colours, opacity], dim=1).flatten())

    def extra_facts(self, state: CanvasImage) -> dict[str, object]:
        canvas = state.generator_key
        assert isinstance(canvas, Sheet)
        return {"svg": canvas.svg(state.parameters)}


METHOD = Clipdraw()


def _colours_at(picture: Tensor, places: Tensor) -> Tensor:
    """Colours of *picture* [3, H, W] at *places* [S, 2] in pixels: [S, 3]."""
    x, y = places.long().unbind(1)
    return picture[:, y.clamp(0, picture.shape[1] - 1), x.clamp(0, picture.shape[2] - 1)].T
