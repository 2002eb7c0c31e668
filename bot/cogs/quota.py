"""`/quota`: a person's balance and recent bookings."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.embeds.queue import quota_embed
from bot.interactions.commands import everywhere
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.services import BotClient


class QuotaCog(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.services = bot.services

    @app_commands.command(name="quota", description="Show your quota and recent spending.")
    @everywhere
    async def quota(self, interaction: AnyInteraction) -> None:
        responder, caller = InteractionResponder.of(interaction, private=True), Invocation.of_interaction(interaction)
        balance = await self.services.jobs.quota.balance(caller.user_id, caller.roles, caller.guild_id)
        entries = await self.services.jobs.quota.history(caller.user_id)
        jobs = [await self.services.jobs.find(job_id) for job_id in {entry.job_id for entry in entries} if job_id]
        server = await self.services.jobs.quota.server_left(caller.guild_id)
        await responder.send_private("", quota_embed(balance, entries, {job.id: job for job in jobs if job}, server))


async def setup(bot: BotClient) -> None:
    await bot.add_cog(QuotaCog(bot))
