"""What slash commands share: where they work, and the choices they offer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from discord import app_commands

Choices: TypeAlias = list[app_commands.Choice[str]]
T = TypeVar("T")


def everywhere(command: T) -> T:
    """Decorates a command, group or menu: people may install it too, and it works in all direct messages."""
    installed = app_commands.allowed_installs(guilds=True, users=True)(command)
    return app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)(installed)


def choices(pairs: Iterable[tuple[str, str]]) -> Choices:
    """Choices from (what is shown, value)."""
    return [app_commands.Choice(name=name, value=value) for name, value in pairs]
