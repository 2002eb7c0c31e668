"""`/quota`: a person's balance and recent bookings."""

from __future__ import annotations

from discord import app_commands

from bot.embeds.queue import quota_embed
from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction, begin
from bot.services import BotCog


class QuotaCog(BotCog):
    @app_commands.command(name="quota", description="Show your quota and recent spending.")
    @everywhere
    async def quota(self, interaction: AnyInteraction) -> None:
        responder, caller = begin(interaction, private=True)
        balance = await self.services.jobs.quota.balance(caller.user_id, caller.roles, caller.guild_id)
        entries = await self.services.jobs.quota.history(caller.user_id)
        jobs = [await self.services.jobs.find(job_id) for job_id in {entry.job_id for entry in entries} if job_id]
        server = await self.services.jobs.quota.server_left(caller.guild_id)
        await responder.send_private("", quota_embed(balance, entries, {job.id: job for job in jobs if job}, server))
