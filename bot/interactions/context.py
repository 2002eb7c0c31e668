"""The person and place of a command, button press or reaction: what they may see and do, and what the bot may.

Permissions are checked before a job is queued, so that no picture is painted that cannot be posted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import discord

from bot.errors import NotAllowed, Refused
from bot.models.job import Applied, JobRow, Kind, Origin
from bot.policy.server_rules import Location, check_revealed
from bot.storage import Store
from bot.text import listed

_NEEDED = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "attach_files": "Attach Files",
    "embed_links": "Embed Links",
}
TOKEN_SECONDS = 15 * 60
"""Lifetime of an interaction's token."""
TOKEN_MARGIN = 120
"""Seconds of the token's lifetime that are reserved for the delivery."""


@dataclass(frozen=True, slots=True)
class Invocation:
    user_id: int
    user_name: str
    channel_id: int
    guild_id: int | None
    roles: tuple[int, ...]
    moderator: bool
    """The person may manage messages here, so they moderate all pictures in the channel."""
    allowed: discord.Permissions
    """Permissions of the bot here."""
    in_thread: bool
    resident: bool
    """The bot is a member of the server, so it can post without an interaction's token."""
    manager: bool = False
    """The person may manage this server, its rules and its members."""
    above: tuple[int, ...] = ()
    """Ids of the parent (of a thread or post) and of the category."""
    restricted: bool = False
    """Whether the channel is age-restricted (18+)."""
    interaction_id: int | None = None
    interaction_token: str = field(default="", repr=False)
    member: discord.Member | None = field(default=None, repr=False, compare=False)
    """The person in this server, for permissions in other channels."""

    @classmethod
    def of_interaction(cls, interaction: discord.Interaction[discord.Client]) -> Invocation:
        """The person who used a command, pressed a button or submitted a modal."""
        member = interaction.user if isinstance(interaction.user, discord.Member) else None
        guild = interaction.client.get_guild(interaction.guild_id) if interaction.guild_id else None
        return cls(
            user_id=interaction.user.id,
            user_name=interaction.user.display_name,
            channel_id=interaction.channel_id or 0,
            guild_id=interaction.guild_id,
            roles=tuple(role.id for role in member.roles) if member else (),
            moderator=interaction.permissions.manage_messages,
            allowed=interaction.app_permissions,
            in_thread=isinstance(interaction.channel, discord.Thread),
            resident=guild is not None or (interaction.guild_id is None and interaction.context.dm_channel),
            manager=interaction.guild_id is not None and interaction.permissions.manage_guild,
            above=_above(interaction.channel),
            restricted=is_restricted(interaction.channel),
            interaction_id=interaction.id,
            interaction_token=interaction.token,
            member=member,
        )

    @classmethod
    def of_reaction(cls, client: discord.Client, event: discord.RawReactionActionEvent) -> Invocation:
        """The person who reacted to a message, from the gateway's event and the cache."""
        guild = client.get_guild(event.guild_id) if event.guild_id else None
        return cls.of_person(event.channel_id, guild, event.member or discord.Object(event.user_id))

    @classmethod
    def of_person(
        cls, channel_id: int, guild: discord.Guild | None, person: discord.Member | discord.User | discord.Object
    ) -> Invocation:
        """A person known from the cache only; in a direct message everything is allowed."""
        channel = guild.get_channel_or_thread(channel_id) if guild else None
        member = person if isinstance(person, discord.Member) else None
        return cls(
            user_id=person.id,
            user_name=getattr(person, "display_name", str(person.id)),
            channel_id=channel_id,
            guild_id=guild.id if guild else None,
            roles=tuple(role.id for role in member.roles) if member else (),
            moderator=bool(member and channel and channel.permissions_for(member).manage_messages),
            allowed=channel.permissions_for(guild.me) if guild and channel else discord.Permissions.all(),
            in_thread=isinstance(channel, discord.Thread),
            resident=True,
            manager=bool(member and guild and member.guild_permissions.manage_guild),
            above=_above(channel),
            restricted=is_restricted(channel),
            member=member,
        )

    def sees(self, channel_id: int) -> bool:
        """Whether the person can read that channel of this server, and its pictures may be shown here.

        False for channels that are not cached, for private threads, and for age-restricted channels elsewhere.
        """
        channel = self.member.guild.get_channel_or_thread(channel_id) if self.member and self.resident else None
        return channel is not None and self.sees_channel(channel)

    def sees_channel(self, channel: discord.abc.GuildChannel | discord.Thread) -> bool:
        """Like `sees`, for a channel that was fetched."""
        if self.member is None or (is_restricted(channel) and not self.restricted):
            return False
        if isinstance(channel, discord.Thread):
            if channel.is_private() and channel.id != self.channel_id:
                return False
            if channel.parent is None:
                return False
        allowed = channel.permissions_for(self.member)
        return allowed.view_channel and allowed.read_message_history

    @property
    def location(self) -> Location:
        return Location(self.guild_id, (self.channel_id, *self.above), self.restricted, self.roles)

    def check_manager(self, hosts: Collection[int]) -> None:
        """Raise NotAllowed unless this person may manage the server, or is one of the *hosts*."""
        if not self.manager and self.user_id not in hosts:
            raise NotAllowed("Only people who can manage this server can do this.")

    def check_moderator(self, hosts: Collection[int]) -> None:
        """Raise NotAllowed unless this person moderates this channel, or is one of the *hosts*."""
        if not (self.moderator or self.manager or self.user_id in hosts):
            raise NotAllowed("Only people who can manage messages here can do this.")

    def check_place(self) -> None:
        """Raise Refused, naming what is missing, unless a picture can be posted here."""
        names = ["attach_files", "embed_links"]
        if self.guild_id and self.resident:  # without the right to write, only that is named
            writing = ("view_channel", "send_messages_in_threads" if self.in_thread else "send_messages")
            names = [name for name in writing if not getattr(self.allowed, name)][:1] or names
        if missing := [_NEEDED[name] for name in names if not getattr(self.allowed, name)]:
            raise Refused(
                f"I cannot post pictures here without the permission{'s' * (len(missing) > 1)} {listed(missing)}. "
                "Ask a person who manages this channel to grant this. Nothing was queued."
            )

    def check_time(self, seconds: float) -> None:
        """Raise Refused for a wait longer than the token lives, where only the interaction's token can deliver."""
        if not self.resident and seconds > TOKEN_SECONDS - TOKEN_MARGIN:
            raise Refused(
                "I am not a member here, so I can only answer for 15 minutes, and the queue is longer than that. "
                "Try again later, or invite me to this server."
            )

    def check_owner(self, job: JobRow) -> None:
        """Raise NotAllowed unless this is the job's owner or a moderator of the place, who may delete it."""
        if not (self.moderator or job.owned_by(self.user_id)):
            raise NotAllowed(f"Only {job.origin.shown_name} or a moderator can delete this.")

    async def job(self, store: Store, job_id: str, *, blind: bool = False) -> JobRow:
        """The job, if the person may see it: their own, a starred one, or one that they can read here.

        They can read it if it is shown in this channel, or in another channel of this server that they can read.

        A custom id can be forged, so every button, menu and modal asks. Raises Refused; an unknown job reads the same.
        *blind*: a blind vote over its pictures is no obstacle.
        """
        job = await store.jobs.find(job_id)
        if job is None or not await self._may_see(store, job):
            raise Refused("This picture is not available here. It may have been deleted.")
        if not blind:
            await check_revealed(store, job, self.user_id)
        return job

    async def _may_see(self, store: Store, job: JobRow) -> bool:
        if job.owned_by(self.user_id):
            return True
        if job.message_id is None and job.origin.channel_id == self.channel_id:  # its message is being posted
            return True
        shown = {channel_id for channel_id, _ in await store.messages.of_job(job.id)}
        if self.channel_id in shown:
            return True
        where = job.origin
        here = where.guild_id is not None and where.guild_id == self.guild_id and not where.guest
        if here and where.channel_id in shown and self.sees(where.channel_id):
            return True
        if await store.starboard.is_in(job.id, self.channel_id):
            return True
        return any(star.user_id == self.user_id for star in await store.stars.of_job(job.id))

    def origin(
        self,
        kind: Kind = "dream",
        parent_job: str = "",
        parent_index: int = 0,
        applied: tuple[Applied, ...] = (),
    ) -> Origin:
        """The origin to be stored with a job: the picture it starts from, and the defaults that it contains."""
        return Origin(
            channel_id=self.channel_id,
            user_id=self.user_id,
            user_name=self.user_name,
            guild_id=self.guild_id,
            interaction_id=self.interaction_id,
            interaction_token=self.interaction_token,
            kind=kind,
            parent_job=parent_job,
            parent_index=parent_index,
            server_id=self.guild_id,
            guest=not self.resident,
            thread_of=self.above[0] if self.in_thread and self.above else None,
            applied=applied,
        )


def _above(channel: object) -> tuple[int, ...]:
    """Ids of a channel's parent (of a thread or post) and category, as far as they are cached."""
    parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
    parent = channel.parent if isinstance(channel, discord.Thread) else channel  # a parent may not be cached
    return tuple(found for found in (parent_id, getattr(parent, "category_id", None)) if found)


def is_restricted_id(client: discord.Client, channel_id: int) -> bool:
    """Whether that channel is age-restricted now; an unknown one is not."""
    return is_restricted(client.get_channel(channel_id))


def is_restricted(channel: object) -> bool:
    """Whether the channel is age-restricted; a thread follows its parent. An unknown channel is not restricted."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return False
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    return bool(getattr(parent, "nsfw", False))
