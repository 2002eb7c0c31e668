"""The Info button, and what can be done from there: watch the timelapse, star the picture."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from discord import ui

from bot.embeds.info import THE_FILE, THE_LINES, about_file, info_embed, long_lines
from bot.errors import PictureGone
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState, PictureRow
from bot.storage import files
from bot.views.base import IdButton, JobButton, Press, view_of
from bot.views.community.challenges import entry_button
from bot.views.community.lineage import LineageButton
from bot.views.community.stars import StarButton, StarOneButton, UnstarButton
from engine.errors import UnreadablePicture
from engine.images.pictures import SVG, read_text
from engine.requests.request import DreamRequest

MOST_FILES = 10
"""Files that Discord takes in one message."""


class InfoButton(JobButton, action="info", label="Info", private=True, access=Access.OPEN):
    """Shows all facts about a result."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.responder.send_private_payload(await info_payload(press, job))


class WatchButton(JobButton, action="watch", label="Timelapse", private=True, access=Access.COSTLY):
    """Shows the timelapse of a picture."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        film = await press.services.timelapses.film(job, press.responder.upload_limit)
        await press.responder.send_private_payload(EphemeralPayload("", files=((film.name, film.data),)))


class DrawingButton(JobButton, action="svg", label="SVG", private=True, access=Access.COSTLY):
    """Sends the strokes of a drawing as SVG files."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        drawn = {picture.index: await _svg(picture) for picture in job.pictures[:MOST_FILES]}
        name = f"{'SPOILER_' if job.origin.spoiler else ''}{job.id}"
        sent = tuple((f"{name}-{index + 1}.svg", svg.encode()) for index, svg in drawn.items() if svg)
        if not sent:
            raise PictureGone("The drawing has expired, or is older than drawings as SVG.")
        await press.responder.send_private_payload(EphemeralPayload("", files=sent))


async def info_payload(press: Press, job: JobRow) -> EphemeralPayload:
    """The facts about a job, with the presser's buttons."""
    services, user_id = press.services, press.caller.user_id
    watchable, stars = await services.timelapses.has(job), await services.store.stars.of_job(job.id)
    film = isinstance(job.request, FilmRequest)
    entry = await entry_button(services, job, press.caller) if job.on_disk and not film else None
    people = frozenset(star.user_id for star in stars)
    ancestry = services.store.ancestry
    remixes, relatives = await ancestry.remixes(job.id), await ancestry.parents([job.id])

    drawn = isinstance(job.request, DreamRequest) and job.request.method == "clipdraw" and job.on_disk
    star: type[IdButton] = StarButton if film or len(job.pictures) == 1 else StarOneButton
    kinds = (
        WatchButton if watchable else None,
        DrawingButton if drawn else None,
        LineageButton if job.state is JobState.DONE and (relatives or remixes[0]) else None,
        UnstarButton if user_id in people else star if job.on_disk else None,
        entry,
    )

    def buttons() -> ui.View:
        return view_of(*(kind(job.id) for kind in kinds if kind is not None))

    embed = info_embed(job, people, user_id, _file(press, job), remixes)
    return EphemeralPayload("", (embed,), long_lines(job), buttons)


async def _svg(picture: PictureRow) -> str:
    """The drawing in a stored PNG; empty without one."""
    png = await files.read(picture.path)
    try:
        return (await asyncio.to_thread(read_text, png)).get(SVG, "") if png else ""
    except UnreadablePicture:  # damaged on disk
        return ""


def _file(press: Press, job: JobRow) -> str:
    """A remark on the file in the pressed message. If that message is Info itself, its own remark is repeated."""
    message = press.message
    if message is None:
        return ""
    # A file that an embed shows is not among the attachments of the message.
    addresses = [*(file.url for file in message.attachments), *(embed.image.url for embed in message.embeds)]
    names = [PurePosixPath(urlsplit(address).path).name for address in addresses if address]
    for name in names:
        if name != THE_LINES:
            return about_file(job, name)
    said = [field.value or "" for embed in message.embeds for field in embed.fields if field.name == THE_FILE]
    return said[0] if said else ""
