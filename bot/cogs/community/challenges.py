"""`/challenge start|enter|list|cancel` and `/leaderboard`."""

from __future__ import annotations

from discord import app_commands

from bot.community.challenges.message import THEME, list_embed
from bot.community.challenges.service import is_seen
from bot.community.defaults import Typed
from bot.errors import NotAllowed, Refused
from bot.interactions.commands import Choices, Words, choices
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, begin
from bot.models.challenge import MOST_EACH, Challenge
from bot.policy.days import UTC_NAME, parse_deadline, parse_length
from bot.policy.server_rules import PaintChoice, ServerRules
from bot.policy.word_filter import is_mature
from bot.requests import autocomplete as completion
from bot.services import BotCog
from bot.text import message_link, plain, relative, shorten
from bot.views.community.challenges import board_payload, paint_entry

READ, LISTED = 50, 5
"""Challenges that are read for the list, and that it shows."""
SHORTEST_VOTE, LONGEST_VOTE, USUAL_VOTE = 60.0, 14 * 86_400.0, "24h"


class ChallengesCog(BotCog):
    group = app_commands.Group(name="challenge", description="Challenges of this server.", guild_only=True)

    @group.command(name="start", description="Start a challenge in this channel.")
    @app_commands.describe(
        theme="What to paint.",
        deadline="When the entries close: 24h, 3 days, 18:00 or 2026-12-24 18:00.",
        entries="Entries per person.",
        vote="How long the blind vote lasts: 24h, 3 days.",
        prize="Units for the winner, shared if there are several.",
    )
    async def start(
        self,
        interaction: AnyInteraction,
        theme: app_commands.Range[str, 1, THEME],
        deadline: app_commands.Range[str, 1, 40],
        entries: app_commands.Range[int, 1, MOST_EACH] = 1,
        vote: app_commands.Range[str, 1, 20] = USUAL_VOTE,
        prize: app_commands.Range[float, 0.0, 1e6] = 0.0,
    ) -> None:
        responder, caller = begin(interaction, private=True)
        rules = await ServerRules.of(self.services.store, caller.guild_id)
        if not (self._moderates(caller) or (rules.challenge_role and rules.challenge_role in caller.roles)):
            raise NotAllowed("Only moderators and members with this server's challenge role can start challenges.")
        if prize:
            self._check_may_grant(caller)
        until = parse_deadline(deadline, self.services.clock(), rules.timezone or UTC_NAME)
        challenge = await self.services.challenges.start(caller, theme, until, entries, _vote(vote), prize)
        if challenge.state.over:
            raise Refused("I could not announce the challenge in this channel, so it was cancelled.")
        await responder.send_private(
            f"The challenge is open. Entries close {relative(challenge.deadline)}. {_place(challenge)}"
        )

    @group.command(
        name="enter", description="Paint an entry for the challenge, shown without your name until the vote ends."
    )
    @app_commands.describe(
        prompt="What to paint.", style="A style of this server.", size="For example 3:2 or portrait."
    )
    async def enter(
        self,
        interaction: AnyInteraction,
        prompt: Words,
        style: str | None = None,
        size: str | None = None,
    ) -> None:
        responder, caller = begin(interaction, private=True)
        await self.services.job_actions.check_place(caller)
        challenge = await self.services.challenges.open_to(caller)
        typed = Typed(prompt, style=style or "", ways=PaintChoice(size=size or ""))
        await paint_entry(self.services, challenge, typed, caller, responder)

    @group.command(name="list", description="Show the latest challenges of this server.")
    async def list_(self, interaction: AnyInteraction) -> None:
        responder, caller = begin(interaction, private=True)
        rows = self.services.store.challenges
        latest = await rows.of_server(caller.guild_id or 0, READ)
        seen = [one for one in latest if is_seen(one, caller) and (caller.restricted or not is_mature((one.theme,)))]
        found = seen[:LISTED]
        winners = [await rows.winners(one.id) for one in found]
        await responder.send_private("", list_embed(found, winners))

    @group.command(name="cancel", description="Cancel a challenge. For moderators and the person who started it.")
    @app_commands.describe(challenge="The challenge.", reason="The reason, shown to everyone.")
    async def cancel(
        self, interaction: AnyInteraction, challenge: str, reason: app_commands.Range[str, 1, 200] | None = None
    ) -> None:
        responder, caller = begin(interaction, private=True)
        cancelled = await self.services.challenges.cancel(
            challenge, caller, reason or "", moderator=self._moderates(caller)
        )
        await responder.send_private(
            f"The challenge “{plain(cancelled.theme)}” was cancelled. Everyone keeps their pictures."
        )

    @cancel.autocomplete("challenge")
    async def _running(self, interaction: AnyInteraction, typed: str) -> Choices:
        caller = Invocation.of_interaction(interaction)
        found = await self.services.store.challenges.of_server(caller.guild_id or 0, 25)
        all_of_them = self._moderates(caller)
        mine = [one for one in found if not one.state.over and (all_of_them or one.host_id == caller.user_id)]
        return [
            app_commands.Choice(name=shorten(one.theme, 100), value=one.id)
            for one in mine
            if typed.casefold() in one.theme.casefold()
        ]

    @enter.autocomplete("style")
    async def _styles(self, interaction: AnyInteraction, typed: str) -> Choices:
        known = await self.services.styles.all(interaction.guild_id)
        return choices(completion.styles(typed, known, none=False))

    @app_commands.command(
        name="leaderboard", description="Show the wins, stars and entries of members who joined the list."
    )
    @app_commands.describe(join="Put yourself on the leaderboard of this server, or take yourself off.")
    @app_commands.guild_only()
    async def leaderboard(self, interaction: AnyInteraction, join: bool | None = None) -> None:
        responder, caller = begin(interaction, private=True)
        if caller.guild_id is None or not caller.resident:
            raise Refused("Leaderboards work in servers where I am a member.")
        if join is not None:
            await self.services.store.challenges.join(caller.guild_id, caller.user_id, listed=join)
        await responder.send_private_payload(await board_payload(self.services, caller.guild_id, caller.user_id))

    def _moderates(self, caller: Invocation) -> bool:
        return caller.moderator or caller.manager or caller.user_id in self.services.config.discord.owner_ids

    def _check_may_grant(self, caller: Invocation) -> None:
        host = caller.user_id in self.services.config.discord.owner_ids
        if not (host or (caller.manager and self.services.config.quota.moderators_grant)):
            raise NotAllowed("Only people who may grant units with /admin grant can offer a prize.")


def _vote(text: str) -> float:
    seconds = parse_length(text)
    if seconds is None or not SHORTEST_VOTE <= seconds <= LONGEST_VOTE:
        raise Refused(f"“{plain(text)}” is not a valid vote length. Type 1h, 24h or 3 days; the limit is 14 days.")
    return seconds


def _place(challenge: Challenge) -> str:
    if challenge.message_id is None:
        return "Its announcement follows in a moment."
    return message_link(challenge.server_id, challenge.channel_id, challenge.message_id)
