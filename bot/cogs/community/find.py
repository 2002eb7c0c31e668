"""`/find`, and the message command More like this: pictures by words, and by what they look like."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.community.held_pictures import attached_picture
from bot.errors import Refused
from bot.interactions.commands import choices, everywhere
from bot.interactions.context import Invocation
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.operations.command_sync import add_menu
from bot.services import BotClient
from bot.storage.community.searches import Place
from bot.views.base import Press
from bot.views.community.picture_lists import found_payload, similar_payload

PLACES: dict[str, Place] = {
    "my pictures and this server's": "all",
    "my pictures": "mine",
    "this server": "server",
    "my favourites": "favorites",
}


class FindCog(commands.Cog):
    def __init__(self, bot: BotClient) -> None:
        self.bot = bot
        self.services = bot.services
        self._menu = everywhere(app_commands.ContextMenu(name="More like this", callback=self.more_like_this))

    async def cog_load(self) -> None:
        """Add the message command to the tree; discord.py has no decorator for it in a cog."""
        add_menu(self.bot.tree, self._menu)

    async def cog_unload(self) -> None:
        self.bot.tree.remove_command(self._menu.name, type=self._menu.type)

    @app_commands.command(name="find", description="Find pictures by prompt and by appearance.")
    @everywhere
    @app_commands.describe(
        words="What is in the prompt or in the picture.",
        picture="Find pictures that resemble this one.",
        place="Where to look.",
    )
    @app_commands.rename(place="in")
    @app_commands.choices(place=choices(PLACES.items()))
    async def find(
        self,
        interaction: AnyInteraction,
        words: app_commands.Range[str, 1, 200] = "",
        picture: discord.Attachment | None = None,
        place: str = "all",
    ) -> None:
        """Show the first page privately."""
        responder = InteractionResponder.of(interaction, private=True)
        caller = Invocation.of_interaction(interaction)
        words = words.encode(errors="ignore").decode().strip()  # without halves of surrogate pairs
        if not words and picture is None:
            raise Refused("Type words or attach a picture to search for.")
        chosen: Place = place if place in PLACES.values() else "all"  # type: ignore[assignment]
        await responder.send_private_payload(await self._found(words, chosen, caller, picture))

    async def more_like_this(self, interaction: AnyInteraction, message: discord.Message) -> None:
        """Show pictures that resemble a result, or the attached picture of another message."""
        responder = InteractionResponder.of(interaction, private=True)
        press = Press(interaction, responder, Invocation.of_interaction(interaction), self.services)
        store = self.services.store
        if entry := await store.starboard.find_message(message.channel.id, message.id):
            payload = await similar_payload(press, await press.job(entry[0]), entry[1])
        elif job_id := await store.messages.job_id(message.channel.id, message.id):
            payload = await similar_payload(press, await press.job(job_id), None)
        else:
            payload = await self._found("", "all", press.caller, attached_picture(message))
        await responder.send_private_payload(payload)

    async def _found(
        self, words: str, place: Place, caller: Invocation, picture: discord.Attachment | None
    ) -> EphemeralPayload:
        clean = await self.services.attachments.read(picture, caller.user_id) if picture else None
        page = await self.services.finder.by_words(words, place, caller, clean.png if clean else None)
        return await found_payload(self.services, page)


async def setup(bot: BotClient) -> None:
    await bot.add_cog(FindCog(bot))
