"""`/queue`: running and waiting jobs with their expected times."""

from __future__ import annotations

from discord import app_commands

from bot.embeds.queue import queue_embed
from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.models.job import owner_of
from bot.services import BotCog


class QueueCog(BotCog):
    @app_commands.command(name="queue", description="Show running and queued jobs.")
    @everywhere
    async def queue(self, interaction: AnyInteraction) -> None:
        registry, asker = self.services.jobs.registry, owner_of(interaction.user.id)
        running = [(job, registry.ready_at(job.id)) for job in registry.running()]
        embed = queue_embed(running, registry.waiting(), asker, interaction.channel_id or 0)
        await InteractionResponder.of(interaction, private=True).send_private("", embed)
