"""Pixel art: cells, palettes, dithering, outlines, symmetry, seams; against numbers that are written out here."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import InvalidRequest
from engine.images.pictures import to_png
from engine.methods import Finished, pixel_art
from engine.methods._drawing.cells import Cells, contoured, dither_pattern, palette_of, quantised, spread_palette
from engine.methods.pixel_art import METHOD, CellSheet, cell_side, sprite_of
from engine.requests.options.pixel_art import PALETTES, read_palette
from engine.requests.request import build_request
from tests.engine.shell import Shell
from tests.engine.tiny import job_of, paint, tiny_runtime

SHAPES = ("square", "hex", "triangle", "knit")
ORANGE = "f" * 64


def images() -> dict[str, bytes]:
    picture = Image.new("RGB", (64, 64), (255, 128, 0))
    picture.paste((0, 0, 255), (0, 0, 32, 64))
    return {ORANGE: to_png(picture)}


def finished(settings: dict[str, str], **request: object) -> tuple[Image.Image, object]:
    """The image of a quick job, and its request."""
    chosen = {"steps": "5", "cutouts": "2", "cells": "8", **settings}
    job = job_of("a red circle", chosen, **{"method": "pixel_art", "seed": 7, "size": "192x192", **request})  # type: ignore[arg-type]
    (step,) = paint(METHOD, METHOD.begin(job, images(), RUNTIME), RUNTIME)
    assert isinstance(step, Finished)
    return step.image, job.request


RUNTIME = tiny_runtime()


def colours_of(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(colour) for _, colour in image.getcolors(1 << 16) or ()}  # type: ignore[misc]


def test_a_cell_is_a_whole_number_of_pixels() -> None:
    assert [8, 8, 6, 2, 16] == [
        cell_side(256, 256, 32), cell_side(192, 256, 30), cell_side(192, 192, 30), cell_side(256, 256, 128),
        cell_side(512, 192, 40),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_cells_cover_the_picture_evenly_and_tile(shape: str) -> None:
    cells = Cells(shape, 8, 6)
    where = cells.map(20)
    area = torch.bincount(where.flatten(), minlength=cells.count).float() / (400 / (cells.across // 8))

    assert (120, 160) == tuple(where.shape) and cells.count == len(area)
    assert 0.9 < area.min() and area.max() < 1.1
    twice = torch.cat([where, where], dim=1)
    for cell in (0, cells.across - 1, cells.count - 1):
        assert _pieces(twice == cell) <= 3, "a cell at the edge goes on at the other edge"


def _pieces(mask: torch.Tensor) -> int:
    """Runs of columns in which there is something."""
    columns = mask.any(0).int().tolist()
    return sum(1 for before, after in pairwise([0, *columns]) if after > before)


def test_the_patterns_are_those_that_their_names_say() -> None:
    assert torch.equal(Cells("square", 2, 2).map(2), torch.tensor([[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2))
    hexagons, triangles, knit = (Cells(shape, 4, 4).map(24) for shape in SHAPES[1:])
    assert 3 == len(hexagons[8:40, 24:48].unique()), "each corner is shared by three hexagons"
    assert 0 == hexagons[12, 12] and 4 == hexagons[36, 24] and 4 == hexagons[36, 35], "odd rows are shifted by half"
    assert [0, 0, 0] == [int(triangles[1, 12]), int(triangles[22, 2]), int(triangles[22, 21])], "points up"
    assert 7 == triangles[1, 1] and 1 == triangles[1, 23], "and its neighbours down, the first from the other edge"
    low, high = (int((knit[:, column] == 4).nonzero()[0]) for column in (12, 0))
    assert 12 == pytest.approx(low - high, abs=1), "a stitch rises by half a cell to its sides"


@pytest.mark.parametrize("shape", SHAPES)
def test_mirrored_cells_make_a_mirrored_picture(shape: str) -> None:
    cells = Cells(shape, 8, 6)
    colours = torch.rand(cells.count)
    shown = colours[cells.mirror(True, False)][cells.map(16)]
    below = colours[cells.mirror(False, True)].reshape(cells.rows, -1)

    assert 0.97 < (shown == shown.flip(1)).float().mean(), "but for single pixels on slanted edges"
    assert torch.equal(below, below.flip(0))


def test_the_nearest_colour_is_chosen_and_its_gradient_is_passed_on() -> None:
    palette = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 1]]], requires_grad=True)
    colours = torch.tensor([[[0.6, 0.1, 0.2], [0.9, 0.8, 0.9], [0.2, 0, 0]]], requires_grad=True)
    found = quantised(colours, palette, None)
    found[0, 0].sum().backward()

    assert torch.allclose(torch.tensor([[[1.0, 0, 0], [1, 1, 1], [0, 0, 0]]]), found)
    assert [1.0, 0, 0] == colours.grad[0, :, 0].tolist() == [palette.grad[0, row, 0].item() for row in (1, 0, 2)]  # type: ignore[index]


@pytest.mark.parametrize("kind, levels", [("checker", 3), ("bayer", 17)])
def test_dithering_mixes_two_colours_in_steps(kind: str, levels: int) -> None:
    pattern = dither_pattern(kind, 8, 8)
    black_and_white = torch.tensor([[[0.0] * 3, [1.0] * 3]])
    shares = [
        float(quantised(torch.full((1, 64, 3), level), black_and_white, pattern).mean().detach())
        for level in np.linspace(0.001, 0.999, 101)
    ]

    assert sorted(shares) == shares and levels == len(set(shares))
    assert dither_pattern("none", 8, 8) is None


def test_contours_darken_the_dark_side_of_an_edge() -> None:
    colours = torch.full((1, 4, 4, 3), 0.3)
    colours[:, :, 2:] = 0.9
    found = contoured(colours.reshape(1, 16, 3), 4, 4).reshape(4, 4, 3)[..., 0]

    assert torch.allclose(torch.tensor([0.3, 0.075, 0.9, 0.9]), found[1], atol=0.01)


def test_palettes_come_by_name_as_a_list_or_from_a_picture() -> None:
    assert ((0, 0, 0), (255, 136, 0)) == read_palette("#000000+ff8800+#000000")
    assert {4, 2, 16, 15} >= {len(read_palette(name)) for name in PALETTES}
    found = palette_of(Image.open(io.BytesIO(images()[ORANGE])), 4)
    assert {(255, 128, 0), (0, 0, 255)} == {tuple(round(255 * part) for part in row) for row in found.tolist()}
    far = spread_palette(torch.rand(160, 3, generator=torch.Generator().manual_seed(0)))
    assert (10, 3) == tuple(far.shape) and 0.3 < torch.pdist(far).min()
    for text, words in (
        ("pico", "did you mean “pico8”"),
        ("#123", "not a colour of six"),
        ("#000000", "2 to 64 different colours, not 1"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            build_request("an owl", method="pixel_art", settings={"palette": text})


def test_options_without_effect_are_refused() -> None:
    for settings, words in (
        ({"palette": "picture"}, "needs an init or a target picture"),
        ({"palette": "free", "dither": "bayer"}, "palette=free has none"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            build_request("an owl", method="pixel_art", settings=settings)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_parameter_is_reached_by_the_gradient(shape: str) -> None:
    sheet = CellSheet(Cells(shape, 8, 8), 24, 3, True, "none", "shapes", "none")
    parameters = 0.4 * torch.randn(2, sum(sheet.pyramid.sizes) + 9, generator=torch.Generator().manual_seed(1))
    parameters[:, -9:] = torch.tensor([0.3, 0.3, 0.3, 0.5, 0.5, 0.5, 0.7, 0.7, 0.7])
    parameters.requires_grad_()
    painted = sheet.paint(parameters)
    (painted * torch.rand(painted.shape, generator=torch.Generator().manual_seed(2))).sum().backward()

    assert parameters.grad is not None and (parameters.grad[:, :-9] != 0).all()
    assert (parameters.grad[:, -9:] != 0).any(0).all(), "a colour that no cell has waits"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_finished_picture_is_crisp_and_has_the_colours_of_the_palette(shape: str) -> None:
    image, request = finished({"shape": shape, "palette": "gameboy", "dither": "bayer"})
    sprite = sprite_of(image, request)  # type: ignore[arg-type]
    palette = set(read_palette("gameboy"))

    assert (192, 192) == image.size and (16 if shape == "triangle" else 8, 8) == sprite.size
    assert colours_of(sprite) <= palette
    if shape == "square":
        assert np.array_equal(np.asarray(sprite.resize((192, 192), Image.Resampling.NEAREST)), np.asarray(image))
    if shape != "knit":
        assert colours_of(image) <= palette


def test_lines_between_cells_do_not_reach_the_sprite() -> None:
    image, request = finished({"palette": "bw", "outlines": "cells"})

    assert {(127, 127, 127), (128, 128, 128)} & colours_of(image)
    assert colours_of(sprite_of(image, request)) <= {(0, 0, 0), (255, 255, 255)}  # type: ignore[arg-type]


def test_an_init_picture_gives_cells_and_palette() -> None:
    settings = {"palette": "picture", "colours": "2", "learning_rate": "0.0001"}
    image, _ = finished(settings, init_image=ORANGE)

    assert {(255, 128, 0), (0, 0, 255)} == colours_of(image)
    assert [(0, 0, 255), (255, 128, 0)] == [image.getpixel((x, 9)) for x in (9, 180)]


def test_a_fixed_palette_stays_and_a_learned_one_moves() -> None:
    def colours(palette: str) -> torch.Tensor:
        settings = {"steps": "6", "cutouts": "2", "cells": "8", "palette": palette, "colours": "4"}
        job = job_of("a red circle", settings, method="pixel_art", seed=7, size="192x192")
        (state,) = METHOD.begin(job, {}, RUNTIME)
        before = state.parameters[-12:].clone()
        paint(METHOD, [state], RUNTIME)
        return state.parameters[-12:] - before

    assert 0 == colours("gameboy").abs().max() < colours("learned").abs().max()


def test_a_seamless_picture_is_seen_at_another_offset_in_each_step() -> None:
    job = job_of("a red circle", {"cells": "8", "seamless": "across"}, method="pixel_art", seed=7)
    (state,) = METHOD.begin(job, {}, RUNTIME)
    offsets = []
    for state.step in range(8):
        moved = METHOD.offsets([state], (96, 96))
        assert moved is not None and 0 == moved[0] and 0 <= moved[1] < 96
        offsets.append(int(moved[1]))

    assert len(set(offsets)) > 4
    plain = METHOD.begin(job_of("an owl", {"cells": "8"}, method="pixel_art", seed=7), {}, RUNTIME)
    assert METHOD.offsets(plain, (96, 96)) is None


def test_the_shell_writes_the_sprite_beside_the_picture(shell: Shell) -> None:
    order = ("dream", "an owl", "--seed", 3, "--steps", 5, "--size", "192x192", "--out", "a.png")
    said = shell(*order, "--method", "pixel_art", "--set", "cells=16", "--count", 2, "--sprite")

    assert 0 == said.status, said.err
    assert [(16, 16)] * 2 == [Image.open(f"a-{index}-sprite.png").size for index in range(2)]
    refused = shell(*order, "--method", "pixels", "--sprite")
    assert (2, True) == (refused.status, "--sprite needs the method pixel_art." in refused.err)
    assert not Path("a.png").exists()
    assert "Equal" in shell("dream", "--replay", "a-1.png").err
    assert pixel_art.METHOD.name == "pixel_art"
