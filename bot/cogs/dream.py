"""`/dream`: words in, a picture out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import discord
from discord import app_commands
from discord.ext import commands

from bot import completion
from bot.answers import InteractionAnswer
from bot.attachments import read_attachment
from bot.bot import DreamBot
from bot.callers import Caller
from bot.rules import preferred
from bot.wording import duration, units
from engine.errors import DreamError
from engine.models import DEFAULT_MODEL
from engine.prompts import MAX_PROMPT
from engine.requests import MAX_SEED, build_request, parse_settings

AnyInteraction: TypeAlias = discord.Interaction[discord.Client]
Words = app_commands.Range[str, 1, MAX_PROMPT]
NOT_YET = "0" * 64
"""Stands for the hash of a picture that has not been fetched."""
Choices: TypeAlias = list[app_commands.Choice[str]]


class Dream(commands.Cog):
    """The command, and what it offers while somebody types."""

    def __init__(self, bot: DreamBot) -> None:
        self.bot = bot

    @app_commands.command(name="dream", description="Paint a picture from words.")
    @app_commands.describe(
        prompt="What to paint. Parts and weights: castle:2 | fog | people:-0.5",
        negative="What to keep away from.",
        image="A picture to start from.",
        method="How to paint.",
        model="Which set of weights to paint with.",
        size="Width x height, as in 256x256.",
        steps="More is slower and cleaner.",
        seed="The same seed and words give the same picture.",
        count="How many pictures, each with a seed of its own.",
        more="Further options, as in: eta=0.5 cutouts=8",
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def dream(
        self,
        interaction: AnyInteraction,
        prompt: Words,
        negative: Words | None = None,
        image: discord.Attachment | None = None,
        method: str | None = None,
        model: str | None = None,
        size: str | None = None,
        steps: app_commands.Range[int, 1, 2000] | None = None,
        seed: app_commands.Range[int, 0, MAX_SEED] | None = None,
        count: app_commands.Range[int, 1, 4] | None = None,
        more: app_commands.Range[str, 1, 500] | None = None,
    ) -> None:
        """Check everything that can be checked from the words alone, then fetch the picture, then queue."""
        answer, caller = InteractionAnswer.of(interaction), Caller.of_interaction(interaction)
        choices = await self.bot.moderation.choices(caller.user_id)
        if not choices.private:
            caller.check_place()
        wanted = model or "", method or "", size or ""
        rules = await self.bot.moderation.rules(caller.guild_id)
        usual_model, usual_method, usual_size = preferred(*wanted, (choices, rules), DEFAULT_MODEL)
        request = build_request(
            prompt,
            negative=negative or "",
            model=usual_model,
            method=usual_method,
            size=usual_size,
            steps=steps,
            seed=seed,
            count=count or 1,
            init_image=NOT_YET if image else "",
            settings=parse_settings(more or ""),
        )
        images: Mapping[str, bytes] = {}
        if image is not None:
            sha256, data = await read_attachment(image)
            request, images = request.model_copy(update={"init_image": sha256}), {sha256: data}
        await self.bot.orders.dream(request, caller, answer, images)

    @dream.autocomplete("method")
    async def _methods(self, interaction: AnyInteraction, typed: str) -> Choices:
        return _choices(completion.methods(typed, _typed(interaction, "model"), self.bot.unavailable))

    @dream.autocomplete("model")
    async def _models(self, interaction: AnyInteraction, typed: str) -> Choices:
        return _choices(completion.models(typed, _typed(interaction, "method"), self.bot.unavailable))

    @dream.autocomplete("size")
    async def _sizes(self, interaction: AnyInteraction, typed: str) -> Choices:
        most = self.bot.config.limits.max_size
        return _choices(completion.sizes(typed, _typed(interaction, "model"), most, self._price(interaction)))

    def _price(self, interaction: AnyInteraction) -> Callable[[int, int], str] | None:
        """What a size would cost with all that is typed so far, and how long it would take to paint."""
        steps, count = _typed(interaction, "steps"), _typed(interaction, "count")
        try:
            request = build_request(
                "a",
                model=_typed(interaction, "model") or DEFAULT_MODEL,
                method=_typed(interaction, "method"),
                steps=int(steps) if steps else None,
                count=int(count) if count else 1,
            )
        except (DreamError, ValueError):
            return None

        def price(width: int, height: int) -> str:
            sized = request.model_copy(update={"width": width, "height": height})
            return f"{units(sized.cost)}, about {duration(self.bot.dispatcher.expected(sized).likely)}"

        return price

    @dream.autocomplete("more")
    async def _more(self, interaction: AnyInteraction, typed: str) -> Choices:
        return _choices(completion.more(typed, _typed(interaction, "method"), _typed(interaction, "model")))


def _typed(interaction: AnyInteraction, option: str) -> str:
    """What stands in another option so far."""
    return str(getattr(interaction.namespace, option, "") or "")


def _choices(suggestions: list[completion.Suggestion]) -> Choices:
    return [app_commands.Choice(name=name, value=value) for name, value in suggestions]


async def setup(bot: DreamBot) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Dream(bot))
