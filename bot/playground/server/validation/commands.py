"""The rules for registered commands (docs: interactions/application-commands.mdx)."""

import re
from typing import Any

from bot.playground.server.validation.errors import ApiError, FormErrors
from bot.playground.server.world.json_types import Json

CHAT_INPUT, USER, MESSAGE = 1, 2, 3
SUB_COMMAND, SUB_COMMAND_GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER_OPTION, CHANNEL_OPTION, ROLE_OPTION, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
MOST = {CHAT_INPUT: 100, USER: 15, MESSAGE: 15}
"""Commands per type ("Registering a Command")."""
OPTIONS, CHOICES, DESCRIPTION, TEXT, CHARACTERS = 25, 25, 100, 100, 8000

_NAME = re.compile(r"[-_'\w\u0900-\u097F\u0E00-\u0E7F]{1,32}")
_CHOOSABLE = (STRING, INTEGER, NUMBER)


def check_commands(bodies: list[Json]) -> None:
    """Check each command, their number, and that names are unique; raises ApiError."""
    errors = FormErrors()
    for number, body in enumerate(bodies):
        _check_command(body, str(number) if len(bodies) > 1 else "", errors)
    errors.check()
    for kind, most in MOST.items():
        if sum((body.get("type") or CHAT_INPUT) == kind for body in bodies) > most:
            raise ApiError(400, 30032, f"Maximum number of application commands reached ({most})")
    names = [(body["name"], body.get("type") or CHAT_INPUT) for body in bodies]
    for number, name in enumerate(names):
        if name in names[:number]:
            errors.add(f"{number}", "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
    errors.check()


def _check_command(body: Json, path: str, errors: FormErrors) -> None:
    at = f"{path}." if path else ""
    if (body.get("type") or CHAT_INPUT) == CHAT_INPUT:
        _check_name(body.get("name"), f"{at}name", errors)
        _check_description(body.get("description"), f"{at}description", errors)
        _check_options(body.get("options") or [], f"{at}options", errors)
    elif body.get("description"):
        errors.add(
            f"{at}description",
            "APPLICATION_COMMAND_INVALID_DESCRIPTION",
            "Context menu commands cannot have a description",
        )
    if _characters(body) > CHARACTERS:
        errors.add(path, "APPLICATION_COMMAND_TOO_LARGE", f"Command exceeds maximum size ({CHARACTERS})")


def _check_name(name: Any, path: str, errors: FormErrors) -> None:
    if not name:
        errors.required(path)
    elif not _NAME.fullmatch(name) or name != name.lower():
        errors.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_description(text: Any, path: str, errors: FormErrors) -> None:
    if not text:
        errors.required(path)
    elif len(text) > DESCRIPTION:
        errors.bad_length(path, 1, DESCRIPTION)


def _check_options(options: list[Json], path: str, errors: FormErrors) -> None:
    if len(options) > OPTIONS:
        errors.too_long(path, OPTIONS)
    optional_seen = False
    for number, option in enumerate(options):
        _check_option(option, f"{path}.{number}", errors)
        if option.get("required") and optional_seen:
            message = "Required options must be placed before non-required options"
            errors.add(f"{path}.{number}", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_seen = optional_seen or not option.get("required")
    names = [option.get("name") for option in options]
    if len(set(names)) < len(names):
        errors.add(path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")


def _check_option(option: Json, path: str, errors: FormErrors) -> None:
    _check_name(option.get("name"), f"{path}.name", errors)
    _check_description(option.get("description"), f"{path}.description", errors)
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        errors.add(
            f"{path}.choices",
            "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE",
            "Options with autocomplete cannot have choices",
        )
    if (choices or option.get("autocomplete")) and option.get("type") not in _CHOOSABLE:
        errors.add(
            f"{path}.type",
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
            "Only strings, integers and numbers have choices",
        )
    check_choices(choices, f"{path}.choices", errors)
    _check_options(option.get("options") or [], f"{path}.options", errors)


def check_choices(choices: list[Json], path: str, errors: FormErrors) -> None:
    """At most 25, names and text values of 1 to 100 ("Application Command Option Choice Structure")."""
    if len(choices) > CHOICES:
        errors.too_long(path, CHOICES)
    for number, choice in enumerate(choices):
        for key in ("name", "value"):
            text = choice.get(key)
            if isinstance(text, str) and not 1 <= len(text) <= TEXT:
                errors.bad_length(f"{path}.{number}.{key}", 1, TEXT)


def _characters(body: Json) -> int:
    """Name, description and values, over all options ("Slash Commands": 8000 in all)."""
    own = len(body.get("name") or "") + len(body.get("description") or "")
    choices = sum(len(str(choice.get(key, ""))) for choice in body.get("choices") or [] for key in ("name", "value"))
    return own + choices + sum(_characters(option) for option in body.get("options") or [])
