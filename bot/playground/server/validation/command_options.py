"""The options of a command from typed values, checked as a client does: types, ranges, choices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.playground.server.validation.commands import (  # fmt: skip
    BOOLEAN,
    CHANNEL_OPTION,
    INTEGER,
    MENTIONABLE,
    NUMBER,
    ROLE_OPTION,
    STRING,
    SUB_COMMAND,
    SUB_COMMAND_GROUP,
    USER_OPTION,
)
from bot.playground.server.validation.select_values import (
    UnknownEntityError,
    add_channel,
    add_mentionable,
    add_role,
    add_user,
)
from bot.playground.server.world.entities import Channel, World
from bot.playground.server.world.json_types import Json

TEXT = 6000
"""Maximal length of a string option ("Application Command Option Structure": max_length)."""


@dataclass
class FilledOptions:
    """The `options` and `resolved` of an interaction, and sentences about wrong values."""

    options: list[Json] = field(default_factory=list)
    resolved: Json = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class _Bad(Exception):
    """A value does not fit its option."""


def fill(
    world: World, channel: Channel, command: Json, full_name: str, values: Mapping[str, Any], *, focused: str = ""
) -> FilledOptions:
    """The options of the subcommand *full_name* with *values*; with *focused* the others may be incomplete."""
    filled = FilledOptions()
    path, declared = _descend(command, full_name.split(" ")[1:], filled)
    known = {option["name"]: option for option in declared}
    for name in values.keys() - known.keys():
        filled.wrong.append(f"/{full_name} has no option {name!r}; its options: {sorted(known)}")
    leaves = []
    for name, option in known.items():
        if name in values:
            leaves += _leaf(world, channel, option, values[name], filled, focused=focused)
        elif option.get("required") and not focused:
            filled.wrong.append(f"/{full_name} needs {name!r}")
    filled.options = _nested(path, leaves)
    return filled


def _descend(command: Json, names: list[str], filled: FilledOptions) -> tuple[list[tuple[str, int]], list[Json]]:
    """The subcommand's path and its options."""
    options: list[Json] = command.get("options") or []
    path: list[tuple[str, int]] = []
    for name in names:
        child = next((o for o in options if o["name"] == name and o["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP)), None)
        if child is None:
            filled.wrong.append(f"/{command['name']} has no subcommand {name!r}")
            return path, []
        path.append((name, child["type"]))
        options = child.get("options") or []
    if any(o["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP) for o in options):
        filled.wrong.append(f"/{command['name']} needs a subcommand: {sorted(o['name'] for o in options)}")
    return path, options


def _nested(path: list[tuple[str, int]], leaves: list[Json]) -> list[Json]:
    for name, kind in reversed(path):
        leaves = [{"name": name, "type": kind, "options": leaves}]
    return leaves


def _leaf(
    world: World, channel: Channel, option: Json, value: Any, filled: FilledOptions, *, focused: str
) -> list[Json]:
    name, kind = option["name"], option["type"]
    if focused == name:
        # The focused value is sent as text for every type ("Autocomplete": values are not validated).
        return [{"name": name, "type": kind, "value": str(value), "focused": True}]
    try:
        fitting = _fitting(option, value)
        if kind in _BY_OPTION:
            _BY_OPTION[kind](world, channel, fitting, filled.resolved)
            _check_channel_type(world, option, fitting)
    except (_Bad, UnknownEntityError) as bad:
        filled.wrong += [] if focused else [f"{name}: {bad}"]
        return []
    # In an autocomplete request numbers are text as well (assumptions.md).
    return [{"name": name, "type": kind, "value": str(fitting) if focused and kind in (INTEGER, NUMBER) else fitting}]


def _check_channel_type(world: World, option: Json, value: str) -> None:
    """Enforce `channel_types` ("Application Command Option Structure")."""
    wanted = option.get("channel_types") if option["type"] == CHANNEL_OPTION else None
    if wanted and world.channels[int(value)].type not in wanted:
        raise _Bad(f"only channels of the types {wanted} can be chosen")


def _fitting(option: Json, value: Any) -> Any:
    kind = option["type"]
    if kind == STRING:
        return _choice(option, _text(option, str(value)))
    if kind in (INTEGER, NUMBER):
        return _choice(option, _number(option, value))
    if kind == BOOLEAN:
        if not isinstance(value, bool) and str(value).lower() not in ("true", "false"):
            raise _Bad(f"{value!r} is not true or false")
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if not str(value).isdigit():
        raise _Bad(f"{value!r} is not an id")
    return str(value)


def _text(option: Json, text: str) -> str:
    low, high = option.get("min_length", 0), option.get("max_length", TEXT)
    if not low <= len(text) <= high:
        raise _Bad(f"{low} to {high} characters, not {len(text)}")
    return text


def _number(option: Json, value: Any) -> int | float:
    try:
        number = int(value) if option["type"] == INTEGER else float(value)
    except ValueError:
        raise _Bad(f"{value!r} is not a number") from None
    # The range of discord.py: integers that a double can represent.
    low, high = option.get("min_value", -(2**53)), option.get("max_value", 2**53)
    if not low <= number <= high:
        raise _Bad(f"{low} to {high}, not {number}")
    return number


def _choice(option: Json, value: Any) -> Any:
    """The value of a choice, given by value or name; raises _Bad if the option has choices and none fits."""
    choices = option.get("choices") or []
    for choice in choices:
        if value in (choice["value"], choice["name"]):
            return choice["value"]
    if choices:
        raise _Bad(f"{value!r} is not offered; offered: {[choice['name'] for choice in choices]}")
    return value


_BY_OPTION = {
    USER_OPTION: add_user,
    ROLE_OPTION: add_role,
    MENTIONABLE: add_mentionable,
    CHANNEL_OPTION: add_channel,
}
