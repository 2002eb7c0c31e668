"""`/compare`: lists of words and values, or several ways to paint, side by side in one job."""

from __future__ import annotations

from discord import app_commands

from bot.interactions.commands import NEGATIVE, Choices, Seed, Words, choices, everywhere
from bot.interactions.responder import AnyInteraction, begin
from bot.requests import autocomplete as completion
from bot.requests.parse import ParsedCommand
from bot.services import BotCog

WayWords = app_commands.Range[str, 1, 1000]


class CompareCog(BotCog):
    @app_commands.command(
        name="compare", description="Paint one prompt with lists of words, values or ways, side by side."
    )
    @app_commands.describe(
        prompt="What to paint. A list paints one picture per word: a [red|blue] fox",
        values="Lists of settings: steps=[10,25,50] or seed=[1..9] or style=[ink|watercolour]",
        first="A profile, method or model, with options if needed, for example draft eta=0.5",
        second="Another profile, method or model.",
        third="Another profile, method or model.",
        fourth="Another profile, method or model.",
        negative=NEGATIVE,
        size="Width x height, for example 256x256.",
        seed="The seed for all of them.",
    )
    @everywhere
    async def compare(
        self,
        interaction: AnyInteraction,
        prompt: Words,
        values: WayWords | None = None,
        first: WayWords | None = None,
        second: WayWords | None = None,
        third: WayWords | None = None,
        fourth: WayWords | None = None,
        negative: Words | None = None,
        size: str | None = None,
        seed: Seed | None = None,
    ) -> None:
        """Check all pictures, then queue them as one job."""
        responder, caller = begin(interaction)
        await self.services.job_actions.check_place(caller)
        ways = [text for text in (first, second, third, fourth) if text]
        wanted = ParsedCommand(prompt, negative or "", size or "", seed)
        services = self.services
        made = await services.experiments.prepare(wanted, values or "", ways, caller)
        await services.job_actions.dream(
            made.request, caller, responder, origin=caller.origin(applied=made.applied), notes=made.notes
        )

    @compare.autocomplete("values")
    async def _values(self, interaction: AnyInteraction, typed: str) -> Choices:
        return choices(completion.lists(typed))

    @compare.autocomplete("first")
    @compare.autocomplete("second")
    @compare.autocomplete("third")
    @compare.autocomplete("fourth")
    async def _ways(self, interaction: AnyInteraction, typed: str) -> Choices:
        shown = completion.ways(typed, self.services.jobs.unavailable())
        return [app_commands.Choice(name=text[:100], value=value) for text, value in shown if value]
