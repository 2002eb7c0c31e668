"""Pages of the gallery and of the favourites: a sheet, a menu to open a picture, buttons to turn the pages.

dream:gallery:<g or f>:<n or s>:<person>:<page>:<words>
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Self

import discord
from discord import ui

from bot.community.gallery import LAST_PAGE, GalleryPage, GalleryView
from bot.embeds.gallery import list_embed, option_of, picture_embed
from bot.errors import PictureGone, Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import EphemeralPayload
from bot.models.gallery import IndexedPicture, Order
from bot.pictures.contact_sheet import gallery_sheet
from bot.pictures.uploads import result_upload
from bot.services import Services
from bot.storage import files
from bot.text import plain
from bot.views.base import JOB, PREFIX, AnyInteraction, Press, handle
from bot.views.community.stars import StarButton, UnstarButton
from bot.views.info import InfoButton
from bot.views.result import UpscaleButton, VariationButton

WORDS = 50
"""Most characters of the words in a custom id."""
_SHEET = "gallery.webp"
_ORDERS = {"newest": "Newest", "starred": "Most starred"}
_NOTHING = {
    True: "You have no starred pictures that can be shown here. Press ⭐ under a picture to star it.",
    False: "No pictures to show here yet.",
}


class GalleryButton(
    ui.DynamicItem[ui.Button[ui.View]],
    template=rf"{PREFIX}:gallery:(?P<list>[gf]):(?P<order>[ns]):(?P<person>[0-9]{{0,20}}):(?P<page>[0-9]{{1,4}})"
    rf":(?P<words>[\s\S]{{0,{WORDS}}})",
):
    """Shows another page in the place of this one."""

    def __init__(self, view: GalleryView, label: str = "Page", row: int | None = None) -> None:
        self.view_shown = view
        kind, order = "f" if view.favorites else "g", view.order[0]
        custom_id = f"{PREFIX}:gallery:{kind}:{order}:{view.person or ''}:{view.page}:{view.words}"
        super().__init__(ui.Button(label=label, custom_id=custom_id, row=row))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        person = int(match["person"]) if match["person"] else None
        order: Order = "starred" if match["order"] == "s" else "newest"
        return cls(GalleryView(match["list"] == "f", order, person, match["words"], int(match["page"])))

    async def callback(self, interaction: AnyInteraction) -> None:
        await handle(interaction, self._turn, private=True, doing="a page of the gallery")

    async def _turn(self, press: Press) -> None:
        await press.responder.defer()
        await press.responder.replace(await gallery_payload(press.services, self.view_shown, press.caller))


class PictureMenu(ui.DynamicItem[ui.Select[ui.View]], template=f"{PREFIX}:picture"):
    """Opens one picture of a page; the values hold job and index."""

    def __init__(self, pictures: Sequence[IndexedPicture] = ()) -> None:
        options = [
            discord.SelectOption(value=value, label=label)
            for value, label in (option_of(picture, place) for place, picture in enumerate(pictures, 1))
        ]
        menu: ui.Select[ui.View] = ui.Select(
            custom_id=f"{PREFIX}:picture", placeholder="Open a picture …", options=options, row=0
        )
        super().__init__(menu)

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        return cls()

    async def callback(self, interaction: AnyInteraction) -> None:
        await handle(interaction, self._open, private=True, doing="a choice from a gallery")

    async def _open(self, press: Press) -> None:
        chosen = re.fullmatch(rf"({JOB}):([0-9]{{1,3}})", str((press.data.get("values") or [""])[0]))
        if chosen is None:
            raise Refused("This menu entry does not name a picture. Choose again.")
        await press.job(chosen[1])
        picture = await press.services.gallery.picture(chosen[1], int(chosen[2]), press.caller)
        await press.responder.send_private_payload(await opened_payload(press, picture))


async def gallery_payload(services: Services, view: GalleryView, caller: Invocation) -> EphemeralPayload:
    """One page. Raises Refused outside of servers, unless it is of the favourites."""
    page = await services.gallery.page(view, caller)
    if not page.pictures:
        return EphemeralPayload(_NOTHING[view.favorites] + _of_what(view), buttons=partial(_buttons, page))
    return await list_payload(services, _title(view), page.pictures, buttons=partial(_buttons, page))


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
    png = await files.read(picture.path) if picture.path else None
    if png is None:
        raise PictureGone("This picture has expired.")
    upload = await result_upload(f"{picture.job_id}-{picture.index + 1}", [png], press.responder.upload_limit)
    name = f"SPOILER_{upload.name}" if picture.spoiler else upload.name
    embed = picture_embed(picture)
    if not picture.spoiler:
        embed.set_image(url=f"attachment://{name}")
    stars = await press.services.store.stars.of_job(picture.job_id)
    starred = any(star.index == picture.index and star.user_id == press.caller.user_id for star in stars)
    buttons = partial(_picture_buttons, picture.job_id, picture.index, starred)
    return EphemeralPayload("", (embed,), ((name, upload.data),), buttons)


def _picture_buttons(job_id: str, index: int, starred: bool) -> ui.View:
    view = ui.View(timeout=None)
    view.add_item((UnstarButton if starred else StarButton)(job_id, index))
    for kind in (UpscaleButton, VariationButton):
        button = kind(job_id, index)
        button.item.label = kind.label
        view.add_item(button)
    view.add_item(InfoButton(job_id))
    return view


def _buttons(page: GalleryPage) -> ui.View:
    view, shown = ui.View(timeout=None), page.view
    if page.pictures:
        view.add_item(PictureMenu(page.pictures))
    if shown.page:
        view.add_item(GalleryButton(replace(shown, page=shown.page - 1), "Back", 1))
    if page.more:
        view.add_item(GalleryButton(replace(shown, page=min(shown.page + 1, LAST_PAGE)), "Next", 1))
    if not shown.favorites and (page.pictures or shown.order == "starred"):
        order: Order = "starred" if shown.order == "newest" else "newest"
        view.add_item(GalleryButton(replace(shown, order=order, page=0), _ORDERS[order], 1))
    return view


def _title(view: GalleryView) -> str:
    if view.favorites:
        return f"Your favourites, page {view.page + 1}"
    return f"Gallery: {_ORDERS[view.order].lower()}, page {view.page + 1}{_of_what(view)}"


def _of_what(view: GalleryView) -> str:
    return f" · “{plain(view.words)}”" if view.words else ""
