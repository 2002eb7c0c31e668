"""Pages of `/help words`: what the small model knows, with pictures, and buttons to turn the pages."""

from __future__ import annotations

import asyncio

import discord
from discord import ui

from bot.errors import Refused
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.pictures.help_sheets import nouns_of, word_sheet
from bot.views.base import IdButton, Press, view_of
from engine.primer.vocabulary import GROUPS, KNOWN

_FILE = "words.png"
_BASICS = ("shapes", "things", "colours", "sizes", "places", "times", "sky", "styles")


class WordsButton(IdButton, action="words", label="Page", private=True, access=Access.OPEN):
    """A page of a group of words; the custom id names the group in the place of a job, and the page."""

    async def act(self, press: Press) -> None:
        if self.job_id not in GROUPS:
            raise Refused("This group of words no longer exists; `/help words` shows the groups.")
        await press.responder.replace(await words_page(self.job_id, self.index or 0))


async def words_page(group: str, page: int) -> EphemeralPayload:
    """Return a page of a group of `GROUPS`; *page* counts from 0 and is clamped."""
    names, pages = nouns_of(group, page)
    here = min(max(page, 0), pages - 1)
    embed = discord.Embed(title=f"Words: {group}, page {here + 1} of {pages}", description=", ".join(names))
    embed.set_image(url=f"attachment://{_FILE}")
    if not here:
        for topic in _BASICS:
            embed.add_field(name=topic.capitalize(), value=", ".join(KNOWN[topic]), inline=False)
    sheet = await asyncio.to_thread(word_sheet, names)

    def buttons() -> ui.View:
        """The pages before and after, and the first pages of the other groups."""
        return view_of(
            *(WordsButton(group, page, row=0) for page in (here - 1, here + 1) if 0 <= page < pages),
            *(WordsButton(other, row=1, label=other.capitalize()) for other in GROUPS if other != group),
        )

    return EphemeralPayload("", (embed,), ((_FILE, sheet),), buttons)
