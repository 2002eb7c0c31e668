"""Posts moderators' decisions in the report channel."""

from __future__ import annotations

import contextlib

import discord

from bot.interactions.message_api import FAILURES
from bot.policy.server_rules import ServerRules


async def tell_moderators(client: discord.Client, server_id: int | None, rules: ServerRules, words: str) -> None:
    """Post a line in the server's report channel, if it has one, without pings. Never raises."""
    if rules.report_channel:
        channel = client.get_partial_messageable(rules.report_channel, guild_id=server_id)
        with contextlib.suppress(*FAILURES):
            await channel.send(words, allowed_mentions=discord.AllowedMentions.none())
