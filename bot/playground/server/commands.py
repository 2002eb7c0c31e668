"""Application commands as they are registered (docs: interactions/application-commands.mdx)."""

import re
from collections import deque
from typing import Any

from bot.playground.server.clock import Clock
from bot.playground.server.ids import Snowflakes
from bot.playground.server.json_types import Json
from bot.playground.server.refusals import FormErrors, Refusal, unknown

CHAT_INPUT, USER, MESSAGE = 1, 2, 3
SUB_COMMAND, SUB_COMMAND_GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER_OPTION, CHANNEL_OPTION, ROLE_OPTION, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11
MOST = {CHAT_INPUT: 100, USER: 15, MESSAGE: 15}
"""Commands per type ("Registering a Command")."""
OPTIONS, CHOICES, DESCRIPTION, TEXT, CHARACTERS = 25, 25, 100, 100, 8000
CREATES_PER_DAY = 200

_NAME = re.compile(r"[-_'\w\u0900-\u097F\u0E00-\u0E7F]{1,32}")
_CHOOSABLE = (STRING, INTEGER, NUMBER)


class CommandBook:
    """The registered commands: global ones under None, a guild's under its id."""

    def __init__(self, clock: Clock, ids: Snowflakes, app_id: int) -> None:
        self._clock, self._ids, self._app_id = clock, ids, app_id
        self._books: dict[int | None, dict[int, Json]] = {}
        self._created: deque[float] = deque()
        self.creates_per_day = CREATES_PER_DAY

    def all(self, guild_id: int | None = None) -> list[Json]:
        return list(self._books.get(guild_id, {}).values())

    def usable(self, guild_id: int | None) -> list[Json]:
        """What a client shows: the guild's own commands first, then the global ones, of the same names too
        ("Registering a Command": one name may be taken once in each of the two scopes)."""
        return [*(self.all(guild_id) if guild_id else []), *self.all()]

    def get(self, guild_id: int | None, command_id: int) -> Json:
        try:
            return self._books[guild_id][command_id]
        except KeyError:
            raise unknown("application command") from None

    def put(self, guild_id: int | None, bodies: list[Json]) -> list[Json]:
        """Replace all ("Bulk Overwrite"): equal names keep their id and do not count as created."""
        _check_counts(bodies)
        before = {(c["name"], c["type"]): c for c in self.all(guild_id)}
        self._books[guild_id] = {}
        return [self._keep(guild_id, body, before.get((body["name"], body.get("type", CHAT_INPUT)))) for body in bodies]

    def upsert(self, guild_id: int | None, body: Json) -> tuple[Json, bool]:
        """Create, or replace the one of the same name ("Create Global Application Command"); True where it is new."""
        _check_counts([body])
        old = next(
            (c for c in self.all(guild_id) if (c["name"], c["type"]) == (body["name"], body.get("type", 1))), None
        )
        if old is None:
            _check_counts([*self.all(guild_id), body])
        return self._keep(guild_id, body, old), old is None

    def edit(self, guild_id: int | None, command_id: int, body: Json) -> Json:
        old = self.get(guild_id, command_id)
        merged = {**old, **body}
        _check_counts([merged])
        return self._keep(guild_id, merged, old)

    def delete(self, guild_id: int | None, command_id: int) -> None:
        self.get(guild_id, command_id)
        del self._books[guild_id][command_id]

    def _keep(self, guild_id: int | None, body: Json, old: Json | None) -> Json:
        if old is None:
            self._count_create()
        command = self._payload(guild_id, body, int(old["id"]) if old else self._ids.next())
        self._books.setdefault(guild_id, {})[int(command["id"])] = command
        return command

    def _count_create(self) -> None:
        now = self._clock.now()
        while self._created and self._created[0] < now - 86_400:
            self._created.popleft()
        if len(self._created) >= self.creates_per_day:
            raise Refusal(400, 30034, "Max number of daily application command creates has been reached (200)")
        self._created.append(now)

    def _payload(self, guild_id: int | None, body: Json, command_id: int) -> Json:
        """docs: "Application Command Structure"."""
        kind = body.get("type") or CHAT_INPUT
        permissions = body.get("default_member_permissions")
        payload: Json = {
            "id": str(command_id),
            "application_id": str(self._app_id),
            "version": str(self._ids.next()),
            "default_member_permissions": None if permissions is None else str(permissions),
            "type": kind,
            "name": body["name"],
            "name_localizations": body.get("name_localizations"),
            "description": body.get("description") or "",
            "description_localizations": body.get("description_localizations"),
            "dm_permission": body.get("dm_permission", True) is not False,
            "contexts": body.get("contexts"),
            "integration_types": body.get("integration_types") or [0],
            "nsfw": bool(body.get("nsfw")),
        }
        if body.get("options"):
            payload["options"] = [_option_payload(option) for option in body["options"]]
        return {**payload, "guild_id": str(guild_id)} if guild_id else payload


def _option_payload(option: Json) -> Json:
    payload = {
        key: value for key, value in option.items() if value is not None and not (key == "required" and not value)
    }
    if "options" in payload:
        payload["options"] = [_option_payload(child) for child in payload["options"]]
    return payload


def _check_counts(bodies: list[Json]) -> None:
    """Every command by itself, then how many there are and whether names are taken twice."""
    errors = FormErrors()
    for number, body in enumerate(bodies):
        _check_command(body, str(number) if len(bodies) > 1 else "", errors)
    errors.check()
    for kind, most in MOST.items():
        if sum((body.get("type") or CHAT_INPUT) == kind for body in bodies) > most:
            raise Refusal(400, 30032, f"Maximum number of application commands reached ({most})")
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
