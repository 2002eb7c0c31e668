"""The app itself, its commands, and where its gateway is (docs: interactions/application-commands.mdx)."""

from bot.playground.server.rest.routing import NO_CONTENT, Call, Reply, Routes
from bot.playground.server.validation.errors import malformed, missing_access, unknown
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.payloads import application_payload

routes = Routes()
GATEWAY = "wss://gateway.discord.gg"


@routes.add("GET", "/gateway")
async def get_gateway(call: Call) -> Reply:
    return Reply({"url": GATEWAY})


@routes.add("GET", "/gateway/bot")
async def get_gateway_bot(call: Call) -> Reply:
    limit = call.site.gateway.identifies.payload()
    return Reply({"url": GATEWAY, "shards": call.site.gateway.shards, "session_start_limit": limit})


@routes.add("GET", "/applications/@me")
@routes.add("GET", "/oauth2/applications/@me")
async def get_application(call: Call) -> Reply:
    return Reply(application_payload(call.site.world))


@routes.add("GET", "/applications/{app}/emojis")
async def list_emojis(call: Call) -> Reply:
    _own_app(call)
    return Reply({"items": []})


@routes.add("GET", "/applications/{app}/commands")
@routes.add("GET", "/applications/{app}/guilds/{guild}/commands")
async def list_commands(call: Call) -> Reply:
    return Reply(call.site.commands.all(_guild(call)))


@routes.add("PUT", "/applications/{app}/commands")
@routes.add("PUT", "/applications/{app}/guilds/{guild}/commands")
async def put_commands(call: Call) -> Reply:
    if not isinstance(call.body, list):
        raise malformed("A list is expected.")
    commands = call.site.commands.put(_guild(call), call.body)
    call.site.commands_changed()
    return Reply(commands)


@routes.add("POST", "/applications/{app}/commands")
@routes.add("POST", "/applications/{app}/guilds/{guild}/commands")
async def create_command(call: Call) -> Reply:
    command, new = call.site.commands.upsert(_guild(call), call.json)
    call.site.commands_changed()
    return Reply(command, 201 if new else 200)


@routes.add("GET", "/applications/{app}/commands/{command}")
@routes.add("GET", "/applications/{app}/guilds/{guild}/commands/{command}")
async def get_command(call: Call) -> Reply:
    return Reply(call.site.commands.get(_guild(call), call.id("command")))


@routes.add("PATCH", "/applications/{app}/commands/{command}")
@routes.add("PATCH", "/applications/{app}/guilds/{guild}/commands/{command}")
async def edit_command(call: Call) -> Reply:
    body: Json = call.json
    command = call.site.commands.edit(_guild(call), call.id("command"), body)
    call.site.commands_changed()
    return Reply(command)


@routes.add("DELETE", "/applications/{app}/commands/{command}")
@routes.add("DELETE", "/applications/{app}/guilds/{guild}/commands/{command}")
async def delete_command(call: Call) -> Reply:
    call.site.commands.delete(_guild(call), call.id("command"))
    call.site.commands_changed()
    return NO_CONTENT


def _own_app(call: Call) -> None:
    if call.id("app") != call.site.world.app.id:
        raise unknown("Application")


def _guild(call: Call) -> int | None:
    """None for global commands, else the guild, in which the app must be."""
    _own_app(call)
    if "guild" not in call.params:
        return None
    guild = call.site.world.guilds.get(call.id("guild"))
    if guild is None or call.site.world.app.id not in guild.members:
        raise missing_access()
    return guild.id
