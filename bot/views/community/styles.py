"""Pages of `/style list`, one style with its buttons, and the form that paints with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import discord
from discord import ButtonStyle, ui

from bot.community.defaults import Typed
from bot.community.styles.embed import FILE, help_embed, list_embed, page_of, pages_of, style_embed
from bot.community.styles.starters import PAINTED
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import Responder
from bot.models.style import Style
from bot.pictures.help_sheets import style_picture, style_sheet
from bot.services import Services
from bot.text import plain, shorten
from bot.views.base import IdButton, PageMenu, Press, view_of
from bot.views.forms import Modal, modal_values, submits

ALL = "all"
"""In custom ids of pages, in the place of a job id."""
_LABEL = 100


class StylesPageButton(IdButton, action="styles", label="Page", private=True):
    """A page of the list."""

    async def act(self, press: Press) -> None:
        await press.responder.replace(await list_payload(press.services, press.caller.guild_id, self.index or 0))


class StylesMenu(PageMenu, action="style", placeholder="Show a style …"):
    """Shows one style of the page."""

    @classmethod
    def of(cls, styles: Sequence[Style]) -> StylesMenu:
        return cls(
            discord.SelectOption(
                value=one.id, label=shorten(one.name, _LABEL), description=shorten(one.template, _LABEL)
            )
            for one in styles
        )

    async def act(self, press: Press) -> None:
        style = await press.services.styles.by_id(press.caller.guild_id, press.value)
        await press.responder.replace(await style_payload(style, press.caller))


class StyleStarButton(IdButton, action="stylestar", label="Star", private=True):
    """Stars a style, or takes the star back."""

    async def act(self, press: Press) -> None:
        styles, caller = press.services.styles, press.caller
        style = await styles.by_id(caller.guild_id, self.job_id)
        if caller.guild_id is None:
            raise Refused("Stars only count in servers.")
        await styles.turn_star(caller.guild_id, style, caller.user_id)
        await press.responder.replace(await style_payload(await styles.by_id(caller.guild_id, style.id), caller))


class StylePaintButton(
    IdButton, action="stylepaint", label="Paint …", style=ButtonStyle.primary, private=True, modal=True
):
    """Asks for a prompt and paints it with the style."""

    async def act(self, press: Press) -> None:
        style = await press.services.styles.by_id(press.caller.guild_id, self.job_id)
        await press.services.job_actions.check_place(press.caller)
        form = Modal(shorten(f"Paint with the style {style.name}", 45), "styleform", style.id)
        form.add_text("prompt", "Prompt", shorten(style.template, _LABEL), required=True, long=True)
        await press.responder.open_modal(form)


class StyleDeleteButton(
    IdButton, action="styledelete", label="Delete", style=ButtonStyle.danger, private=True, access=Access.OPEN
):
    """Deletes a style. For its author and moderators."""

    async def act(self, press: Press) -> None:
        styles, caller = press.services.styles, press.caller
        style = await styles.by_id(caller.guild_id, self.job_id)
        if caller.guild_id is not None:
            await styles.delete(caller.guild_id, style.name, caller.user_id, moderator=caller.moderator)
        await press.responder.replace(EphemeralPayload(f"The style “{plain(style.name)}” is deleted."))


@submits("styleform", private=False)
async def submit_style(press: Press, style_id: str, index: int | None) -> None:
    """Paint what was typed, at the cost of the person."""
    style = await press.services.styles.by_id(press.caller.guild_id, style_id)
    prompt = modal_values(press.data).get("prompt", "")
    await paint_styled(press.services, Typed(prompt, style=style.name), press.caller, press.responder)


async def paint_styled(services: Services, typed: Typed, caller: Invocation, responder: Responder) -> None:
    """Complete what was typed by the defaults of the place, and paint it."""
    settled = await services.defaults.settle(typed, caller.user_id, caller.location)
    await services.job_actions.dream(
        settled.request(), caller, responder, origin=caller.origin(applied=settled.applied), notes=settled.notes
    )


async def list_payload(services: Services, server_id: int | None, page: int) -> EphemeralPayload:
    """A page of the styles of a server (None: the shipped ones), from 0 and clamped."""
    styles = await services.styles.all(server_id)
    here, shown = page_of(styles, page)
    beside = [page for page in (here - 1, here + 1) if 0 <= page < pages_of(styles)]

    def buttons() -> ui.View:
        return view_of(StylesMenu.of(shown), *(StylesPageButton(ALL, page, row=1) for page in beside))

    return EphemeralPayload("", (list_embed(styles, here),), buttons=buttons)


async def style_payload(style: Style, caller: Invocation) -> EphemeralPayload:
    """One style, with its picture where it was painted here, and its buttons."""
    files: tuple[tuple[str, bytes], ...] = ()
    for place, one in enumerate(PAINTED):
        if one.id == style.id:
            files = ((FILE, await asyncio.to_thread(style_picture, place, style.name)),)
    own = style.author == caller.user_id
    deletable = not style.starter and (own or caller.moderator)
    starrable = caller.guild_id is not None and not own

    def buttons() -> ui.View:
        return view_of(
            StylePaintButton(style.id),
            StyleStarButton(style.id) if starrable else None,
            StyleDeleteButton(style.id) if deletable else None,
            StylesPageButton(ALL, 0, label="All styles"),
        )

    return EphemeralPayload("", (style_embed(style, bool(files)),), files, buttons)


async def help_payload() -> EphemeralPayload:
    """The shipped styles with their pictures."""
    sheet = await asyncio.to_thread(style_sheet, [style.name for style in PAINTED])
    files = ((FILE, sheet),)
    return EphemeralPayload("", (help_embed(),), files, lambda: view_of(StylesPageButton(ALL, 0, label="All styles")))
