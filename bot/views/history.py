"""`/history`: pages of one's jobs, a menu to open one of them, a button to post it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import discord
from discord import ButtonStyle, ui

from bot.community.gallery.pages import GalleryView
from bot.embeds.history import embed_of, option_of, title
from bot.errors import NotAllowed
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.history import HistoryLine
from bot.models.job import JobRow, Update
from bot.pictures.uploads import ImageUpload, thumbnail
from bot.services import Services
from bot.storage import files
from bot.views.base import IdButton, JobButton, PageMenu, Press, view_of
from bot.views.community.gallery import gallery_payload
from engine.errors import UnreadablePicture


class OlderButton(IdButton, action="older", label="Older", access=Access.OPEN | Access.COSTLY):
    """Shows the page after the job in the custom id."""

    older: ClassVar[bool] = True

    async def act(self, press: Press) -> None:
        payload = await history_payload(press.services, press.caller.user_id, self.job_id, older=self.older)
        await press.responder.replace(payload)


class NewerButton(OlderButton, action="newer", label="Newer"):
    """Shows the page before the job in the custom id."""

    older = False


class SavedOlderButton(OlderButton, action="keptolder"):
    """Of messages of earlier versions, which listed saved pictures: shows the favourites."""

    async def act(self, press: Press) -> None:
        await press.responder.replace(await gallery_payload(press.services, GalleryView(favorites=True), press.caller))


class SavedNewerButton(SavedOlderButton, action="keptnewer", label="Newer"):
    """Like `SavedOlderButton`."""


class HistoryMenu(PageMenu, action="history", placeholder="Open a result …", access=Access.OPEN | Access.COSTLY):
    """Opens one job of the page, for its owner only, with buttons that work there."""

    @classmethod
    def of(cls, lines: Sequence[HistoryLine]) -> HistoryMenu:
        options = (option_of(line, place) for place, line in enumerate(lines, 1))
        return cls(discord.SelectOption(value=value, label=label, description=text) for value, label, text in options)

    async def act(self, press: Press) -> None:
        await show_private(press, await press.job(press.value))


class PostButton(JobButton, action="post", label="Post here", style=ButtonStyle.success):
    """Posts a picture of one's own history in the current channel."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.services.job_actions.post_again(job, press.caller, press.responder)


async def history_payload(
    services: Services, user_id: int, beside: str = "", *, older: bool = True
) -> EphemeralPayload:
    page = await services.history.page(user_id, beside, older=older)
    uploads = [upload for line in page.lines if (upload := await _thumbnail(line))]
    shown = tuple((upload.name, upload.data) for upload in uploads)
    embeds = tuple(embed_of(line, {name for name, _ in shown}) for line in page.lines)

    def buttons() -> ui.View:
        return view_of(
            HistoryMenu.of(page.lines) if page.lines else None,
            NewerButton(page.lines[0].job.id, row=1) if page.newer else None,
            OlderButton(page.lines[-1].job.id, row=1) if page.older else None,
        )

    return EphemeralPayload(title(page), embeds, shown, buttons)


async def show_private(press: Press, job: JobRow, *, replace: bool = False) -> None:
    """Show a job to its owner or to a person who has starred it; *replace*: in place of the pressed message.

    Raises NotAllowed.
    """
    services, user_id = press.services, press.caller.user_id
    stars = await services.store.stars.of_job(job.id)
    starred = frozenset(star.index for star in stars if star.user_id == user_id)
    own = job.owned_by(user_id)
    if not (starred or own):
        raise NotAllowed("This picture is in another person's history.")
    message = await services.renderer.render(_now(services, job), press.responder.upload_limit, in_full=own)
    buttons = partial(services.buttons.private, job, own, starred)
    send = press.responder.replace if replace else press.responder.send_private_payload
    await send(EphemeralPayload("", (message.embed,), message.files, buttons))
    if own:
        await services.store.deliveries.shown(job.id, services.clock())


async def refresh_public(press: Press, job: JobRow) -> None:
    """Make the message whose button was pressed show the current state of *job*."""
    await press.responder.defer()
    message = await press.services.renderer.render(_now(press.services, job), press.responder.upload_limit)
    await press.responder.replace(EphemeralPayload("", (message.embed,), message.files, message.buttons))


def _now(services: Services, job: JobRow) -> Update:
    return Update(job, services.jobs.registry.progress(job.id), services.jobs.registry.place(job.id))


async def _thumbnail(line: HistoryLine) -> ImageUpload | None:
    png = await files.read(line.kept.path) if line.kept and not line.job.origin.spoiler else None
    try:
        return await thumbnail(line.job.id, png) if png else None
    except UnreadablePicture:  # damaged on disk: the line appears without a thumbnail
        return None
