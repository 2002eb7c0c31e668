"""`/admin`: decisions of moderators. Discord shows it to people who may manage the server; that is checked again here.

Every decision is logged. A cancelled job's message shows the cancellation; decisions about all members are announced in
the channel, and all decisions in the report channel.
"""

from __future__ import annotations

import discord
from discord import app_commands

from bot.actions.moderate import by_host, tell_moderators
from bot.embeds.job import show_request
from bot.embeds.moderation import ACTIONS, blocks_embed, words_embed
from bot.errors import NotAllowed, Refused
from bot.interactions.commands import Choices
from bot.interactions.context import Invocation
from bot.interactions.responder import AnyInteraction, InteractionResponder, begin
from bot.models.job import JobRow
from bot.policy.server_rules import QueuePause, ServerRules, Word
from bot.services import BotCog
from bot.text import because, count, mention, number, plain, shorten
from bot.views.audit_log import LogQuery, log_payload

Reason = app_commands.Range[str, 1, 200]
Phrase = app_commands.Range[str, 1, 60]
Id = app_commands.Range[str, 1, 12]
_DAY = 86_400.0
_EVERYWHERE = "For all servers (hosts only)."


class AdminCog(BotCog):
    admin = app_commands.Group(
        name="admin",
        description="Moderation, for people who can manage this server.",
        default_permissions=discord.Permissions(manage_guild=True),
        guild_only=True,
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )
    words = app_commands.Group(name="words", description="Blocked words.", parent=admin)

    @admin.command(name="cancel", description="Cancel a queued or running job; nothing is charged.")
    @app_commands.describe(job="The job's id, shown by Info and /history.", reason="The reason, shown in its message.")
    async def cancel(self, interaction: AnyInteraction, job: Id, reason: Reason | None = None) -> None:
        responder, caller = self._begin(interaction, private=True)
        row = await self.services.jobs.find(job.strip().lower())
        if row is None or not (self._is_host(caller) or row.origin.server_id == caller.guild_id):
            raise Refused(f"There is no job “{plain(job)}” in this server.")
        await self.services.jobs.cancel(row.id, caller.user_id, moderator=True, reason=reason or "")
        await responder.send_private(f"Job {row.id} was cancelled.")
        await self._tell(caller, f"cancelled a job of {mention(row.origin.user_id)}{because(reason or '')}")

    @cancel.autocomplete("job")
    async def _jobs(self, interaction: AnyInteraction, typed: str) -> Choices:
        caller, jobs = Invocation.of_interaction(interaction), self.services.jobs
        if not (caller.manager or self._is_host(caller)):
            return []
        alive = [*jobs.registry.running(), *(job for job, _ in jobs.registry.waiting())]
        mine = [job for job in alive if job.origin.server_id == caller.guild_id]
        named = [(f"{job.id} · {_seen(job)}", job.id) for job in mine]
        fitting = [(name, job_id) for name, job_id in named if typed.lower() in name.lower()]
        return [app_commands.Choice(name=shorten(name, 100), value=job_id) for name, job_id in fitting[:25]]

    @admin.command(name="pause", description="Pause this server's queue. Queued jobs keep their places.")
    @app_commands.describe(reason="The reason, shown to everyone.", everywhere=_EVERYWHERE)
    async def pause(self, interaction: AnyInteraction, reason: Reason, everywhere: bool = False) -> None:
        """Pause the queue; running jobs finish."""
        words = "paused the queue; queued jobs keep their places"
        await self._halt(interaction, QueuePause(halt="paused", halt_reason=reason), everywhere, words)

    @admin.command(name="drain", description="Stop accepting new jobs until you resume. Queued jobs still finish.")
    @app_commands.describe(reason="The reason, shown to everyone.", everywhere=_EVERYWHERE)
    async def drain(self, interaction: AnyInteraction, reason: Reason, everywhere: bool = False) -> None:
        words = "stopped accepting new jobs; queued jobs still finish"
        await self._halt(interaction, QueuePause(halt="draining", halt_reason=reason), everywhere, words)

    @admin.command(name="resume", description="Resume the queue and accept new jobs.")
    @app_commands.describe(everywhere=_EVERYWHERE)
    async def resume(self, interaction: AnyInteraction, everywhere: bool = False) -> None:
        await self._halt(interaction, QueuePause(), everywhere, "resumed the queue")

    @admin.command(name="restart", description="Restart the engine, each worker after its jobs (hosts only).")
    async def restart(self, interaction: AnyInteraction) -> None:
        responder, caller = self._begin(interaction, private=True)
        if not self._is_host(caller):
            raise NotAllowed("Only the bot's hosts can restart the engine.")
        workers = await self.services.moderation.restart_engine(caller.user_id)
        await responder.send_private(
            "The engine restarts after its present jobs. Queued jobs keep their places."
            if workers == 1
            else f"The {workers} workers restart one at a time, each after its present jobs. The others keep painting. "
            "`/engine` shows the state of each."
        )

    async def _halt(self, interaction: AnyInteraction, halt: QueuePause, everywhere: bool, words: str) -> None:
        responder, caller = self._begin(interaction)
        await self.services.moderation.halt(self._scope(caller, everywhere), caller.user_id, halt)
        still = "" if halt.halt else by_host(await self.services.moderation.halted(None))
        await self._announce(responder, caller, f"{words}{because(halt.halt_reason)} {still}".strip())

    @admin.command(name="block", description="Block a person and cancel their jobs.")
    @app_commands.describe(
        user="The person.",
        reason="The reason, shown to the person.",
        days="How many days; empty = until unblocked.",
        everywhere=_EVERYWHERE,
    )
    async def block(
        self,
        interaction: AnyInteraction,
        user: discord.User,
        reason: Reason,
        days: app_commands.Range[float, 0.01, 3650.0] | None = None,
        everywhere: bool = False,
    ) -> None:
        """Block a person, who reads the reason with their next request."""
        responder, caller = self._begin(interaction, private=True)
        scope = self._scope(caller, everywhere)
        until = None if days is None else self.services.clock() + days * _DAY
        cancelled = await self.services.moderation.block(scope, user.id, caller.user_id, reason, until)
        stopped = f" {count(len(cancelled), 'job')} of theirs {'is' if len(cancelled) == 1 else 'are'} cancelled."
        await responder.send_private(f"{mention(user.id)} is blocked.{stopped if cancelled else ''}")
        await self._tell(caller, f"blocked {mention(user.id)}{because(reason)}")

    @admin.command(name="unblock", description="Unblock a person.")
    @app_commands.describe(user="The person.", reason="The reason, for the log.", everywhere=_EVERYWHERE)
    async def unblock(
        self,
        interaction: AnyInteraction,
        user: discord.User,
        reason: Reason | None = None,
        everywhere: bool = False,
    ) -> None:
        responder, caller = self._begin(interaction, private=True)
        await self.services.moderation.unblock(self._scope(caller, everywhere), user.id, caller.user_id, reason or "")
        await responder.send_private(f"{mention(user.id)} is unblocked.")
        await self._tell(caller, f"unblocked {mention(user.id)}{because(reason or '')}")

    @admin.command(name="blocked", description="List blocked people and the reasons.")
    async def blocked(self, interaction: AnyInteraction) -> None:
        responder, caller = self._begin(interaction, private=True)
        await responder.send_private("", blocks_embed(await self.services.moderation.blocks(caller.guild_id)))

    @admin.command(name="grant", description="Give a person extra units; a negative number takes them back.")
    @app_commands.describe(
        user="The person.",
        units="How many units; a default picture costs 0.98.",
        reason="The reason, shown to everyone.",
    )
    async def grant(
        self,
        interaction: AnyInteraction,
        user: discord.User,
        units: app_commands.Range[float, -1e6, 1e6],
        reason: Reason,
    ) -> None:
        responder, caller = self._begin(interaction)
        self._check_may_grant(caller)
        moved = await self.services.jobs.quota.grant(user.id, units, caller.user_id, reason, caller.guild_id)
        if not moved:
            raise Refused("There are no granted units to take back.")
        verb = f"granted {mention(user.id)} {number(moved)}" if moved > 0 else f"took {number(-moved)}"
        whom = "units" if moved > 0 else f"units back from {mention(user.id)}"
        await self._announce(responder, caller, f"{verb} {whom}{because(reason)}")

    @admin.command(name="reset", description="Reset a person's quota to the full allowance.")
    @app_commands.describe(user="The person.", reason="The reason, shown to everyone.")
    async def reset(self, interaction: AnyInteraction, user: discord.User, reason: Reason) -> None:
        """Restart the person's quota window."""
        responder, caller = self._begin(interaction)
        self._check_may_grant(caller)
        await self.services.jobs.quota.reset(user.id, caller.user_id, reason, caller.guild_id)
        await self._announce(responder, caller, f"reset the quota of {mention(user.id)}{because(reason)}")

    @admin.command(name="log", description="Moderation log, the latest first.")
    @app_commands.describe(
        user="Only entries by or about this person.", action="Only this action.", everywhere=_EVERYWHERE
    )
    @app_commands.choices(action=[app_commands.Choice(name=name, value=name) for name in ACTIONS])
    async def log(
        self,
        interaction: AnyInteraction,
        user: discord.User | None = None,
        action: app_commands.Choice[str] | None = None,
        everywhere: bool = False,
    ) -> None:
        responder, caller = self._begin(interaction, private=True)
        query = LogQuery(everywhere, user.id if user else None, action.value if action else "")
        await responder.send_private_payload(await log_payload(self.services, caller, query))

    @words.command(name="add", description="Block a word or phrase.")
    @app_commands.describe(
        phrase="Whole words; look-alike letters are recognised.", reason="The reason, shown to people who use the word."
    )
    async def add_word(self, interaction: AnyInteraction, phrase: Phrase, reason: Reason | None = None) -> None:
        responder, caller = self._begin(interaction, private=True)
        word = Word(phrase=phrase, reason=reason or "")
        await self.services.moderation.add_word(self._server(caller), caller.user_id, word)
        await responder.send_private(f"“{plain(phrase)}” is blocked now. Jobs already queued still run.")
        await self._tell(caller, f"blocked the word “{plain(phrase)}”.")

    @words.command(name="remove", description="Unblock a word.")
    @app_commands.describe(phrase="The word or phrase.")
    async def remove_word(self, interaction: AnyInteraction, phrase: Phrase) -> None:
        responder, caller = self._begin(interaction, private=True)
        await self.services.moderation.remove_word(self._server(caller), caller.user_id, phrase)
        await responder.send_private(f"“{plain(phrase)}” is no longer blocked.")
        await self._tell(caller, f"unblocked the word “{plain(phrase)}”.")

    @words.command(name="list", description="List blocked words and the reasons.")
    async def list_words(self, interaction: AnyInteraction) -> None:
        responder, caller = self._begin(interaction, private=True)
        rules = await ServerRules.of(self.services.store, self._server(caller))
        await responder.send_private("", words_embed(rules.words))

    def _begin(self, interaction: AnyInteraction, *, private: bool = False) -> tuple[InteractionResponder, Invocation]:
        """The invocation and responder. Raises NotAllowed, because a server can show /admin to all members."""
        responder, caller = begin(interaction, private=private)
        caller.check_manager(self.services.config.discord.owner_ids)
        self._server(caller)
        return responder, caller

    def _server(self, caller: Invocation) -> int:
        if caller.guild_id is None or not caller.resident:
            raise Refused("I am not a member of this server.")
        return caller.guild_id

    def _is_host(self, caller: Invocation) -> bool:
        return caller.user_id in self.services.config.discord.owner_ids

    def _scope(self, caller: Invocation, everywhere: bool) -> int | None:
        """The server of a decision; None for all servers. Raises NotAllowed."""
        if everywhere and not self._is_host(caller):
            raise NotAllowed("Only the bot's hosts can decide for all servers.")
        return None if everywhere else caller.guild_id

    def _check_may_grant(self, caller: Invocation) -> None:
        if not (self.services.config.quota.moderators_grant or self._is_host(caller)):
            raise NotAllowed("Only the bot's hosts can change quotas here.")

    async def _announce(self, responder: InteractionResponder, caller: Invocation, deed: str) -> None:
        """Announce what the *caller* did here, and in the report channel if that is another channel."""
        await responder.announce(f"{mention(caller.user_id)} {deed}")
        await self._tell(caller, deed)

    async def _tell(self, caller: Invocation, deed: str) -> None:
        rules = await ServerRules.of(self.services.store, caller.guild_id)
        if rules.report_channel != caller.channel_id:
            await tell_moderators(self.bot, caller.guild_id, rules, f"{mention(caller.user_id)} {deed}")


def _seen(job: JobRow) -> str:
    """Person and request of a job for moderators. An entry of a challenge has no name, a private job no request."""
    if job.origin.kind == "entry":
        return "an entry of a challenge"
    asked = f"a private {job.origin.kind}" if job.origin.guild_id is None else show_request(job.request)
    return f"{job.origin.user_name}: {asked}"
