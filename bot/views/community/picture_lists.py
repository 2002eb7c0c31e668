"""Lists of pictures: a sheet, a menu that opens one of them, search results, and the button More like this."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial

import discord
from discord import ui

from bot.community.challenges.message import trophy
from bot.community.gallery.finder import FoundPage
from bot.embeds.gallery import list_embed, option_of, picture_embed
from bot.errors import PictureGone, Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.gallery import IndexedPicture
from bot.models.job import JobRow
from bot.pictures.contact_sheet import gallery_sheet
from bot.pictures.ranking import best
from bot.pictures.uploads import result_upload
from bot.services import Services
from bot.storage import files
from bot.storage.community.searches import Place
from bot.text import plain, shorten
from bot.views.base import JOB, IdButton, JobButton, PageMenu, Press, view_of
from bot.views.community.stars import StarButton, UnstarButton
from bot.views.info import InfoButton
from bot.views.result import UpscaleButton, VariationButton

_SHEET = "gallery.webp"
_DAY = 86_400
AGES: dict[str, int] = {
    "in the last 24 hours": _DAY,
    "in the last 7 days": 7 * _DAY,
    "in the last 2 weeks": 14 * _DAY,
    "in the last month": 31 * _DAY,
    "in the last year": 366 * _DAY,
}
"""What `painted` offers, and its seconds."""
_TITLE = 80
NOTHING = "Nothing found among the pictures that you can see here"


class PictureMenu(PageMenu, action="picture", placeholder="Open a picture …", access=Access.COSTLY):
    """Opens one picture of a page; the values hold job and index."""

    @classmethod
    def of(cls, pictures: Sequence[IndexedPicture]) -> PictureMenu:
        options = (option_of(picture, place) for place, picture in enumerate(pictures, 1))
        return cls(discord.SelectOption(value=value, label=label) for value, label in options)

    async def act(self, press: Press) -> None:
        chosen = re.fullmatch(rf"({JOB}):([0-9]{{1,3}})", press.value)
        if chosen is None:
            raise Refused("This menu entry does not name a picture. Choose again.")
        await press.job(chosen[1])
        picture = await press.services.gallery.picture(chosen[1], int(chosen[2]), press.caller)
        await press.responder.send_private_payload(await opened_payload(press, picture))


class FoundButton(IdButton, action="found", label="Page", private=True, access=Access.COSTLY):
    """Another page of a search; the custom id holds the search in the place of a job."""

    async def act(self, press: Press) -> None:
        page = await press.services.finder.page(self.job_id, self.index or 0, press.caller)
        await press.responder.replace(await found_payload(press.services, page))


class SimilarButton(JobButton, action="similar", label="More like this", same=True, private=True, access=Access.COSTLY):
    """Finds pictures that resemble one; without an index the best one."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.responder.send_private_payload(await similar_payload(press, job, self.index))


async def list_payload(
    services: Services,
    title: str,
    pictures: Sequence[IndexedPicture],
    notes: Sequence[str] = (),
    *,
    buttons: partial[ui.View],
) -> EphemeralPayload:
    """A sheet of the pictures, and a line for each. A spoiler among them makes the whole sheet one."""
    cells = [await services.thumbnails.of(picture.path, picture.sha256) for picture in pictures]
    sheet = await asyncio.to_thread(gallery_sheet, cells, [picture.stars for picture in pictures])
    embed = list_embed(title, pictures, notes)
    covered = any(picture.spoiler for picture in pictures)
    name = f"SPOILER_{_SHEET}" if covered else _SHEET
    if not covered:
        embed.set_image(url=f"attachment://{name}")
    return EphemeralPayload("", (embed,), ((name, sheet),), buttons)


async def opened_payload(press: Press, picture: IndexedPicture) -> EphemeralPayload:
    """One picture, with buttons about it. Raises PictureGone."""
    png = await files.read(picture.path)
    if png is None:
        raise PictureGone("This picture has expired.")
    upload = await result_upload(f"{picture.job_id}-{picture.index + 1}", [png], press.responder.upload_limit)
    name = f"SPOILER_{upload.name}" if picture.spoiler else upload.name
    embed = picture_embed(picture)
    won = await press.services.store.challenges.themes_won(press.caller.guild_id or 0, [picture.job_id])
    if theme := won.get((picture.job_id, picture.index), ""):
        embed.add_field(name="Won", value=trophy(theme))
    if not picture.spoiler:
        embed.set_image(url=f"attachment://{name}")
    stars = await press.services.store.stars.of_job(picture.job_id)
    starred = any(star.index == picture.index and star.user_id == press.caller.user_id for star in stars)
    job_id, index = picture.job_id, picture.index

    def buttons() -> ui.View:
        return view_of(
            (UnstarButton if starred else StarButton)(job_id, index),
            *(kind(job_id, index, label=kind.label) for kind in (UpscaleButton, VariationButton)),
            InfoButton(job_id),
            SimilarButton(job_id, index),
        )

    return EphemeralPayload("", (embed,), ((name, upload.data),), buttons)


async def similar_payload(press: Press, job: JobRow, index: int | None) -> EphemeralPayload:
    """The pictures that resemble one of *job*. Raises PictureGone or Refused."""
    if not job.stored:
        raise PictureGone("This picture has expired, so it cannot be compared.")
    chosen = best(job.stored).index if index is None else index
    picture = await press.services.gallery.picture(job.id, chosen, press.caller)
    return await found_payload(press.services, await press.services.finder.like(picture, press.caller))


async def search_payload(
    services: Services,
    words: str,
    place: Place,
    caller: Invocation,
    picture: discord.Attachment | None,
    seconds: float = 0,
) -> EphemeralPayload:
    """The first page of pictures with these words, and like the attached one. Raises UnreadablePicture or Refused.

    *seconds*: how long ago they may have been painted; 0 = at any time.
    """
    clean = await services.attachments.read(picture, caller.user_id) if picture else None
    png = clean.png if clean else None
    return await found_payload(services, await services.finder.by_words(words, place, caller, png, seconds=seconds))


async def found_payload(services: Services, page: FoundPage) -> EphemeralPayload:
    hint = f"\n-# {page.hint}" if page.hint else ""
    if not page.pictures:
        return EphemeralPayload(f"{NOTHING}{_age(page)}.{hint}", buttons=partial(_buttons, page))
    title = f"{_title(page)}, page {page.page + 1}"
    payload = await list_payload(services, title, page.pictures, page.notes, buttons=partial(_buttons, page))
    return EphemeralPayload(hint.strip(), payload.embeds, payload.files, payload.buttons)


def _title(page: FoundPage) -> str:
    search = page.search
    if search.like_id is not None:
        return "More like this"
    what = f"Found: “{plain(shorten(search.words, _TITLE))}”" if search.words else "Pictures that resemble yours"
    return what + _age(page)


def _age(page: FoundPage) -> str:
    """The words of the search's `painted`, for the end of a title."""
    seconds = page.search.at - page.search.since
    return next((f", painted {name}" for name, known in AGES.items() if abs(seconds - known) < 1), "")


def _buttons(page: FoundPage) -> ui.View:
    search, number = page.search.id, page.page
    return view_of(
        PictureMenu.of(page.pictures) if page.pictures else None,
        FoundButton(search, number - 1, 1, "Back") if number else None,
        FoundButton(search, number + 1, 1, "Next") if page.more else None,
    )
