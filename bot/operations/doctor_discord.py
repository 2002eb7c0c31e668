"""The doctor's checks of Discord: token, number of servers and shards, permissions in each server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord

from bot.config.settings import Config
from bot.interactions.connector import connector_from_file, read_link, refuse_pages
from bot.interactions.handlers import failure_text
from bot.interactions.message_api import FAILURES
from bot.operations.doctor_report import Finding, bad, good, note
from bot.text import count, listed

PORTAL = "https://discord.com/developers/applications"
WANTED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
    add_reactions=True,
)
"""The permissions that the bot needs."""
INVITED = WANTED | discord.Permissions(create_public_threads=True, pin_messages=True)
"""The permissions of the invitation: challenges also make threads and pin their results."""
SERVERS = 200
"""Servers whose permissions are checked."""
MANY_SERVERS = 2000
"""Discord requires more than one shard from 2,500 servers on."""


async def check_discord(config: Config) -> AsyncIterator[Finding]:
    """Log in over HTTP only, which does not disturb a running bot."""
    link = os.environ.get("DREAMBOT_PLAYGROUND")
    token = read_link(Path(link)).token if link else config.discord.token.get_secret_value()
    if not token:
        yield note(
            "token",
            "DISCORD_TOKEN is not set, so the bot cannot join Discord.",
            f"Create one at {PORTAL}; python -m bot playground needs none.",
        )
        return
    connector = connector_from_file(link) if link else None
    client = discord.Client(
        intents=discord.Intents(guilds=True), connector=connector, http_trace=refuse_pages(), max_ratelimit_timeout=30
    )
    try:
        await client.login(token)
        yield good("token", f"valid, of {client.user}")
        async for finding in _application(client):
            yield finding
    except discord.LoginFailure:
        yield bad("token", "Discord does not accept it.", f"Reset it at {PORTAL} (Bot) and set DISCORD_TOKEN.")
    except (*FAILURES, discord.GatewayNotFound) as error:
        why = failure_text(error)
        yield note("network", f"Discord cannot be reached: {why}.", "Check the network. The other checks continue.")
    finally:
        await client.close()


async def _application(client: discord.Client) -> AsyncIterator[Finding]:
    yield good("intents", "servers and reactions only; none needs approval")
    invitation = discord.utils.oauth_url(
        client.application_id or 0, permissions=INVITED, scopes=("bot", "applications.commands")
    )
    async for finding in _size(client):
        yield finding
    servers: list[dict[str, Any]] = await client.http.get_guilds(SERVERS)  # type: ignore[assignment]
    if not servers:
        yield note("servers", "The bot is in no server.", f"Invite it: {invitation}")
        return
    lacking = [(server["name"], missing) for server in servers if (missing := _missing(server))]
    for name, missing in lacking:
        yield bad("permissions", f"In “{name}” the bot lacks {listed(missing)}.", f"Invite it again: {invitation}")
    if not lacking:
        yield good("permissions", f"complete in {count(len(servers), 'server')}")


async def _size(client: discord.Client) -> AsyncIterator[Finding]:
    servers = (await client.application_info()).approximate_guild_count
    shards, _, limits = await client.http.get_bot_gateway()
    text = f"{count(servers, 'server')}, {count(shards, 'shard')} recommended"
    if servers >= MANY_SERVERS:
        yield note(
            "servers",
            f"{text}. Discord requires several shards from 2,500 servers on, and verification from 100 on.",
            "The bot opens the recommended shards by itself at its next start. Watch its memory and "
            "dreambot_shard_connected.",
        )
    else:
        yield good("servers", text)
    if limits["remaining"] < max(10, 2 * shards):
        yield note(
            "sessions",
            f"Only {limits['remaining']} of {limits['total']} gateway sessions are left today.",
            "Find out why the bot restarts so often: when none is left, Discord resets its token.",
        )


def _missing(server: dict[str, Any]) -> list[str]:
    """Missing permissions in the whole server. Single channels may differ; the bot names them when it is used there."""
    has = discord.Permissions(int(server.get("permissions", 0)))
    if has.administrator:
        return []
    return [name.replace("_", " ").title() for name, wanted in WANTED if wanted and not getattr(has, name)]
