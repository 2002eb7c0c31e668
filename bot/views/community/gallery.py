"""Pages of the gallery and of the favourites, and the buttons that turn them.

dream:gallery:<g or f>:<n or s>:<person>:<page>:<words>
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Self

from discord import ui

from bot.community.challenges.message import trophy
from bot.community.gallery.pages import LAST_PAGE, GalleryPage, GalleryView
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.gallery import Order
from bot.services import Services
from bot.text import plain, snowflake
from bot.views.base import PREFIX, Item, Press, view_of
from bot.views.community.picture_lists import PictureMenu, list_payload

WORDS = 50
"""Most characters of the words in a custom id."""
_ORDERS = {"newest": "Newest", "starred": "Most starred"}
_NOTHING = {
    True: "You have no starred pictures that can be shown here. Press ⭐ under a picture to star it.",
    False: "No pictures to show here yet.",
}


class GalleryButton(Item[ui.Button[ui.View]], action="gallery", private=True, access=Access.COSTLY):
    """Shows another page in the place of this one."""

    rest = (
        r":(?P<list>[gf]):(?P<order>[ns]):(?P<person>[0-9]{0,20}):(?P<page>[0-9]{1,4})"
        rf":(?P<words>[\s\S]{{0,{WORDS}}})"
    )

    def __init__(self, view: GalleryView, label: str = "Page", row: int | None = None) -> None:
        self.view_shown = view
        kind, order = "f" if view.favorites else "g", view.order[0]
        named = f"{PREFIX}:{self.action}:{kind}:{order}:{view.person or ''}:{view.page}:{view.words}"
        super().__init__(ui.Button(label=label, custom_id=named, row=row))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        person = snowflake(match["person"]) if match["person"] else None
        order: Order = "starred" if match["order"] == "s" else "newest"
        return cls(GalleryView(match["list"] == "f", order, person, match["words"], int(match["page"])))

    async def act(self, press: Press) -> None:
        await press.responder.replace(await gallery_payload(press.services, self.view_shown, press.caller))


async def gallery_payload(services: Services, view: GalleryView, caller: Invocation) -> EphemeralPayload:
    """One page. Raises Refused outside of servers, unless it is of the favourites."""
    page = await services.gallery.page(view, caller)
    if not page.pictures:
        none = f"No picture here has “{plain(view.words)}” in its prompt." if view.words else _NOTHING[view.favorites]
        return EphemeralPayload(none, buttons=partial(_buttons, page))
    won = await services.store.challenges.themes_won(caller.guild_id or 0, [one.job_id for one in page.pictures])
    notes = [trophy(won.get((one.job_id, one.index), "")) for one in page.pictures]
    return await list_payload(services, _title(view), page.pictures, notes, buttons=partial(_buttons, page))


def _buttons(page: GalleryPage) -> ui.View:
    shown = page.view
    order: Order = "starred" if shown.order == "newest" else "newest"
    ordered = not shown.favorites and (page.pictures or shown.order == "starred")
    return view_of(
        PictureMenu.of(page.pictures) if page.pictures else None,
        GalleryButton(replace(shown, page=shown.page - 1), "Back", 1) if shown.page else None,
        GalleryButton(replace(shown, page=min(shown.page + 1, LAST_PAGE)), "Next", 1) if page.more else None,
        GalleryButton(replace(shown, order=order, page=0), _ORDERS[order], 1) if ordered else None,
    )


def _title(view: GalleryView) -> str:
    if view.favorites:
        return f"Your favourites, page {view.page + 1}"
    return f"Gallery: {_ORDERS[view.order].lower()}, page {view.page + 1}{_of_what(view)}"


def _of_what(view: GalleryView) -> str:
    return f" · “{plain(view.words)}”" if view.words else ""
