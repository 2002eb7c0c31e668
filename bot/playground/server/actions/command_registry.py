"""The app's registered commands (docs: interactions/application-commands.mdx)."""

from collections import deque

from bot.playground.server.validation.commands import CHAT_INPUT, check_commands
from bot.playground.server.validation.errors import ApiError, unknown
from bot.playground.server.world.clock import Clock
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.snowflakes import Snowflakes

CREATES_PER_DAY = 200


class CommandRegistry:
    """The registered commands by guild id; None for global ones."""

    def __init__(self, clock: Clock, ids: Snowflakes, app_id: int) -> None:
        self._clock, self._ids, self._app_id = clock, ids, app_id
        self._books: dict[int | None, dict[int, Json]] = {}
        self._created: deque[float] = deque()
        self.creates_per_day = CREATES_PER_DAY

    def all(self, guild_id: int | None = None) -> list[Json]:
        return list(self._books.get(guild_id, {}).values())

    def usable(self, guild_id: int | None) -> list[Json]:
        """The guild's own commands, then the global ones. A name may occur in both ("Registering a Command")."""
        return [*(self.all(guild_id) if guild_id else []), *self.all()]

    def get(self, guild_id: int | None, command_id: int) -> Json:
        try:
            return self._books[guild_id][command_id]
        except KeyError:
            raise unknown("application command") from None

    def put(self, guild_id: int | None, bodies: list[Json]) -> list[Json]:
        """Replace all commands ("Bulk Overwrite"). A command of the same name and type keeps its id."""
        check_commands(bodies)
        before = {(c["name"], c["type"]): c for c in self.all(guild_id)}
        self._books[guild_id] = {}
        return [self._keep(guild_id, body, before.get((body["name"], body.get("type", CHAT_INPUT)))) for body in bodies]

    def upsert(self, guild_id: int | None, body: Json) -> tuple[Json, bool]:
        """Create a command or replace the one of the same name; the flag is True for a new one."""
        check_commands([body])
        old = next(
            (c for c in self.all(guild_id) if (c["name"], c["type"]) == (body["name"], body.get("type", 1))), None
        )
        if old is None:
            check_commands([*self.all(guild_id), body])
        return self._keep(guild_id, body, old), old is None

    def edit(self, guild_id: int | None, command_id: int, body: Json) -> Json:
        old = self.get(guild_id, command_id)
        merged = {**old, **body}
        check_commands([merged])
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
            raise ApiError(400, 30034, "Max number of daily application command creates has been reached (200)")
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
