"""Decisions of moderators: rules, blocks, pauses. Every decision is one transaction together with its audit row.

A server's moderators decide for their server; hosts may decide for all servers (None).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence

import discord

from bot.errors import NotAllowed, NothingToCancel, Refused
from bot.interactions.message_api import FAILURES
from bot.jobs.service import JobService
from bot.models.audit import LOG_PAGE, AuditFilter, LogPage
from bot.models.job import JobRow, owner_of
from bot.policy.days import Calendar
from bot.policy.server_rules import Preferences, QueuePause, ServerRules, Word
from bot.policy.word_filter import fold
from bot.scheduling.fair_queue import EVERYTHING
from bot.storage import Store
from bot.storage.database import Session
from bot.storage.moderation import EVERYWHERE, Block, Scope
from bot.text import because

WORDS = 500
"""Maximum number of blocked words of one server."""


class Moderation:
    """Rules, blocks and pauses. *clock* is unix seconds; *hosts* (user ids) cannot be blocked."""

    def __init__(self, store: Store, jobs: JobService, clock: Callable[[], float], hosts: Collection[int] = ()) -> None:
        self._hosts = frozenset(hosts)
        self._store = store
        self._jobs = jobs
        self._clock = clock

    async def restore(self) -> None:
        """Restore the pauses after a start, before jobs are handed over."""
        self._jobs.hold(await self._paused())

    # Rules

    async def change_rules(self, server_id: int, by: int, changes: Mapping[str, object]) -> None:
        """Change some rules; None resets one."""
        async with self._store.transaction() as session:
            await self._put(session, "server", server_id, changes)
            await self._note(session, server_id, by, "rules", str(server_id), changes=dict(changes))

    async def change_channel(self, server_id: int, channel_id: int, by: int, changes: Mapping[str, object]) -> None:
        """Change some defaults of a channel or thread; None inherits one again."""
        async with self._store.transaction() as session:
            await self._put(session, "channel", channel_id, changes)
            await self._note(session, server_id, by, "channel", str(channel_id), changes=dict(changes))

    async def set_time_zone(self, server_id: int, by: int, zone: str) -> float:
        """Change the time zone; returns when the first day that follows it begins (unix seconds)."""
        now = self._clock()
        async with self._store.transaction() as session:
            before = Calendar.of(await self._store.settings.all("server", str(server_id), session))
            after = before.changed(zone, now)
            await self._put(session, "server", server_id, after.settings)
            await self._note(session, server_id, by, "rules", str(server_id), changes={"timezone": zone})
        return after.since if after.since > now else after.at(now).start

    async def add_member(self, server_id: int, by: int, key: str, member: int, *, present: bool) -> None:
        """Add an id to a list (channels, roles) or remove it, in one transaction."""
        async with self._store.transaction() as session:
            rules = await ServerRules.of(self._store, server_id, session)
            others = [one for one in getattr(rules, key) if one != member]
            wanted = [*others, member] if present else others
            await self._put(session, "server", server_id, {key: wanted or None})
            await self._note(session, server_id, by, "rules", str(server_id), changes={key: wanted})

    async def add_word(self, server_id: int, by: int, word: Word) -> None:
        """Block a word or phrase, or change its reason. Raises Refused for a text without letters, or at the limit."""
        if not fold(word.phrase).strip() or not any(char.isalnum() for char in word.phrase):
            raise Refused("A blocked word needs at least one letter or digit.")
        async with self._store.transaction() as session:
            words = [one for one in await self._words(session, server_id) if fold(one.phrase) != fold(word.phrase)]
            if len(words) >= WORDS:
                raise Refused(f"There are {WORDS} blocked words already. Remove one first.")
            words.append(word)
            await self._put(session, "server", server_id, {"words": [one.model_dump() for one in words]})
            said = {"phrase": word.phrase, "reason": word.reason}
            await self._note(session, server_id, by, "block word", str(server_id), **said)

    async def remove_word(self, server_id: int, by: int, phrase: str) -> None:
        """Unblock a word. Raises Refused if it is not blocked."""
        async with self._store.transaction() as session:
            words = await self._words(session, server_id)
            rest = [one for one in words if fold(one.phrase) != fold(phrase)]
            if len(rest) == len(words):
                raise Refused("This word is not blocked here.")
            await self._put(session, "server", server_id, {"words": [one.model_dump() for one in rest] or None})
            await self._note(session, server_id, by, "unblock word", str(server_id), phrase=phrase)

    # People

    async def choose(self, user_id: int, changes: Mapping[str, object]) -> Preferences:
        """Change some preferences; None resets one."""
        async with self._store.transaction() as session:
            await self._put(session, "person", user_id, changes)
        return await Preferences.of(self._store, user_id)

    def check_may_be_blocked(self, user_id: int) -> None:
        """Raise NotAllowed for a host."""
        if user_id in self._hosts:
            raise NotAllowed("A host cannot be blocked.")

    async def block(
        self, server_id: int | None, user_id: int, by: int, reason: str, until: float | None = None
    ) -> Sequence[JobRow]:
        """Block a person; their unfinished jobs there are cancelled and returned.

        Raises NotAllowed for a host.
        """
        self.check_may_be_blocked(user_id)
        where, now = server_id or EVERYWHERE, self._clock()
        async with self._store.transaction() as session:
            await self._store.blocks.put(session, Block(where, user_id, owner_of(by), reason, now, until))
            await self._note(session, server_id, by, "block", owner_of(user_id), reason=reason, until=until)
        cancelled = []
        for job in await self._store.jobs.alive():
            if job.origin.user_id == user_id and where in (EVERYWHERE, job.origin.server_id):
                with contextlib.suppress(NothingToCancel):  # it has just ended
                    cancelled.append(await self._jobs.cancel(job.id, by, moderator=True, reason=reason))
        return cancelled

    async def unblock(self, server_id: int | None, user_id: int, by: int, reason: str) -> None:
        """Lift a block. Raises Refused if the person is not blocked."""
        async with self._store.transaction() as session:
            if not await self._store.blocks.lift(session, server_id or EVERYWHERE, user_id):
                raise Refused("This person is not blocked here.")
            await self._note(session, server_id, by, "unblock", owner_of(user_id), reason=reason)

    async def blocks(self, server_id: int | None) -> list[Block]:
        """The present blocks of a server (None: of all servers)."""
        return await self._store.blocks.of_server(server_id or EVERYWHERE, self._clock())

    # The queue

    async def halt(self, server_id: int | None, by: int, halt: QueuePause) -> None:
        """Pause, drain or (with an empty mode) resume a server's queue, or all. Raises Refused for no change."""
        async with self._store.transaction() as session:
            if (await self.halted(server_id, session)).halt == halt.halt:
                everywhere = await self.halted(None, session) if server_id and not halt.halt else QueuePause()
                raise Refused(by_host(everywhere) or _ALREADY[halt.halt])
            changes = {key: value or None for key, value in halt.model_dump().items()}
            await self._put(session, "server" if server_id else "bot", server_id or "", changes)
            action = {"": "resume", "paused": "pause", "draining": "drain"}[halt.halt]
            await self._note(session, server_id, by, action, "queue", reason=halt.halt_reason)
        self._jobs.hold(await self._paused())

    async def halted(self, server_id: int | None, session: Session | None = None) -> QueuePause:
        """The pause of a server's queue (None: of all servers)."""
        scope: Scope = "server" if server_id else "bot"
        return QueuePause.read(await self._store.settings.all(scope, str(server_id or ""), session))

    async def restart_engine(self, by: int) -> int:
        """Restart the engine's workers one at a time; returns their number. Errors: see `JobService.restart_engine`."""
        workers = await self._jobs.restart_engine()
        async with self._store.transaction() as session:
            await self._note(session, None, by, "restart", "engine")
        return workers

    # The record

    async def log(self, wanted: AuditFilter, beside: int | None = None, *, older: bool = True) -> LogPage:
        """A page of the log, newest first: the newest page, or the one before or after the entry *beside*."""
        audit = self._store.audit
        entries = await audit.page(wanted, LOG_PAGE, beside, older=older) or await audit.page(wanted, LOG_PAGE)
        if not entries:
            return LogPage(wanted)
        return LogPage(
            wanted,
            tuple(entries),
            await audit.count(wanted),
            newer=bool(await audit.page(wanted, 1, entries[0].id, older=False)),
            older=bool(await audit.page(wanted, 1, entries[-1].id)),
        )

    async def _paused(self) -> dict[int, str]:
        """Server → reason of its pause."""
        settings = self._store.settings
        servers = await settings.everywhere("server", "halt")
        reasons = await settings.everywhere("server", "halt_reason")
        held = {int(server): str(reasons.get(server, "")) for server, halt in servers.items() if halt == "paused"}
        everywhere = await self.halted(None)
        return held | ({EVERYTHING: everywhere.halt_reason} if everywhere.halt == "paused" else {})

    async def _words(self, session: Session, server_id: int) -> Sequence[Word]:
        return (await ServerRules.of(self._store, server_id, session)).words

    async def _put(self, session: Session, scope: Scope, subject: object, changes: Mapping[str, object]) -> None:
        for key, value in changes.items():
            await self._store.settings.put(scope, str(subject), key, value, session)

    async def _note(
        self, session: Session, server_id: int | None, by: int, action: str, subject: str, **details: object
    ) -> None:
        await self._store.audit.add(
            owner_of(by), action, subject, self._clock(), session, server_id=server_id, **details
        )


def by_host(halt: QueuePause) -> str:
    """A text for moderators about a pause of all servers; empty without one."""
    match halt.halt:
        case "paused":
            return f"A host has paused all servers{because(halt.halt_reason)} Only a host can resume."
        case "draining":
            return f"A host has stopped new jobs in all servers{because(halt.halt_reason)} Only a host can resume."
        case _:
            return ""


_ALREADY: Mapping[str, str] = {
    "": "The queue is not paused.",
    "paused": "The queue is already paused.",
    "draining": "New jobs are already stopped.",
}


async def tell_moderators(client: discord.Client, server_id: int | None, rules: ServerRules, words: str) -> None:
    """Post a line in the server's report channel, if it has one, without pings. Never raises."""
    if rules.report_channel:
        channel = client.get_partial_messageable(rules.report_channel, guild_id=server_id)
        with contextlib.suppress(*FAILURES):
            await channel.send(words, allowed_mentions=discord.AllowedMentions.none())
