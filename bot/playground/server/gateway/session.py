"""A gateway session: the numbered events of one shard, kept for RESUME."""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.playground.server.world.entities import Guild, World, shard_of
from bot.playground.server.world.events import Event, Intent
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import Permission, permissions
from bot.playground.server.world.record import Record

REPLAYED = 2000
"""Events that a session keeps for RESUME; Discord publishes no number (assumptions.md)."""


@dataclass
class GatewaySession:
    """One identified shard with its past events. It outlives its socket."""

    world: World
    record: Record
    intents: int
    shard: tuple[int, int]
    send: Callable[[Json], None] | None
    """Sends a frame to the socket; None without a socket."""
    cut: Callable[[], None] | None = None
    """Aborts that socket."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    seq: int = 0
    past: deque[Json] = field(default_factory=lambda: deque(maxlen=REPLAYED))
    presence: Json = field(default_factory=dict)

    def receive(self, event: Event) -> None:
        """Dispatch *event* where it belongs to this bot, this shard and these intents."""
        if self._concerns(event):
            content = bool(self.intents & Intent.MESSAGE_CONTENT)
            self.dispatch(event.name, event.render(self.world.app.id, content))

    def dispatch(self, name: str, data: Json) -> None:
        self.seq += 1
        frame: Json = {"op": 0, "t": name, "s": self.seq, "d": data}
        self.past.append(frame)
        self.record.add_event(name, data)
        if self.send is not None:
            self.send(frame)

    def guilds(self) -> list[Guild]:
        """The bot's guilds that belong to this shard."""
        me = self.world.app.id
        return [guild for guild in self.world.guilds.values() if me in guild.members and self._owns(guild.id)]

    def missed(self, seq: int) -> list[Json] | None:
        """The frames after *seq*; None if they are no longer kept or *seq* is wrong."""
        if seq > self.seq or (self.past and seq < self.past[0]["s"] - 1):
            return None
        return [frame for frame in self.past if frame["s"] > seq]

    def _concerns(self, event: Event) -> bool:
        me = self.world.app.id
        if event.people_only or (event.only_for is not None and event.only_for != me):
            return False
        if event.intent and not self.intents & event.intent:
            return False
        return self._my_shard(event) and (event.only_for == me or self._may_see(event, me))

    def _my_shard(self, event: Event) -> bool:
        """Guild events go by guild id, direct messages to shard 0 (docs: events/gateway.mdx, "Sharding")."""
        return self.shard[0] == 0 if event.guild_id is None else self._owns(event.guild_id)

    def _owns(self, guild_id: int) -> bool:
        return shard_of(guild_id, self.shard[1]) == self.shard[0]

    def _may_see(self, event: Event, me: int) -> bool:
        if event.channel_id is None:
            return event.guild_id is None or me in self.world.guilds[event.guild_id].members
        channel = self.world.channels.get(event.channel_id)
        return channel is not None and bool(permissions(self.world, channel, me) & Permission.VIEW_CHANNEL)
