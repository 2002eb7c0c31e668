"""Users, guilds and channels of the local Discord."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum


def shard_of(guild_id: int, shards: int) -> int:
    """The shard that receives a guild's events (docs: events/gateway.mdx, "Sharding Formula")."""
    return (guild_id >> 22) % shards


class ChannelType(IntEnum):
    """docs: resources/channel.mdx, "Channel Types"."""

    TEXT = 0
    DM = 1
    GROUP_DM = 3
    CATEGORY = 4
    """Contains channels only."""
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    FORUM = 15
    """Contains threads only, no messages."""


@dataclass
class User:
    """A person or the bot."""

    id: int
    username: str
    global_name: str | None = None
    bot: bool = False
    takes_dms: bool = True
    """Whether the app may send direct messages to this person."""


@dataclass
class Role:
    """A role of a guild; @everyone has the guild's id."""

    id: int
    name: str
    permissions: int
    position: int = 0
    color: int = 0
    managed_by: int | None = None
    """The bot's id for the role of an app."""


@dataclass
class Overwrite:
    """A channel's permission overwrite for a role (type 0) or a member (type 1)."""

    id: int
    type: int
    allow: int = 0
    deny: int = 0


@dataclass
class Channel:
    """A text channel, a thread or a direct message."""

    id: int
    type: ChannelType
    name: str = ""
    guild_id: int | None = None
    position: int = 0
    topic: str | None = None
    nsfw: bool = False
    parent_id: int | None = None
    owner_id: int | None = None
    created_at: float = 0.0
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    recipients: tuple[int, ...] = ()
    last_message_id: int | None = None
    slowmode: int = 0
    archived: bool = False
    """Of a thread: read-only until the next message opens it."""
    locked: bool = False
    """Of a thread: writing and editing need MANAGE_THREADS."""

    @property
    def is_thread(self) -> bool:
        return self.type in (ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD)

    @property
    def is_private(self) -> bool:
        return self.type in (ChannelType.DM, ChannelType.GROUP_DM)


@dataclass
class Member:
    """A user in a guild."""

    user_id: int
    joined_at: float
    roles: list[int] = field(default_factory=list)
    nick: str | None = None
    timed_out_until: float = 0.0


@dataclass
class Guild:
    """A server."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    premium_tier: int = 0


@dataclass
class Application:
    """The app of this world. Its bot user has the same id."""

    id: int
    name: str
    token: str = field(repr=False)
    owner_id: int
    privileged_intents: int = 0
    """The privileged intents that the developer portal allows."""
    user_installs: set[int] = field(default_factory=set)
    """Ids of users who have installed the app for themselves."""


@dataclass
class World:
    """All users, guilds and channels by id."""

    app: Application
    now: Callable[[], float]
    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def guild_of(self, channel: Channel) -> Guild | None:
        return None if channel.guild_id is None else self.guilds[channel.guild_id]

    def channels_of(self, guild: Guild) -> list[Channel]:
        """The channels of *guild* by position, without threads."""
        found = [c for c in self.channels.values() if c.guild_id == guild.id and not c.is_thread]
        return sorted(found, key=lambda channel: channel.position)

    def threads_of(self, guild: Guild) -> list[Channel]:
        return [c for c in self.channels.values() if c.guild_id == guild.id and c.is_thread]

    def dm(self, *users: int) -> Channel | None:
        """The private channel of exactly these users, if it exists."""
        wanted = set(users)
        return next((c for c in self.channels.values() if c.is_private and set(c.recipients) == wanted), None)

    def channel_named(self, name: str) -> Channel:
        """A guild's channel or thread by name; raises KeyError with the existing names."""
        for channel in self.channels.values():
            if channel.guild_id is not None and channel.name == name:
                return channel
        raise KeyError(f"no channel {name!r}; existing: {sorted(c.name for c in self.channels.values() if c.name)}")
