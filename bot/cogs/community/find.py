"""`/find`: pictures by words, and by what they look like."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.errors import Refused
from bot.interactions.commands import choices, everywhere
from bot.interactions.responder import AnyInteraction, begin
from bot.services import BotCog
from bot.storage.community.searches import Place
from bot.views.community.picture_lists import AGES, search_payload

PLACES: dict[str, Place] = {
    "my pictures and this server's": "all",
    "my pictures": "mine",
    "this server": "server",
    "my favourites": "favorites",
}


class FindCog(BotCog):
    @app_commands.command(name="find", description="Find pictures by prompt and by appearance.")
    @everywhere
    @app_commands.describe(
        words="What is in the prompt or in the picture.",
        picture="Find pictures that resemble this one.",
        place="Where to look.",
        painted="How long ago it was painted; at any time if you leave this out.",
    )
    @app_commands.rename(place="in")
    @app_commands.choices(place=choices(PLACES.items()))
    @app_commands.choices(painted=choices(AGES.items()))
    async def find(
        self,
        interaction: AnyInteraction,
        words: app_commands.Range[str, 1, 200] = "",
        picture: discord.Attachment | None = None,
        place: str = "all",
        painted: int = 0,
    ) -> None:
        responder, caller = begin(interaction, private=True)
        words = words.encode(errors="ignore").decode().strip()  # without halves of surrogate pairs
        if not words and picture is None:
            raise Refused("Type words or attach a picture to search for.")
        chosen: Place = place if place in PLACES.values() else "all"  # type: ignore[assignment]
        seconds = painted if painted in AGES.values() else 0
        payload = await search_payload(self.services, words, chosen, caller, picture, seconds)
        await responder.send_private_payload(payload)
