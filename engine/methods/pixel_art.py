"""Pixel art: squares, hexagons, triangles or stitches of a few colours, moved by CLIP alone; crisp at its size.

After the PixelDrawer of pixray (dribnet 2021). A pyramid of colour grids gives every cell a colour; the nearest colour
of the palette replaces it, and CLIP sees what will be finished. A learned palette is optimised beside the cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import before_tanh, noise, to_image, to_signed, to_tensor, to_unit, uniform
from engine.methods._drawing.canvas import CanvasImage, CanvasMethod, Pyramid
from engine.methods._drawing.cells import LINE, Cells, contoured, dither_pattern, palette_of, quantised, spread_palette
from engine.methods._shared import seam_offsets
from engine.requests.options.pixel_art import LEARNED, PICTURE, PixelArtOptions
from engine.requests.request import DreamRequest

SEEN_SIDE = 96
"""Pixels of the longer side that CLIP sees, at least."""
LEAST_SEEN = {"square": 1, "hex": 6, "triangle": 6, "knit": 4}
"""Pixels of a cell that CLIP sees, at least, where it has as many."""
SPREAD = 0.3
"""Standard deviation of the initial parameters of each grid."""
PALETTE_RATE = 0.2
"""Learning rate of the palette over that of the cells."""


@dataclass(frozen=True, slots=True)
class CellSheet:
    """Layout of the parameters: a pyramid of the cells' colours, then red, green and blue of each palette colour."""

    cells: Cells
    side: int
    """Width of a cell in the finished picture."""
    colours: int
    """Number of palette colours; 0 = not limited."""
    learns: bool
    """Whether the palette is optimised."""
    dither: str
    outlines: str
    symmetry: str

    @property
    def pyramid(self) -> Pyramid:
        return Pyramid(self.cells.rows, self.cells.across)

    @property
    def seen_side(self) -> int:
        """Width of a cell in the picture that CLIP sees."""
        longer = max(self.cells.columns, self.cells.rows)
        return min(max(math.ceil(SEEN_SIDE / longer), LEAST_SEEN[self.cells.shape]), self.side)

    def sprite(self, parameters: Tensor) -> Tensor:
        """[N, P] → colours of the cells, [N, cells, 3] in [0, 1]."""
        grids, palette = torch.split(parameters, [sum(self.pyramid.sizes), 3 * self.colours], dim=1)
        colours = to_unit(self.pyramid.summed(grids).tanh()).flatten(2).transpose(1, 2)
        if self.symmetry != "none":
            axes = self.symmetry in ("vertical", "both"), self.symmetry in ("horizontal", "both")
            colours = colours[:, self.cells.mirror(*axes).to(colours.device)]
        if self.colours:
            pattern = dither_pattern(self.dither, self.cells.rows, self.cells.across)
            colours = quantised(
                colours, palette.reshape(len(palette), -1, 3), None if pattern is None else pattern.to(colours)
            )
        if self.outlines == "shapes":
            colours = contoured(colours, self.cells.rows, self.cells.across)
        return colours

    def paint(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1]: the picture that CLIP sees."""
        return to_signed(self._drawn(self.sprite(parameters), self.seen_side))

    def rates(self) -> Tensor:
        """[P]; 0 for a fixed palette."""
        rate = PALETTE_RATE if self.learns else 0.0
        return torch.cat([torch.ones(sum(self.pyramid.sizes)), torch.full((3 * self.colours,), rate)])

    def settle(self, parameters: Tensor) -> Tensor:
        """Clamps the palette to [0, 1]."""
        grids, palette = torch.split(parameters, [sum(self.pyramid.sizes), 3 * self.colours], dim=1)
        return torch.cat([grids, palette.clamp(0, 1)], dim=1)

    @torch.no_grad()
    def finish(self, parameters: Tensor) -> Image.Image:
        """[P] → the image; every cell is *side* pixels wide."""
        return to_image(self._drawn(self.sprite(parameters[None]), self.side)[0])

    def _drawn(self, colours: Tensor, side: int) -> Tensor:
        """Colours [N, cells, 3] → [N, 3, H, W]; lines are a pixel of the finished picture wide."""
        drawn = colours[:, self.cells.map(side).to(colours.device)].permute(0, 3, 1, 2)
        if self.outlines == "cells" or self.cells.shape == "knit":
            drawn = drawn * (1 - LINE * side / self.side * self.cells.lines(side).to(drawn))
        return drawn


class PixelArt(CanvasMethod[CellSheet]):
    name = "pixel_art"

    def canvas(self, request: DreamRequest, model: Model) -> CellSheet:
        """Cells as near to the wanted number as whole pixels allow."""
        options = request.options
        assert isinstance(options, PixelArtOptions)
        side = cell_side(request.width, request.height, options.cells)
        return CellSheet(
            Cells(options.shape, request.width // side, request.height // side),
            side,
            options.size_of_palette,
            options.palette == LEARNED,
            options.dither,
            options.outlines,
            options.symmetry,
        )

    def first(self, request: DreamRequest, canvas: CellSheet, images: Mapping[str, bytes], index: int) -> Tensor:
        """Faint random colours or those of the init image, and the palette."""
        options = request.options
        assert isinstance(options, PixelArtOptions)
        init = open_own(images[request.init_image]) if request.init_image else None
        if init is None:
            cells = SPREAD * noise(request.seed, index, 0, "colours", (sum(canvas.pyramid.sizes),))
        else:
            cells = _cells_of(fit(init, request.width, request.height, options.init_fit), canvas)
        if options.palette == PICTURE or (options.palette == LEARNED and init):
            palette = palette_of(init or open_own(images[request.target_image]), canvas.colours)
        elif options.palette == LEARNED:
            palette = spread_palette(uniform(request.seed, index, 0, "palette", (16 * canvas.colours, 3)))
        else:
            palette = torch.tensor(options.listed, dtype=torch.float32) / 255
        return torch.cat([cells, palette.flatten()])

    def offsets(self, batch: Sequence[CanvasImage], sides: tuple[int, int]) -> tuple[Tensor, Tensor] | None:
        """Another offset in each step along the seamless axes."""
        return seam_offsets(batch, sides)


METHOD = PixelArt()


def sprite_of(image: Image.Image, request: DreamRequest) -> Image.Image:
    """The cells of a finished image, one pixel each, row by row."""
    canvas = METHOD.canvas(request, MODELS[request.model])
    cells, side = canvas.cells, canvas.side
    plain = cells.lines(side).flatten() == 0  # a line may have another colour
    where = cells.map(side).flatten()[plain]
    pixels = to_tensor(image).flatten(1)[:, plain]
    colours = torch.zeros(3, cells.count).index_copy_(1, where, pixels)
    return to_image(colours.reshape(3, cells.rows, cells.across))


def cell_side(width: int, height: int, cells: int) -> int:
    """The whole number of pixels that divides both sides and comes nearest to *cells* along the longer one."""
    common = math.gcd(width, height)
    wanted = max(width, height) / cells
    able = [side for side in range(1, common + 1) if common % side == 0]
    return min(able, key=lambda side: abs(math.log(side / wanted)))


def _cells_of(image: Image.Image, canvas: CellSheet) -> Tensor:
    """The mean colour of *image* (of the finished size) in every cell, as parameters of the pyramid."""
    where = canvas.cells.map(canvas.side).flatten()
    pixels = to_signed(to_tensor(image)).flatten(1)
    total = torch.zeros(3, canvas.cells.count).index_add_(1, where, pixels)
    mean = total / torch.bincount(where, minlength=canvas.cells.count).clamp(min=1)
    return canvas.pyramid.of(before_tanh(mean).reshape(3, canvas.cells.rows, canvas.cells.across))
