"""Permissions in guilds and channels (docs: topics/permissions.mdx)."""

from enum import IntFlag

from bot.playground.server.world.entities import Channel, ChannelType, Guild, World


class Permission(IntFlag):
    """The bits in use, as in "Bitwise Permission Flags"."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40
    SEND_POLLS = 1 << 49
    USE_EXTERNAL_APPS = 1 << 50
    PIN_MESSAGES = 1 << 51


ALL = (1 << 53) - 1
EVERYDAY = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.USE_EXTERNAL_APPS
    | Permission.PIN_MESSAGES
)
"""The permissions of @everyone in a new server."""

_IN_DM = EVERYDAY | Permission.MENTION_EVERYONE
_NEED_SEND = Permission.MENTION_EVERYONE | Permission.ATTACH_FILES | Permission.EMBED_LINKS
_TIMED_OUT = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY


def guild_permissions(guild: Guild, user_id: int) -> int:
    """The union of the roles; owner and administrators have all ("Permission Hierarchy", compute_base_permissions)."""
    if user_id == guild.owner_id:
        return ALL
    member = guild.members[user_id]
    bits = guild.roles[guild.id].permissions
    for role_id in member.roles:
        bits |= guild.roles[role_id].permissions
    return ALL if bits & Permission.ADMINISTRATOR else bits


def permissions(world: World, channel: Channel, user_id: int) -> int:
    """The permission bits of *user_id* in *channel*; 0 for a user without access."""
    guild = world.guild_of(channel)
    if guild is None:
        return int(_IN_DM) if user_id in channel.recipients else 0
    if user_id not in guild.members:
        return 0
    bits = guild_permissions(guild, user_id)
    if bits == ALL:
        return ALL
    parent = world.channels[channel.parent_id] if channel.is_thread and channel.parent_id else channel
    bits = _overwritten(bits, guild, parent, user_id)
    bits = _without_implicit(bits, channel)
    member = guild.members[user_id]
    return bits & _TIMED_OUT if member.timed_out_until > world.now() else bits


def _overwritten(bits: int, guild: Guild, channel: Channel, user_id: int) -> int:
    """Overwrites in order: @everyone, all roles together, the member (compute_overwrites)."""
    everyone = channel.overwrites.get(guild.id)
    if everyone:
        bits = bits & ~everyone.deny | everyone.allow
    roles = [channel.overwrites[role] for role in guild.members[user_id].roles if role in channel.overwrites]
    deny = allow = 0
    for overwrite in roles:
        deny |= overwrite.deny
        allow |= overwrite.allow
    bits = bits & ~deny | allow
    own = channel.overwrites.get(user_id)
    return bits & ~own.deny | own.allow if own else bits


def _without_implicit(bits: int, channel: Channel) -> int:
    """Without VIEW_CHANNEL none; without SEND_MESSAGES no mentions, files or embeds ("Implicit Permissions")."""
    if not bits & Permission.VIEW_CHANNEL:
        return 0
    send = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    return bits if bits & send else bits & ~_NEED_SEND


def app_permissions(world: World, channel: Channel, app_user: int) -> int:
    """`app_permissions` of an interaction; in a DM a fixed set (receiving-and-responding.mdx, note ***)."""
    if channel.guild_id is not None and app_user in world.guilds[channel.guild_id].members:
        return permissions(world, channel, app_user)
    bits = Permission.ATTACH_FILES | Permission.EMBED_LINKS | Permission.MENTION_EVERYONE
    own_dm = channel.type is ChannelType.DM and app_user in channel.recipients
    return int(bits | Permission.USE_EXTERNAL_EMOJIS if own_dm else bits)
