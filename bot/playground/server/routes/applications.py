"""The app itself, its commands, and where its gateway is (docs: interactions/application-commands.mdx)."""

from typing import TYPE_CHECKING

from bot.playground.server.json_types import Json
from bot.playground.server.payloads import application_payload
from bot.playground.server.refusals import malformed, missing_access, unknown
from bot.playground.server.routing import NO_CONTENT, Call, Reply, Routes

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()
GATEWAY = "wss://gateway.discord.gg"


@routes.add("GET", "/gateway")
async def get_gateway(site: "LocalDiscord", call: Call) -> Reply:
    return Reply({"url": GATEWAY})


@routes.add("GET", "/gateway/bot")
async def get_gateway_bot(site: "LocalDiscord", call: Call) -> Reply:
    limit = site.gateway.identifies.payload()
    return Reply({"url": GATEWAY, "shards": site.gateway.shards, "session_start_limit": limit})


@routes.add("GET", "/applications/@me")
@routes.add("GET", "/oauth2/applications/@me")
async def get_application(site: "LocalDiscord", call: Call) -> Reply:
    return Reply(application_payload(site.world))


@routes.add("GET", "/applications/{app}/emojis")
async def list_emojis(site: "LocalDiscord", call: Call) -> Reply:
    _own_app(site, call)
    return Reply({"items": []})


@routes.add("GET", "/applications/{app}/commands")
@routes.add("GET", "/applications/{app}/guilds/{guild}/commands")
async def list_commands(site: "LocalDiscord", call: Call) -> Reply:
    return Reply(site.commands.all(_guild(site, call)))


@routes.add("PUT", "/applications/{app}/commands")
@routes.add("PUT", "/applications/{app}/guilds/{guild}/commands")
async def put_commands(site: "LocalDiscord", call: Call) -> Reply:
    if not isinstance(call.body, list):
        raise malformed("A list is expected.")
    commands = site.commands.put(_guild(site, call), call.body)
    site.commands_changed()
    return Reply(commands)


@routes.add("POST", "/applications/{app}/commands")
@routes.add("POST", "/applications/{app}/guilds/{guild}/commands")
async def create_command(site: "LocalDiscord", call: Call) -> Reply:
    command, new = site.commands.upsert(_guild(site, call), call.json)
    site.commands_changed()
    return Reply(command, 201 if new else 200)


@routes.add("GET", "/applications/{app}/commands/{command}")
@routes.add("GET", "/applications/{app}/guilds/{guild}/commands/{command}")
async def get_command(site: "LocalDiscord", call: Call) -> Reply:
    return Reply(site.commands.get(_guild(site, call), call.id("command")))


@routes.add("PATCH", "/applications/{app}/commands/{command}")
@routes.add("PATCH", "/applications/{app}/guilds/{guild}/commands/{command}")
async def edit_command(site: "LocalDiscord", call: Call) -> Reply:
    body: Json = call.json
    command = site.commands.edit(_guild(site, call), call.id("command"), body)
    site.commands_changed()
    return Reply(command)


@routes.add("DELETE", "/applications/{app}/commands/{command}")
@routes.add("DELETE", "/applications/{app}/guilds/{guild}/commands/{command}")
async def delete_command(site: "LocalDiscord", call: Call) -> Reply:
    site.commands.delete(_guild(site, call), call.id("command"))
    site.commands_changed()
    return NO_CONTENT


def _own_app(site: "LocalDiscord", call: Call) -> None:
    if call.id("app") != site.world.app.id:
        raise unknown("Application")


def _guild(site: "LocalDiscord", call: Call) -> int | None:
    """None for global commands, else the guild, in which the app must be."""
    _own_app(site, call)
    if "guild" not in call.params:
        return None
    guild = site.world.guilds.get(call.id("guild"))
    if guild is None or site.world.app.id not in guild.members:
        raise missing_access()
    return guild.id
