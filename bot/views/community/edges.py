"""The menu under a single picture: paint beyond its edges, zoom out, crop it, or see it as a pattern."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import discord

from bot.actions.create import picture_of
from bot.errors import Refused
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow, PictureRow, new_seed
from bot.pictures.outpainting import OutpaintCanvas, centre_square, outpaint_canvas, tiled
from bot.requests.derive import single_request
from bot.views.base import JobMenu, Press, value_of
from engine.catalogue.models import MODELS, Model
from engine.errors import InvalidRequest
from engine.images.pictures import fit_to_bytes
from engine.requests.request import DreamRequest, find_model

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
    """The request of the new size without its pictures, to be checked before the canvas is drawn.

    Raises Refused, or InvalidRequest for a model that is no longer here.
    """
    painted = single_request(job, picture.index)
    model = find_model(painted.model)
    if not can_outpaint(painted):
        raise Refused(f"{painted.method} cannot paint beyond the edges of a picture; clip_diffusion can.")
    planned = plan(picture, model, way, most)
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


SQUARE, TILE = "square", "tile"
LABELS: Mapping[str, tuple[str, str]] = {
    "left": ("Extend to the left", "Paints half a picture more."),
    "right": ("Extend to the right", "Paints half a picture more."),
    "up": ("Extend upwards", "Paints half a picture more."),
    "down": ("Extend downwards", "Paints half a picture more."),
    ZOOM: ("Zoom out", "Paints around the picture; the size stays."),
    SQUARE: ("Crop to a square", "Takes the middle; free."),
    TILE: ("Show as a pattern", "Two by two, for you only; free."),
}


class EdgesMenu(JobMenu, action="edges", placeholder="Extend, crop, tile …"):
    """Changes of a picture's frame. Anyone may, at their own cost."""

    def terms(self, interaction: AnyInteraction) -> tuple[bool, Access, bool]:
        """The entries that are not `COSTLY` are jobs, which are charged."""
        value = value_of(interaction)
        return value == TILE, Access.COSTLY if value in (TILE, SQUARE) else Access.USUAL, False

    async def chosen(self, press: Press, job: JobRow) -> None:
        if press.value not in LABELS:
            raise Refused("This menu entry no longer exists.")
        if press.value == TILE:
            await _show_tiled(press, job)
        elif press.value == SQUARE:
            await _crop(press, job)
        else:
            await _outpaint(press, job, press.value)


def edges_menu(job: JobRow, row: int) -> EdgesMenu:
    """The entries that this picture allows."""
    picture = job.pictures[0]
    values = [*SIDES, ZOOM] if can_outpaint(job.request) else []
    values += [SQUARE] if picture.width != picture.height else []
    options = [
        discord.SelectOption(value=value, label=LABELS[value][0], description=LABELS[value][1])
        for value in (*values, TILE)
    ]
    return EdgesMenu(job.id, options, row)


async def _outpaint(press: Press, job: JobRow, way: str) -> None:
    services, picture = press.services, picture_of(job, None)
    most = services.config.limits.max_size
    await services.job_actions.check(outpaint_size(job, picture, way, most)[0], press.caller)
    png = await services.store.pictures.png(job.id, picture.index)
    request, canvas = await asyncio.to_thread(outpaint, job, picture, png, way, most)
    await services.job_actions.dream(
        request,
        press.caller,
        press.responder,
        {canvas.init_sha256: canvas.init, canvas.mask_sha256: canvas.mask},
        origin=press.caller.origin("outpaint", job.id, picture.index),
        press=f"{way}:{job.id}",
    )


async def _crop(press: Press, job: JobRow) -> None:
    picture = picture_of(job, None)
    if picture.width == picture.height:
        raise Refused("This picture is already square.")
    png = await press.services.store.pictures.png(job.id, picture.index)
    square = await asyncio.to_thread(centre_square, png)
    await press.services.job_actions.crop(job, squared(job, picture), square, press.caller, press.responder)


async def _show_tiled(press: Press, job: JobRow) -> None:
    picture = picture_of(job, None)
    png = await press.services.store.pictures.png(job.id, picture.index)
    sheet = await asyncio.to_thread(tiled, png)
    data, extension, _ = await asyncio.to_thread(fit_to_bytes, sheet, press.responder.upload_limit)
    name = f"{'SPOILER_' if job.origin.spoiler else ''}{job.id}-tiled.{extension}"
    await press.responder.send_private_payload(EphemeralPayload("", files=((name, data),)))
