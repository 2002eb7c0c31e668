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
from engine.methods._canvas import CanvasMethod
from engine.methods._stroke_renderer import Strokes, draw
from engine.requests.request import ClipdrawOptions, DreamRequest

LARGEST_SIDE = 224
"""Longer side in pixels of the drawing that CLIP sees: the input size of most CLIPs."""
INKS: Mapping[str, tuple[float, ...]] = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0)}
PAPERS: Mapping[str, str] = {"white": "#ffffff", "black": "#101014", "cream": "#f6efdf"}
REACH = 0.1
"""Maximum initial distance between two control points along each axis, in units of the longer side."""
THINNEST, THICKEST = 0.25, 4.0
"""Limits of a stroke's width, in units of the initial one."""
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
        """Number of coordinates of one stroke."""
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

    def _drawn(self, parameters: Tensor, size: tuple[int, int]) -> Tensor:
        points, width, rest = self._parts(parameters)
        strokes = Strokes(points.reshape(*points.shape[:-1], -1, 2), width[..., 0], rest[..., :3], rest[..., 3])
        paper = torch.tensor(ImageColor.getrgb(PAPERS[self.paper])) / 255
        return draw(strokes, paper.to(parameters), size)

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
        """Short strokes at random places, with random colours or those of the init image at their first point."""
        lots = uniform(request.seed, index, 0, "strokes", (canvas.strokes, 6))
        start = lots[:, None, :2] * torch.tensor(canvas.corner)
        way = REACH * (2 * uniform(request.seed, index, 0, "ways", (canvas.strokes, 3 * canvas.curves, 2)) - 1)
        points = torch.cat([start, start + way.cumsum(1)], dim=1).flatten(1)
        width = canvas.stroke_width * (0.25 * noise(request.seed, index, 0, "widths", (canvas.strokes, 1))).exp()
        colours = lots[:, 2:5]
        if request.init_image:
            image = fit(open_own(images[request.init_image]), canvas.width, canvas.height, request.options.init_fit)
            colours = _colours_at(image, canvas, start[:, 0])
        if canvas.ink in INKS:
            colours = torch.tensor(INKS[canvas.ink]).expand(canvas.strokes, 3)
        opacity = PALEST + (1 - PALEST) * lots[:, 5:]
        return canvas.settle(torch.cat([points, width, colours, opacity], dim=1).flatten())


METHOD = Clipdraw()


def _colours_at(image: Image.Image, canvas: Sheet, places: Tensor) -> Tensor:
    """Colours of *image* (of the size of *canvas*) at *places* [S, 2] in units of the longer side: [S, 3]."""
    picture = to_tensor(image)
    x, y = (places * max(canvas.height, canvas.width)).long().unbind(1)
    return picture[:, y.clamp(max=canvas.height - 1), x.clamp(max=canvas.width - 1)].T
