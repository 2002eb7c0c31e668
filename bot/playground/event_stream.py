"""The server-sent events of one person's page: a `snapshot` of what the person sees, then each change of it."""

import asyncio
from typing import Any

from bot.playground.server.actions.people import can_see
from bot.playground.server.fault_switches import FaultSwitches
from bot.playground.server.local import LocalDiscord
from bot.playground.server.validation.command_access import usable_commands
from bot.playground.server.world.entities import Channel, Guild, User
from bot.playground.server.world.events import Event
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message
from bot.playground.server.world.payloads import channel_payload, user_payload
from bot.playground.server.world.permissions import Permission, guild_permissions, permissions

NEWEST = 100
"""Messages per channel in a snapshot."""
RELOAD = "reload"
"""In the queue: channels or permissions have changed, so the page needs a new snapshot."""
_CDN = ("https://cdn.discordapp.com/", "https://media.discordapp.net/")
_REACTION_EVENTS = {
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
}
_RELOAD_EVENTS = {"CHANNEL_UPDATE", "THREAD_CREATE"}


def local_addresses(value: Any) -> Any:
    """*value* with CDN addresses replaced by paths of the page's own server: /cdn/…"""
    if isinstance(value, str):
        host = next((host for host in _CDN if value.startswith(host)), None)
        return f"/cdn/{value.removeprefix(host)}" if host else value
    if isinstance(value, dict):
        return {key: local_addresses(each) for key, each in value.items()}
    return [local_addresses(each) for each in value] if isinstance(value, list) else value


class PersonStream:
    """Receives events for one person; `queue` holds (name, data) pairs for the page."""

    def __init__(self, site: LocalDiscord, user_id: int) -> None:
        self._site = site
        self._me = user_id
        self.queue: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()

    def receive(self, event: Event) -> None:
        if not self._concerns(event):
            return
        if event.name in _RELOAD_EVENTS:
            self.queue.put_nowait((RELOAD, {}))
            return
        told = self._page_event(event)
        if told is not None:
            self.queue.put_nowait((told[0], local_addresses(told[1])))

    def _concerns(self, event: Event) -> bool:
        if event.only_for is not None:
            return event.only_for == self._me
        channel = self._site.world.channels.get(event.channel_id) if event.channel_id else None
        return channel is None or can_see(self._site.world, channel, self._me)

    def _page_event(self, event: Event) -> tuple[str, Json] | None:
        """The page's name for *event* and its data; None where the page does not use it."""
        data = event.render(self._me, True)
        if event.name in ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"):
            return event.name.lower(), data
        if event.name in _REACTION_EVENTS:
            return "reaction", self._reactions(data)
        if event.name == "INTERACTION_MODAL_CREATE":
            return "modal", data
        if event.name == "INTERACTION_SUCCESS":
            return "interaction_done", data
        if event.name == "INTERACTION_FAILURE":
            return "interaction_failed", {"nonce": data["nonce"], "text": data["reason"]}
        if event.name == "APPLICATION_COMMANDS_UPDATE":
            return "commands", {"commands": self._commands(), "offered": self._usable()}
        return None

    def _reactions(self, data: Json) -> Json:
        message = self._site.messages.get(int(data["channel_id"]), int(data["message_id"]))
        shown = self._site.show(message, self._me).get("reactions", []) if message else []
        return {"channel_id": data["channel_id"], "message_id": data["message_id"], "reactions": shown}

    def _commands(self) -> list[Json]:
        """All commands of the first guild."""
        guild = next(iter(self._site.world.guilds), None)
        return self._site.commands.usable(guild)

    def _usable(self) -> dict[str, list[str]]:
        """Channel id → the ids of the commands that this person can use there."""
        world, registry = self._site.world, self._site.commands
        return {
            str(c.id): [command["id"] for command in usable_commands(world, registry.usable(c.guild_id), c, self._me)]
            for c in self._channels()
        }

    def _channels(self) -> list[Channel]:
        world = self._site.world
        return [channel for channel in world.channels.values() if can_see(world, channel, self._me)]

    def snapshot(self, faults: FaultSwitches) -> Json:
        """All that this person may see now; the page's server adds the state of bot and engine."""
        world = self._site.world
        channels = self._channels()
        guild = next(iter(world.guilds.values()))
        snapshot: Json = {
            "users": [self._user(guild, user) for user in world.users.values()],
            "me": str(self._me),
            "application": user_payload(world.users[world.app.id]),
            "guild": {"id": str(guild.id), "name": guild.name},
            "roles": [{"id": str(role.id), "name": role.name} for role in guild.roles.values()],
            "channels": [self._channel(channel) for channel in channels],
            "channel": str(channels[0].id),
            "messages": [self._site.show(message, self._me) for c in channels for message in self._newest(c)],
            "commands": self._commands(),
            "offered": self._usable(),
            "permissions": {str(c.id): str(permissions(world, c, self._me)) for c in channels},
            "faults": faults.listed(),
        }
        rewritten: Json = local_addresses(snapshot)
        return rewritten

    def _newest(self, channel: Channel) -> list[Message]:
        return self._site.messages.seen_by(channel.id, self._me)[-NEWEST:]

    def _channel(self, channel: Channel) -> Json:
        payload = channel_payload(self._site.world, channel)
        if channel.is_private:
            users = self._site.world.users
            payload["recipients"] = [user_payload(users[user]) for user in channel.recipients if user != self._me]
        return payload

    @staticmethod
    def _user(guild: Guild, user: User) -> Json:
        payload = user_payload(user)
        if user.bot:
            return payload
        moderates = user.id in guild.members and guild_permissions(guild, user.id) & Permission.MANAGE_MESSAGES
        role = "owner" if user.id == guild.owner_id else "moderator" if moderates else "member"
        return {**payload, "role": role}
