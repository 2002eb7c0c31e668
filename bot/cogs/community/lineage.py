"""`/lineage`: what a result was made from, and what was made from it, as a tree."""

from __future__ import annotations

from discord import app_commands

from bot.errors import Refused
from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow, JobState, owner_of
from bot.services import BotCog
from bot.views.base import Press
from bot.views.community.lineage import answer_lineage

RECENT = 20
"""Jobs among which the newest finished one is looked for."""


class LineageCog(BotCog):
    @app_commands.command(name="lineage", description="See what a picture was made from, and what was made from it.")
    @app_commands.describe(link="A link to one of my messages with a picture. Empty: your newest picture.")
    @everywhere
    async def lineage(self, interaction: AnyInteraction, link: app_commands.Range[str, 1, 200] | None = None) -> None:
        """Answer privately, because each person may see other parts of the tree."""
        press = Press.of(interaction, private=True)
        caller = press.caller
        job = await self.services.access.named(link, caller) if link else await self._newest(caller.user_id)
        await answer_lineage(press, job)

    async def _newest(self, user_id: int) -> JobRow:
        for job in await self.services.store.jobs.page(owner_of(user_id), RECENT):
            if job.state is JobState.DONE:
                return job
        raise Refused("You have no finished picture yet. Give a link to one of my messages with a picture.")
