"""A small discord.py bot that uses every part of the protocol once, to test the local Discord with."""

import asyncio
import io
import re
from typing import Any, Self

import aiohttp
import discord
from discord import app_commands
from PIL import Image

INTENTS = discord.Intents(guilds=True, guild_reactions=True, dm_reactions=True)


def picture(color: str = "red", size: int = 24) -> bytes:
    """A PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), color).save(out, "PNG")
    return out.getvalue()


def png(color: str = "red", name: str = "p.png") -> discord.File:
    return discord.File(io.BytesIO(picture(color)), name)


class Again(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"again:(?P<n>\d+)"):
    """A button that survives restarts; answers with a deferred update and a follow-up."""

    def __init__(self, n: int) -> None:
        super().__init__(discord.ui.Button(label=f"Again {n}", custom_id=f"again:{n}"))
        self.n = n

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        return cls(int(match["n"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"again {self.n}", file=png("green", "again.png"))


class Form(discord.ui.Modal, title="Remix"):
    """A form with one field in a label."""

    prompt: discord.ui.Label[Self] = discord.ui.Label(
        text="Prompt", component=discord.ui.TextInput(custom_id="prompt", default="old")
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.prompt.component, discord.ui.TextInput)
        await interaction.response.send_message(f"remixed {self.prompt.component.value}")


class Gallery(discord.ui.LayoutView):
    """Components V2 with a picture of the message."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        gallery = discord.ui.MediaGallery[Self](discord.MediaGalleryItem("attachment://p.png", description="a picture"))
        self.add_item(discord.ui.Container(discord.ui.TextDisplay("a gallery"), gallery))


class ProtocolBot(discord.Client):
    """Logs in, syncs its commands, remembers what it was told."""

    def __init__(self, connector: aiohttp.BaseConnector, intents: discord.Intents = INTENTS, **options: Any) -> None:
        options = {"guild_ready_timeout": 0.02, "max_messages": None, **options}
        super().__init__(
            intents=intents, connector=connector, allowed_mentions=discord.AllowedMentions.none(), **options
        )
        self.tree = app_commands.CommandTree(self)
        self.reactions: list[str] = []
        self.resumed = asyncio.Event()
        self.fetched: bytes = b""
        add_commands(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Again)
        await self.tree.sync()

    async def on_resumed(self) -> None:
        self.resumed.set()

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.reactions.append(str(event.emoji))


def add_commands(bot: ProtocolBot) -> None:
    """One command per way of answering."""
    tree = bot.tree

    @tree.command(description="Defer, edit with pictures, end with an embed and a button")
    @app_commands.describe(prompt="what to paint", image="a picture to start from", steps="how long")
    async def paint(
        interaction: discord.Interaction,
        prompt: str,
        image: discord.Attachment | None = None,
        steps: app_commands.Range[int, 1, 9] = 2,
    ) -> None:
        await interaction.response.defer()
        bot.fetched = await image.read() if image else b""
        for step in range(steps):
            await interaction.edit_original_response(content=f"{step + 1}/{steps}", attachments=[png("blue", "p.png")])
        embed = discord.Embed(title=prompt).set_image(url="attachment://p.png")
        view = discord.ui.View(timeout=None).add_item(Again(7))
        await interaction.edit_original_response(
            content="done", embed=embed, attachments=[png("red", "p.png")], view=view
        )

    @paint.autocomplete("prompt")
    async def suggest(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{current} in fog", value=f"{current} in fog")]

    @tree.command(description="Answer at once, to one person only")
    async def whisper(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("only you", ephemeral=True)

    @tree.command(description="Open a form")
    async def form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Form())

    @tree.command(description="Answer with components V2")
    async def layout(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(view=Gallery(), file=png())

    @tree.command(description="Never answer")
    async def silent(interaction: discord.Interaction) -> None:
        pass

    @tree.command(description="Answer twice")
    async def twice(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("one")
        interaction.response._response_type = None  # what a second process would do
        try:
            await interaction.response.send_message("two")
        except discord.HTTPException as error:
            await interaction.followup.send(f"refused {error.code}")
