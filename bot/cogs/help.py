"""`/help words`, `/help styles`, `/help films`: what the small model reads, what styles do, how to ask for a film."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.embeds.film import films_help
from bot.interactions.commands import everywhere
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.services import BotClient
from bot.views.community.styles import help_payload
from bot.views.words import words_page
from engine.primer.things import GROUPS

_CHOICES = [app_commands.Choice(name=group, value=group) for group in GROUPS]


class Help(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.services = bot.services

    topics = everywhere(app_commands.Group(name="help", description="Help with prompts."))

    @topics.command(name="words", description="What the small model can paint, with pictures.")
    @app_commands.describe(group="The group of words to show.")
    @app_commands.choices(group=_CHOICES)
    async def words(self, interaction: AnyInteraction, group: app_commands.Choice[str] | None = None) -> None:
        """Show the first page of a group."""
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await words_page(group.value if group else GROUPS[0], 0))

    @topics.command(name="styles", description="What the styles that come with the bot do, with pictures.")
    async def styles(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(await help_payload())

    @topics.command(name="films", description="How to ask for a film: scenes, camera and cost.")
    async def films(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        embed = films_help(self.services.config.limits.max_film)
        await responder.send_private_payload(EphemeralPayload("", (embed,)))


async def setup(bot: BotClient) -> None:
    await bot.add_cog(Help(bot))
