"""What slash commands share: where they work, types and descriptions of options, and the choices they offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from discord import app_commands

from bot.interactions.responder import AnyInteraction
from engine.requests.prompts import MAX_SOURCE
from engine.requests.request import MAX_SEED

Words = app_commands.Range[str, 1, MAX_SOURCE]
Seed = app_commands.Range[int, 0, MAX_SEED]
More = app_commands.Range[str, 1, 2000]
NEGATIVE = "What the picture should avoid."
SIZE = "Width x height, for example 384x256, or 3:2, square, portrait, landscape."
Choices: TypeAlias = list[app_commands.Choice[str]]
T = TypeVar("T")
Value = TypeVar("Value", str, int)


def everywhere(command: T) -> T:
    """Decorates a command, group or menu: people may install it too, and it works in all direct messages."""
    installed = app_commands.allowed_installs(guilds=True, users=True)(command)
    return app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)(installed)


def typed_option(interaction: AnyInteraction, name: str) -> str:
    """What is typed so far into another option of the command."""
    return str(getattr(interaction.namespace, name, "") or "")


def choices(pairs: Iterable[tuple[str, Value]]) -> list[app_commands.Choice[Value]]:
    """Choices from (what is shown, value)."""
    return [app_commands.Choice(name=name, value=value) for name, value in pairs]
