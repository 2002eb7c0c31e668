"""API objects of users, roles, members, channels and guilds (docs: the "… Structure" tables)."""

from bot.playground.server.world.clock import iso
from bot.playground.server.world.entities import Application, Channel, ChannelType, Guild, Member, Role, User, World
from bot.playground.server.world.events import Intent
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import permissions

FEATURES: list[str] = []
LOCALE = "en-US"


def user_payload(user: User) -> Json:
    """docs: resources/user.mdx, "User Structure"."""
    payload: Json = {
        "id": str(user.id),
        "username": user.username,
        "discriminator": "0" if not user.bot else "0001",
        "global_name": user.global_name,
        "avatar": None,
        "avatar_decoration_data": None,
        "banner": None,
        "accent_color": None,
        "collectibles": None,
        "display_name_styles": None,
        "primary_guild": None,
        "clan": None,
        "flags": 0,
        "public_flags": 0,
    }
    return {**payload, "bot": True} if user.bot else payload


def own_user_payload(user: User) -> Json:
    """GET /users/@me, with the private fields."""
    return {
        **user_payload(user),
        "bot": True,
        "system": False,
        "mfa_enabled": True,
        "locale": LOCALE,
        "verified": True,
        "email": None,
        "premium_type": 0,
    }


def role_payload(role: Role) -> Json:
    """docs: topics/permissions.mdx, "Role Structure"."""
    payload: Json = {
        "id": str(role.id),
        "name": role.name,
        "description": None,
        "color": role.color,
        "colors": {"primary_color": role.color, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": role.position,
        "permissions": str(int(role.permissions)),
        "managed": role.managed_by is not None,
        "mentionable": False,
        "flags": 0,
    }
    return {**payload, "tags": {"bot_id": str(role.managed_by)}} if role.managed_by else payload


def member_payload(world: World, member: Member, *, with_user: bool = True) -> Json:
    """docs: resources/guild.mdx, "Guild Member Structure"."""
    timed_out = member.timed_out_until
    payload: Json = {
        "nick": member.nick,
        "avatar": None,
        "banner": None,
        "roles": [str(role) for role in member.roles],
        "joined_at": iso(member.joined_at),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": iso(timed_out) if timed_out else None,
    }
    return {**payload, "user": user_payload(world.users[member.user_id])} if with_user else payload


def interaction_member(world: World, channel: Channel, member: Member) -> Json:
    """A member with its permissions in the channel, as interactions carry it."""
    bits = permissions(world, channel, member.user_id)
    return {**member_payload(world, member), "permissions": str(bits)}


def channel_payload(world: World, channel: Channel) -> Json:
    """docs: resources/channel.mdx, "Channel Structure"."""
    last = str(channel.last_message_id) if channel.last_message_id else None
    if channel.is_private:
        others = [user_payload(world.users[user]) for user in channel.recipients if user != world.app.id]
        return {
            "id": str(channel.id),
            "type": int(channel.type),
            "last_message_id": last,
            "flags": 0,
            "recipients": others,
        }
    payload: Json = {
        "id": str(channel.id),
        "type": int(channel.type),
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "last_message_id": last,
        "flags": 0,
        "parent_id": str(channel.parent_id) if channel.parent_id else None,
        "rate_limit_per_user": channel.slowmode,
    }
    return {**payload, **(_thread_part(channel) if channel.is_thread else _text_part(channel))}


def _text_part(channel: Channel) -> Json:
    overwrites = [
        {"id": str(o.id), "type": o.type, "allow": str(int(o.allow)), "deny": str(int(o.deny))}
        for o in channel.overwrites.values()
    ]
    forum: Json = dict.fromkeys(("default_reaction_emoji", "default_sort_order"))
    forum |= {"available_tags": [], "default_forum_layout": 0}
    return {
        "topic": channel.topic,
        "nsfw": channel.nsfw,
        "position": channel.position,
        "permission_overwrites": overwrites,
        **(forum if channel.type is ChannelType.FORUM else {}),
    }


def _thread_part(channel: Channel) -> Json:
    return {
        "owner_id": str(channel.owner_id),
        "thread_metadata": {
            "archived": channel.archived,
            "archive_timestamp": iso(channel.created_at),
            "auto_archive_duration": 1440,
            "locked": channel.locked,
            "create_timestamp": iso(channel.created_at),
        },
        "message_count": 0,
        "member_count": 1,
        "total_message_sent": 0,
    }


def guild_payload(world: World, guild: Guild) -> Json:
    """GET /guilds/{guild} (docs: resources/guild.mdx, "Guild Structure")."""
    absent = [
        "icon",
        "description",
        "home_header",
        "splash",
        "discovery_splash",
        "banner",
        "application_id",
        "afk_channel_id",
        "system_channel_id",
        "widget_channel_id",
        "rules_channel_id",
        "safety_alerts_channel_id",
        "public_updates_channel_id",
        "max_presences",
        "vanity_url_code",
        "latest_onboarding_question_id",
        "incidents_data",
        "hub_type",
        "premium_progress_bar_enabled_user_updated_at",
    ]
    return {
        **dict.fromkeys(absent),
        "id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner_id),
        "region": "local",
        "afk_timeout": 300,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "verification_level": 0,
        "roles": [role_payload(role) for role in guild.roles.values()],
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_members": 500000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "premium_tier": guild.premium_tier,
        "premium_subscription_count": 0,
        "preferred_locale": LOCALE,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
        "features": FEATURES,
        "premium_progress_bar_enabled": False,
    }


def guild_create_payload(world: World, guild: Guild, user_id: int) -> Json:
    """GUILD_CREATE for *user_id*: with channels, threads and, without member intent, only its own member."""
    me = guild.members[user_id]
    visible = [c for c in world.threads_of(guild) if permissions(world, c, user_id)]
    return {
        **guild_payload(world, guild),
        "joined_at": iso(me.joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "voice_states": [],
        "members": [member_payload(world, me)],
        "channels": [channel_payload(world, channel) for channel in world.channels_of(guild)],
        "threads": [channel_payload(world, thread) for thread in visible],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_payload(world: World) -> Json:
    """GET /applications/@me (docs: resources/application.mdx, "Application Structure")."""
    app: Application = world.app
    return {
        "id": str(app.id),
        "name": app.name,
        "icon": None,
        "description": "",
        "type": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "bot": user_payload(world.users[app.id]),
        "verify_key": "0" * 64,
        "flags": _application_flags(app),
        "flags_new": str(_application_flags(app)),
        "summary": "",
        "owner": user_payload(world.users[app.owner_id]),
        "team": None,
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "event_webhooks_status": 1,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": len(app.user_installs),
        "approximate_user_authorization_count": 0,
        "eligible_oauth2_scopes": [],
        "explicit_content_filter": 0,
        "integration_types_config": {"0": {}, "1": {}},
        "max_participants": None,
        "tags": [],
    }


def _application_flags(app: Application) -> int:
    """GATEWAY_…_LIMITED flags mirror the portal's switches (resources/application.mdx, "Application Flags")."""
    flags = 1 << 23  # APPLICATION_COMMAND_BADGE
    flags |= 1 << 13 if app.privileged_intents & Intent.GUILD_PRESENCES else 0
    flags |= 1 << 15 if app.privileged_intents & Intent.GUILD_MEMBERS else 0
    return flags | (1 << 19 if app.privileged_intents & Intent.MESSAGE_CONTENT else 0)
