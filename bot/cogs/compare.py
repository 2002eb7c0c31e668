"""`/compare`: one prompt and seed with several profiles, methods or models, side by side."""

from __future__ import annotations

from collections.abc import Callable

from discord import app_commands
from discord.ext import commands

from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.policy.server_rules import PaintChoice, Preferences, ServerRules, preferred
from bot.requests import autocomplete as completion
from bot.requests.parse import ParsedCommand, parse_comparison
from bot.services import BotClient
from engine.catalogue.models import DEFAULT_MODEL
from engine.requests.prompts import MAX_SOURCE
from engine.requests.request import MAX_SEED

Words = app_commands.Range[str, 1, MAX_SOURCE]
WayWords = app_commands.Range[str, 1, 1000]


class CompareCog(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.services = bot.services

    @app_commands.command(name="compare", description="Paint the same prompt in two to four ways, side by side.")
    @app_commands.describe(
        prompt="What to paint. Parts and weights: castle:2 | fog | people:-0.5",
        first="A profile, method or model, with options if needed, for example draft eta=0.5",
        second="Another profile, method or model.",
        third="Another profile, method or model.",
        fourth="Another profile, method or model.",
        negative="What the picture should avoid.",
        size="Width x height, for example 256x256.",
        seed="The seed for all of them.",
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def compare(
        self,
        interaction: AnyInteraction,
        prompt: Words,
        first: WayWords,
        second: WayWords,
        third: WayWords | None = None,
        fourth: WayWords | None = None,
        negative: Words | None = None,
        size: str | None = None,
        seed: app_commands.Range[int, 0, MAX_SEED] | None = None,
    ) -> None:
        """Check all ways, then queue them as one job."""
        responder, caller = InteractionResponder.of(interaction), Invocation.of_interaction(interaction)
        choices = await self.services.moderation.choices(caller.user_id)
        if not choices.private:
            caller.check_place()
        usual = choices, await self.services.moderation.rules(caller.guild_id)
        texts = [text for text in (first, second, third, fourth) if text]
        wanted = ParsedCommand(prompt, negative or "", size or "", seed)
        comparison = parse_comparison(texts, wanted, self._preferring(usual))
        await self.services.job_actions.dream(comparison, caller, responder)

    def _preferring(self, usual: tuple[Preferences, ServerRules]) -> Callable[[PaintChoice], PaintChoice]:
        return lambda ways: preferred(ways, usual, DEFAULT_MODEL, self.services.unavailable)

    @compare.autocomplete("first")
    @compare.autocomplete("second")
    @compare.autocomplete("third")
    @compare.autocomplete("fourth")
    async def _ways(self, interaction: AnyInteraction, typed: str) -> list[app_commands.Choice[str]]:
        shown = completion.ways(typed, self.services.unavailable)
        return [app_commands.Choice(name=text[:100], value=value) for text, value in shown if value]


async def setup(bot: BotClient) -> None:
    await bot.add_cog(CompareCog(bot))
