"""`/gallery` and `/favorites`: pages of a server's pictures and of one's starred ones, shown privately."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.community.gallery.pages import GalleryView
from bot.interactions.commands import everywhere
from bot.interactions.responder import AnyInteraction, begin
from bot.models.gallery import Order
from bot.services import BotCog
from bot.views.community.gallery import WORDS, gallery_payload


class GalleryCog(BotCog):
    @app_commands.command(name="gallery", description="Browse the pictures of this server.")
    @app_commands.guild_only()
    @app_commands.describe(
        order="The order of the pictures.",
        by="Only pictures by this person.",
        prompt="Only pictures whose prompt has all these words.",
    )
    @app_commands.choices(
        order=[
            app_commands.Choice(name="newest", value="newest"),
            app_commands.Choice(name="most starred", value="starred"),
        ]
    )
    async def gallery(
        self,
        interaction: AnyInteraction,
        order: str = "newest",
        by: discord.User | None = None,
        prompt: app_commands.Range[str, 1, WORDS] = "",
    ) -> None:
        chosen: Order = "starred" if order == "starred" else "newest"
        await self._show(interaction, GalleryView(order=chosen, person=by.id if by else None, words=prompt.strip()))

    @app_commands.command(name="favorites", description="Show the pictures that you starred, including other people's.")
    @everywhere
    async def favorites(self, interaction: AnyInteraction) -> None:
        await self._show(interaction, GalleryView(favorites=True))

    async def _show(self, interaction: AnyInteraction, view: GalleryView) -> None:
        responder, caller = begin(interaction, private=True)
        await responder.send_private_payload(await gallery_payload(self.services, view, caller))
