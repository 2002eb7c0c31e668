"""The menu under a single picture: paint beyond its edges, zoom out, crop it, or see it as a pattern."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import discord

from bot.actions.create import ParentPicture, picture_of
from bot.community.edges import SIDES, ZOOM, can_outpaint, outpaint, outpaint_size, squared
from bot.community.gate import Access
from bot.errors import Refused
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow
from bot.pictures.outpainting import centre_square, tiled
from bot.views.base import JobMenu, Press, template
from engine.images.pictures import fit_to_bytes

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


class EdgesMenu(JobMenu, template=template("edges")):
    """Changes of a picture's frame. Anyone may, at their own cost."""

    action = "edges"
    placeholder = "Extend, crop, tile …"

    def is_private(self, value: str) -> bool:
        return value == TILE

    def access_for(self, value: str) -> Access:
        """The others are jobs, which are charged."""
        return Access.COSTLY if value in (TILE, SQUARE) else Access.USUAL

    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        return False

    async def chosen(self, press: Press, value: str) -> None:
        job = await press.job(self.job_id)
        if value not in LABELS:
            raise Refused("This menu entry no longer exists.")
        if value == TILE:
            await _show_tiled(press, job)
        elif value == SQUARE:
            await _crop(press, job)
        else:
            await _outpaint(press, job, value)


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
        kind="outpaint",
        parent=ParentPicture(job.id, picture.index),
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
