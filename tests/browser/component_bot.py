"""A bot with all kinds of options, modals, menus and context commands; its responses repeat the values."""

from __future__ import annotations

from typing import Any, Self

import aiohttp
import discord
from discord import app_commands, ui

INTENTS = discord.Intents(guilds=True)


class ComponentBot(discord.Client):
    """Command groups, options of every kind, a modal with every field, menus, and both context menus."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        super().__init__(intents=INTENTS, connector=connector, guild_ready_timeout=0.02, max_messages=None)
        self.tree = app_commands.CommandTree(self)
        add_commands(self.tree)

    async def setup_hook(self) -> None:
        await self.tree.sync()


class EveryField(ui.Modal, title="Every field"):
    """A field of each kind that discord.py supports."""

    words: ui.Label[Self] = ui.Label(text="Words", component=ui.TextInput(custom_id="words"))
    colour: ui.Label[Self] = ui.Label(
        text="Colour",
        component=ui.Select(custom_id="colour", options=[discord.SelectOption(label=name) for name in ("red", "blue")]),
    )
    who: ui.Label[Self] = ui.Label(text="Who", component=ui.UserSelect(custom_id="who"))
    size: ui.Label[Self] = ui.Label(
        text="Size",
        component=ui.RadioGroup(
            custom_id="size", options=[discord.RadioGroupOption(label=name, value=name) for name in ("small", "large")]
        ),
    )
    extras: ui.Label[Self] = ui.Label(
        text="Extras",
        description="as many as you like",
        component=ui.CheckboxGroup(
            custom_id="extras",
            options=[discord.CheckboxGroupOption(label=name, value=name) for name in ("fog", "stars", "rain")],
        ),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        words, colour, who, size, extras = (label.component for label in self.children)  # type: ignore[attr-defined]
        told = [words.value, *colour.values, *(user.name for user in who.values), size.value, *extras.values]
        await interaction.response.send_message(" ".join(told))


class Menus(ui.View):
    """A user menu and a role menu."""

    @ui.select(cls=ui.UserSelect, placeholder="Somebody", custom_id="people")
    async def people(self, interaction: discord.Interaction, menu: ui.UserSelect[Self]) -> None:
        await interaction.response.send_message(f"chose {menu.values[0].name}")

    @ui.select(cls=ui.RoleSelect, placeholder="Roles", custom_id="roles", max_values=2)
    async def roles(self, interaction: discord.Interaction, menu: ui.RoleSelect[Self]) -> None:
        await interaction.response.send_message(" ".join(sorted(role.name for role in menu.values)))


def add_commands(tree: app_commands.CommandTree[Any]) -> None:
    admin = app_commands.Group(
        name="admin", description="For moderators", default_permissions=discord.Permissions(manage_messages=True)
    )
    limits = app_commands.Group(name="limits", description="Limits", parent=admin)

    @limits.command(description="Who may do how much")
    @app_commands.autocomplete(unit=_units)
    async def allow(
        interaction: discord.Interaction,
        who: discord.Member,
        amount: app_commands.Range[int, 1, 9],
        unit: str,
        role: discord.Role | None = None,
        where: discord.TextChannel | None = None,
    ) -> None:
        told = [who.name, amount, unit, role and role.name, where and where.name]
        await interaction.response.send_message(" ".join(map(str, told)))

    @tree.command(description="A form with every field")
    async def form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(EveryField())

    @tree.command(description="Menus to choose from")
    async def menus(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("choose", view=Menus(timeout=None))

    @tree.command(description="For late hours", nsfw=True)
    async def late(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("it is late")

    @tree.context_menu(name="Who is this")
    async def who_is(interaction: discord.Interaction, member: discord.Member) -> None:
        await interaction.response.send_message(f"this is {member.name}")

    @tree.context_menu(name="Quote")
    async def quote(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"“{message.content}”")

    tree.add_command(admin)


async def _units(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=word, value=word) for word in ("pictures", "pixels", "minutes") if current in word]
