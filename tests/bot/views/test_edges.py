"""Painting beyond the edges: sizes, canvases, masks; and the seam of what the shipped model paints."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bot.errors import Refused
from bot.models.job import JobRow
from bot.pictures.outpainting import BAND, WIDEST, centre_square, outpaint_canvas, tiled
from bot.views.community.edges import SIDES, ZOOM, can_outpaint, outpaint, plan, squared
from engine.catalogue.models import MODELS
from engine.images.pictures import to_png
from engine.requests.request import build_request
from tests.bot import samples

PRIMER = MODELS["primer"]


def pixels(png: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(png))).astype(np.int16)


def gradient(width: int = 256, height: int = 192) -> bytes:
    across = np.linspace(0, 255, width)[None, :, None]
    down = np.linspace(0, 255, height)[:, None, None]
    return to_png(Image.fromarray(((across + down) / 2 * np.ones((1, 1, 3))).astype(np.uint8)))


def result(width: int = 256, height: int = 192, **options: object) -> JobRow:
    job = samples.done()
    request = build_request(
        "a red castle", seed=1, size=f"{width}x{height}", settings={k: str(v) for k, v in options.items()}
    )
    picture = replace(job.pictures[0], width=width, height=height)
    return replace(job, request=request, pictures=(picture,))


@pytest.mark.parametrize(
    ("way", "size", "at"),
    [
        ("left", (384, 192), (128, 0)),
        ("right", (384, 192), (0, 0)),
        ("up", (256, 320), (0, 128)),
        ("down", (256, 320), (0, 0)),
    ],
)
def test_a_picture_grows_by_about_half_of_its_side(way: str, size: tuple[int, int], at: tuple[int, int]) -> None:
    planned = plan(result().pictures[0], PRIMER, way, 1024)
    assert (size, at, 1.0) == (planned.size, planned.at, planned.scale)


@given(st.sampled_from(range(192, 513, 64)), st.sampled_from(range(192, 513, 64)), st.sampled_from([*SIDES, ZOOM]))
def test_every_plan_is_a_size_that_the_model_paints(width: int, height: int, way: str) -> None:
    picture = result(width, height).pictures[0]
    try:
        planned = plan(picture, PRIMER, way, 512)
    except Refused as refused:
        assert "at most 512 pixels" in str(refused)
        assert 512 in (width, height)
        return
    PRIMER.check_size(*planned.size)
    canvas = outpaint_canvas(gradient(width, height), planned.size, planned.at, planned.scale)
    assert planned.size == Image.open(io.BytesIO(canvas.init)).size == Image.open(io.BytesIO(canvas.mask)).size


def test_the_hosts_limit_counts() -> None:
    with pytest.raises(Refused, match="at most 256 pixels wide here"):
        plan(result().pictures[0], PRIMER, "left", 300)


def test_the_picture_stays_and_the_mask_fades_into_it() -> None:
    png = gradient()
    canvas = outpaint_canvas(png, (384, 192), (128, 0))
    init, mask = pixels(canvas.init), pixels(canvas.mask)[..., 0]

    assert (init[:, 128:] == pixels(png)).all()
    assert (init[:, :128] == init[:, 128:129]).all()
    assert (mask[:, :128] == 255).all()
    band = 256 // BAND
    assert (mask[:, 128 + band :] == 0).all()
    assert (np.diff(mask[0, 127 : 128 + band + 1]) < 0).all()


def test_zooming_out_fades_on_all_sides() -> None:
    planned = plan(result().pictures[0], PRIMER, ZOOM, 1024)
    canvas = outpaint_canvas(gradient(), planned.size, planned.at, planned.scale)
    mask = pixels(canvas.mask)[..., 0]
    assert (256, 192) == planned.size
    assert 0 == mask[96, 128]
    assert {255} == {*mask[0], *mask[-1], *mask[:, 0], *mask[:, -1]}


def test_the_request_keeps_words_and_options_that_do_not_fight_with_the_canvas() -> None:
    job = result(seamless="both", steps=30)
    request, canvas = outpaint(job, job.pictures[0], gradient(), "right", 1024)
    assert job.request.prompts == request.prompts
    assert (384, 192, 30) == (request.width, request.height, request.options.steps)
    assert ("none", 0) == (request.options.seamless, request.options.skip_steps)
    assert (canvas.init_sha256, canvas.mask_sha256) == (request.init_image, request.mask_image)
    type(request).model_validate(request.model_dump())


def test_only_methods_with_masks_paint_beyond_edges() -> None:
    assert can_outpaint(result().request)
    assert not can_outpaint(samples.done(method="pixels").request)
    assert not can_outpaint(samples.enlarged().request)
    job = samples.done(method="pixels")
    with pytest.raises(Refused, match="clip_diffusion can"):
        outpaint(job, job.pictures[0], gradient(256, 256), "left", 1024)


def test_a_square_is_the_middle_and_a_pattern_is_two_by_two() -> None:
    png = gradient()
    assert (pixels(centre_square(png)) == pixels(png)[:, 32:224]).all()
    sheet = pixels(tiled(png))
    assert (384, 512) == sheet.shape[:2]
    assert (sheet[192:, 256:] == pixels(png)).all()
    job = result()
    assert (192, 192) == (squared(job, job.pictures[0]).width, squared(job, job.pictures[0]).height)


def steps_across(picture: NDArray[np.int16], column: int) -> float:
    """The median colour step over all rows from *column* - 1 to *column*."""
    return float(np.median(np.abs(picture[:, column] - picture[:, column - 1]).mean(-1)))


def test_no_seam_is_painted() -> None:
    from engine.worker.in_process import InProcessEngine  # imports torch

    engine = InProcessEngine(device="cpu", threads="1")
    try:
        job = result(256, 192, steps=8)
        png = engine.paint(job.request).pictures[0].png  # type: ignore[arg-type]
        request, canvas = outpaint(job, job.pictures[0], png, "right", 1024)
        images = {canvas.init_sha256: canvas.init, canvas.mask_sha256: canvas.mask}
        requests = [request.model_copy(update={"seed": seed}) for seed in (1, 2, 3)]
        painted = [pixels(engine.paint(each, images).pictures[0].png) for each in requests]
    finally:
        engine.close()

    kept = 256 - 256 // BAND
    seams = []
    for extended in painted:
        inside = [steps_across(extended, column) for column in range(1, kept)]
        usual = float(np.quantile(inside, 0.95)) + 1
        seams.append(max(steps_across(extended, column) for column in (kept, 256)) / usual)
        assert np.abs(extended[:, :kept] - pixels(png)[:, :kept]).mean() < 8  # the picture stays
        abrupt = extended.copy()
        abrupt[:, 256:] = 255 - abrupt[:, 256:]
        assert steps_across(abrupt, 256) > 2 * usual  # what the measure would find
    assert max(seams) <= 2, seams


def test_the_pattern_of_a_large_picture_has_a_limit() -> None:
    sheet = Image.open(io.BytesIO(tiled(to_png(Image.new("RGB", (WIDEST, WIDEST // 4))))))

    assert (WIDEST, WIDEST // 4) == sheet.size
