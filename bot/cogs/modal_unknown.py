"""Buttons that this version does not know: another one made them, or nobody did. They are answered all the same."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import ui
from discord.ext import commands

from bot.interactions.responder import InteractionResponder
from bot.services import Client
from bot.views.base import PREFIX
from bot.views.layout import ALL, OTHERS

SENTENCE = "This button is from another version of me, and I do not know it any more. Nothing was done."


class Strays(commands.Cog):
    """Looks at what no button and no menu of ours is made for."""

    def __init__(self, bot: Client) -> None:
        self.services = bot.services

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[discord.Client]) -> None:
        """Every interaction passes here; what some item knows is its own business."""
        data = cast(dict[str, Any], interaction.data or {})
        custom_id = str(data.get("custom_id", ""))
        if interaction.type is discord.InteractionType.component and is_stray(custom_id):
            await InteractionResponder.of(interaction, private=True).send_private(SENTENCE)


def is_stray(custom_id: str) -> bool:
    """Whether *custom_id* looks like one of ours and belongs to nothing."""
    kinds: tuple[type[ui.DynamicItem[ui.Item[ui.View]]], ...] = (*ALL, *OTHERS)
    known = (kind.__discord_ui_compiled_template__ for kind in kinds)
    return custom_id.startswith(f"{PREFIX}:") and not any(pattern.fullmatch(custom_id) for pattern in known)


async def setup(bot: Client) -> None:
    """Called by discord.py when the file is loaded."""
    await bot.add_cog(Strays(bot))
