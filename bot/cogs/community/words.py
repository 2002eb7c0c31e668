"""`/describe` and `/explain`: a picture in words, and how well texts fit it."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.community.picture_requests import FormText
from bot.community.words.actions import Asked
from bot.errors import Refused
from bot.interactions.commands import Words, everywhere
from bot.interactions.responder import AnyInteraction
from bot.pictures.attachments import check_attachment
from bot.services import BotCog
from bot.views.base import Press
from bot.views.community.words import answer_describe, answer_explain

ONE_OF_BOTH = "Attach a picture, or give a link to one of my messages: one of the two."
Link = app_commands.Range[str, 1, 200]


class WordsCog(BotCog):
    @app_commands.command(
        name="describe", description="Describe a picture: four prompts, and the words CLIP sees in it."
    )
    @app_commands.describe(picture="A picture.", link="Or a link to one of my messages with a picture.")
    @everywhere
    async def describe(
        self, interaction: AnyInteraction, picture: discord.Attachment | None = None, link: Link | None = None
    ) -> None:
        """Answer privately; the buttons under the answer paint in public."""
        press = Press.of(interaction, private=True)
        await answer_describe(press, await self._asked(press, picture, link))

    @app_commands.command(name="explain", description="Compare a picture with texts: a chart of what CLIP sees.")
    @app_commands.describe(
        texts="Up to eight texts, for example: a fox | an owl | fog. Empty: the parts of its prompt.",
        picture="A picture.",
        link="Or a link to one of my messages with a picture.",
    )
    @everywhere
    async def explain(
        self,
        interaction: AnyInteraction,
        texts: Words | None = None,
        picture: discord.Attachment | None = None,
        link: Link | None = None,
    ) -> None:
        press = Press.of(interaction, private=True)
        await answer_explain(press, await self._asked(press, picture, link), texts or "")

    async def _asked(self, press: Press, picture: discord.Attachment | None, link: str | None) -> Asked:
        if bool(picture) == bool(link):
            raise Refused(ONE_OF_BOTH)
        services, caller = self.services, press.caller
        if link:
            return await services.picture_words.of_result(await services.access.named(link, caller))
        assert picture is not None
        check_attachment(picture)
        built = await services.picture_requests.towards(FormText("a"), (), caller)
        await services.job_actions.check(built.request, caller)
        return Asked((await services.attachments.read(picture, caller.user_id)).png)
