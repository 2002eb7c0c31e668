"""Painting beyond a picture's edges, and other changes of its frame: which request, on which canvas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import Refused
from bot.models.job import JobRow, PictureRow
from bot.pictures.outpainting import OutpaintCanvas, outpaint_canvas
from bot.requests.derive import new_seed, single_request
from engine.catalogue.models import MODELS, Model
from engine.errors import InvalidRequest
from engine.requests.request import DreamRequest

SIDES = ("left", "right", "up", "down")
ZOOM = "zoom"
ZOOMED = 2 / 3
"""Scale of the picture after zooming out."""
GROWTH = 0.5
"""Share of a side by which the picture grows."""
OFF: Mapping[str, object] = {
    "skip_steps": 0,
    "perlin": "none",
    "symmetry": "none",
    "seamless": "none",
    "init_fit": "crop",
}
"""Options that would fight with the canvas."""


@dataclass(frozen=True, slots=True)
class OutpaintPlan:
    """The new size, the position of the picture in it, and its scale."""

    size: tuple[int, int]
    at: tuple[int, int]
    scale: float = 1.0


def can_outpaint(request: object) -> bool:
    """Whether the method of a request paints by a mask."""
    if not isinstance(request, DreamRequest) or request.model not in MODELS:
        return False
    try:
        request.options.model_copy(update=_off(request)).check(
            has_init=True, has_mask=True, has_target=bool(request.target_image)
        )
    except InvalidRequest:
        return False
    return True


def plan(picture: PictureRow, model: Model, way: str, most: int) -> OutpaintPlan:
    """How the picture is extended to one of `SIDES`, or zoomed out; *most*: the longest side that is allowed.

    Raises Refused where the model cannot paint anything larger.
    """
    width, height = picture.width, picture.height
    if way == ZOOM:
        step = 2 * model.scale
        at = tuple(round(side * (1 - ZOOMED) / 2 / step) * step for side in (width, height))
        return OutpaintPlan((width, height), (at[0], at[1]), (width - 2 * at[0]) / width)
    side = width if way in ("left", "right") else height
    limit = min(model.largest, most) // model.multiple * model.multiple
    more = min(max(round(side * GROWTH / model.multiple), 1) * model.multiple, limit - side)
    if more < model.multiple:
        what = "wide" if way in ("left", "right") else "high"
        raise Refused(f"{model.subject} paints at most {limit} pixels {what} here. Zoom out keeps the size.")
    size = (width + more, height) if way in ("left", "right") else (width, height + more)
    return OutpaintPlan(size, (more if way == "left" else 0, more if way == "up" else 0))


def outpaint_size(job: JobRow, picture: PictureRow, way: str, most: int) -> tuple[DreamRequest, OutpaintPlan]:
    """The request of the new size without its pictures, to be checked before the canvas is drawn. Raises Refused."""
    painted = single_request(job, picture.index)
    if not can_outpaint(painted):
        raise Refused(f"{painted.method} cannot paint beyond the edges of a picture; clip_diffusion can.")
    planned = plan(picture, MODELS[painted.model], way, most)
    return painted.model_copy(update={"width": planned.size[0], "height": planned.size[1]}), planned


def outpaint(job: JobRow, picture: PictureRow, png: bytes, way: str, most: int) -> tuple[DreamRequest, OutpaintCanvas]:
    """The request that paints beyond the edges of a result, and its canvas. Blocks; raises Refused."""
    painted, planned = outpaint_size(job, picture, way, most)
    canvas = outpaint_canvas(png, planned.size, planned.at, planned.scale)
    request = painted.model_copy(
        update={
            "seed": new_seed(),
            "init_image": canvas.init_sha256,
            "init_icon": "",
            "mask_image": canvas.mask_sha256,
            "options": painted.options.model_copy(update=_off(painted)),
        }
    )
    return request, canvas


def squared(job: JobRow, picture: PictureRow) -> DreamRequest:
    """The request of a result that is cropped to a square."""
    side = min(picture.width, picture.height)
    return single_request(job, picture.index).model_copy(update={"width": side, "height": side, "mask_image": ""})


def _off(request: DreamRequest) -> dict[str, object]:
    return {name: value for name, value in OFF.items() if hasattr(request.options, name)}
