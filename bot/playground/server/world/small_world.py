"""The initial world of playground and tests: a server with channels and a thread, three people, the bot."""

import secrets

from bot.playground.server.world.clock import Clock
from bot.playground.server.world.entities import (
    Application,
    Channel,
    ChannelType,
    Guild,
    Member,
    Overwrite,
    Role,
    User,
    World,
)
from bot.playground.server.world.permissions import EVERYDAY, Permission
from bot.playground.server.world.snowflakes import Snowflakes

BOT_NAME = "Dreambot"


def small_world(clock: Clock, ids: Snowflakes) -> World:
    """Olive owns the server, Mo moderates it, Max is a member; the bot has no SEND_MESSAGES in #quiet."""
    olive = User(ids.next(), "olive", "Olive")
    max_ = User(ids.next(), "max", "Max")
    mo = User(ids.next(), "mo", "Mo")
    bot = User(ids.next(), BOT_NAME, None, bot=True)
    app = Application(bot.id, BOT_NAME, f"local.{secrets.token_urlsafe(24)}", olive.id)
    world = World(app, clock.now)
    for user in (olive, max_, mo, bot):
        world.users[user.id] = user
    _add_guild(world, ids, olive, mo)
    for user in (olive, max_, mo):
        dm = Channel(ids.next(), ChannelType.DM, recipients=(bot.id, user.id))
        world.channels[dm.id] = dm
    # Max has installed the app for himself. In his conversation with Olive only that installation counts.
    app.user_installs.add(max_.id)
    talk = Channel(ids.next(), ChannelType.DM, recipients=(max_.id, olive.id))
    world.channels[talk.id] = talk
    return world


def _add_guild(world: World, ids: Snowflakes, olive: User, mo: User) -> None:
    guild = _guild(world, ids, ids.next(), "The Atelier", olive.id)
    rights = Permission.MANAGE_GUILD | Permission.MANAGE_MESSAGES | Permission.MODERATE_MEMBERS
    moderator = Role(ids.next(), "Moderator", rights, 2, 0x5B8C3A)
    guild.roles[moderator.id] = moderator
    guild.members[mo.id].roles.append(moderator.id)
    _add_channels(world, ids, guild)


def add_guild(world: World, ids: Snowflakes, name: str, shard: tuple[int, int]) -> Channel:
    """Add a guild whose events go to *shard* (number, count); returns its only channel, called *name* too."""
    guild = _guild(world, ids, ids.next_on_shard(*shard), name, world.app.owner_id)
    channel = Channel(ids.next(), ChannelType.TEXT, name, guild.id)
    world.channels[channel.id] = channel
    return channel


def _guild(world: World, ids: Snowflakes, guild_id: int, name: str, owner_id: int) -> Guild:
    """A guild with all users as members and a role for the bot."""
    guild = Guild(guild_id, name, owner_id)
    bots = Role(ids.next(), BOT_NAME, EVERYDAY, 1, managed_by=world.app.id)
    guild.roles = {guild.id: Role(guild.id, "@everyone", EVERYDAY), bots.id: bots}
    for user in world.users.values():
        guild.members[user.id] = Member(user.id, world.now() - 86_400)
    guild.members[world.app.id].roles.append(bots.id)
    world.guilds[guild.id] = guild
    return guild


def _add_channels(world: World, ids: Snowflakes, guild: Guild) -> None:
    topics = {
        "studio": "Paint here with /dream",
        "gallery": "The best images",
        "quiet": "The bot can read here but not write",
        "late-night": "Age-restricted",
    }
    for position, (name, topic) in enumerate(topics.items()):
        channel = Channel(ids.next(), ChannelType.TEXT, name, guild.id, position, topic, nsfw=name == "late-night")
        world.channels[channel.id] = channel
    studio = world.channel_named("studio")
    thread = Channel(ids.next(), ChannelType.PUBLIC_THREAD, "owl studies", guild.id, parent_id=studio.id)
    thread.owner_id, thread.created_at = guild.owner_id, world.now()
    world.channels[thread.id] = thread
    quiet = world.channel_named("quiet")
    quiet.overwrites[world.app.id] = Overwrite(world.app.id, 1, deny=Permission.SEND_MESSAGES)
