"""The doctor's look at Discord: is the token good, which servers is the bot in, what is it missing there?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord

from bot.config.settings import Config
from bot.interactions.connector import connector_from_file, read_link
from bot.interactions.message_api import FAILURES
from bot.operations.doctor_report import Finding, bad, good, note
from bot.text import listed

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
"""What the invitation asks for."""
SERVERS = 200


async def check_discord(config: Config) -> AsyncIterator[Finding]:
    """Log in over HTTP only, so that a running bot is not disturbed."""
    link = os.environ.get("DREAMBOT_PLAYGROUND")
    token = read_link(Path(link)).token if link else config.discord.token.get_secret_value()
    if not token:
        yield note(
            "token", "DISCORD_TOKEN is not set.", f"{PORTAL} gives you one; python -m bot playground needs none."
        )
        return
    connector = connector_from_file(link) if link else None
    client = discord.Client(intents=discord.Intents(guilds=True), connector=connector, max_ratelimit_timeout=30)
    try:
        await client.login(token)
        yield good("token", f"Discord knows it as {client.user}")
        async for finding in _application(client):
            yield finding
    except discord.LoginFailure:
        yield bad("token", "Discord does not accept it.", f"Reset it at {PORTAL} (Bot, Reset Token) and set it anew.")
    except FAILURES as error:
        why = str(error).partition(" ssl:")[0]
        yield note("network", f"Discord cannot be reached: {why}.", "Check the network. The rest is looked at anyway.")
    finally:
        await client.close()


async def _application(client: discord.Client) -> AsyncIterator[Finding]:
    yield good("intents", "servers and reactions only; none that Discord has to approve")
    invitation = discord.utils.oauth_url(
        client.application_id or 0, permissions=WANTED, scopes=("bot", "applications.commands")
    )
    servers: list[dict[str, Any]] = await client.http.get_guilds(SERVERS)  # type: ignore[assignment]
    if not servers:
        yield note("servers", "The bot is in no server yet.", f"Invite it: {invitation}")
        return
    lacking = [(server["name"], missing) for server in servers if (missing := _missing(server))]
    for name, missing in lacking:
        yield bad("permissions", f"In “{name}” the bot lacks {listed(missing)}.", f"Invite it again: {invitation}")
    if not lacking:
        yield good("permissions", f"all that is needed, in {len(servers)} server{'s' if len(servers) > 1 else ''}")


def _missing(server: dict[str, Any]) -> list[str]:
    """What the bot may not do in the whole server; single channels may differ, and say so when they are used."""
    has = discord.Permissions(int(server.get("permissions", 0)))
    if has.administrator:
        return []
    return [name.replace("_", " ").title() for name, wanted in WANTED if wanted and not getattr(has, name)]
