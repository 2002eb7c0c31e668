"""Challenges: entries until a deadline, a blind vote, winners and a prize. Every step survives a crash.

    start      one transaction stores the challenge; then its announcement and thread are made
    enter      one transaction stores an entry, of a painted picture together with its job
    deadline   one transaction stores the vote and moves the challenge to it
    end        one transaction stores the winners, credits the prize and ends the challenge; then the result is posted

`work` repeats what is owed until Discord has it. A deleted thread or channel ends the challenge quietly.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import discord

from bot.community.challenges.poster import ChallengePoster
from bot.community.votes import Votes, traits_of
from bot.errors import NotAllowed, PictureGone, Refused
from bot.interactions.context import Invocation
from bot.jobs.service import JobService
from bot.models.challenge import MOST_ENTRIES, Challenge, ChallengeEntry, ChallengeState, Rank, Winner
from bot.models.job import JobRow, JobState, new_job_id, owner_of
from bot.models.vote import Candidate, Vote, VotePlace
from bot.policy.server_rules import Location, PromptLineage, ServerRules, meant_by
from bot.retry import failpoint
from bot.storage import Store
from bot.storage.database import Session
from bot.text import count, in_one_line, message_link, shorten
from engine.requests.prompts import format_prompts
from engine.requests.request import DreamRequest

log = logging.getLogger(__name__)

GRACE_SECONDS = 900.0
"""How long after the deadline the vote waits for entries that are still being painted."""
NONE_OPEN = "No challenge takes entries in this server right now."
_LABEL = 60
_COPIES, _ANCESTORS = ("upscale", "pick", "crop"), 20
"""Kinds of jobs whose picture is still that of the parent, and how many parents are followed."""
BOARD = 20
"""People that a leaderboard shows."""


@dataclass(eq=False, repr=False)
class Challenges:
    _client: discord.Client
    _store: Store
    _jobs: JobService
    _votes: Votes
    _poster: ChallengePoster
    _changed: Callable[[], None]
    """A challenge has begun or ended, or what messages of entries hide has changed."""
    _clock: Callable[[], float]
    """Unix seconds."""

    # People

    async def start(
        self, caller: Invocation, theme: str, deadline: float, entries_each: int, vote_seconds: float, prize: float
    ) -> Challenge:
        """Store a challenge and announce it in the caller's channel. Raises Refused or BlockedWords."""
        if caller.guild_id is None or not caller.resident:
            raise Refused("Challenges work in servers where I am a member.")
        if not (theme := in_one_line(theme)):
            raise Refused("A challenge needs a theme in words.")
        if caller.in_thread:
            raise Refused("Start a challenge in a channel. It opens its own thread.")
        caller.check_place()
        missing = [n for n in ("create_public_threads", "send_messages_in_threads") if not getattr(caller.allowed, n)]
        if missing:
            names = " and ".join(name.replace("_", " ").title() for name in missing)
            raise Refused(f"I cannot start a challenge here without the permission {names}.")
        challenge = Challenge(
            id=new_job_id(),
            server_id=caller.guild_id,
            channel_id=caller.channel_id,
            host_id=caller.user_id,
            theme=theme,
            entries_each=entries_each,
            vote_seconds=vote_seconds,
            prize=prize,
            created_at=self._clock(),
            deadline=deadline,
        )
        async with self._store.transaction() as session:
            rules = await ServerRules.of(self._store, caller.guild_id, session)
            rules.check_place(caller.location)
            rules.check_words(PromptLineage((theme,)), caller.location)
            if (other := await self._store.challenges.open_in(caller.guild_id, session)) is not None:
                raise Refused(f"A challenge already takes entries in this server: {_link(other)}")
            await self._store.challenges.insert(session, challenge)
        failpoint("challenge stored")
        await self._poster.show(challenge.id, fresh=True)
        self._changed()
        return await self._store.challenges.find(challenge.id) or challenge

    async def seen_by(self, caller: Invocation) -> Challenge | None:
        """The challenge of the caller's server that takes entries, in a channel that the caller can read here."""
        found = await self._store.challenges.open_in(caller.guild_id) if caller.guild_id else None
        return found if found is not None and is_seen(found, caller) else None

    async def open_to(self, caller: Invocation) -> Challenge:
        """The challenge that the caller can enter here. Raises Refused."""
        found = await self.seen_by(caller)
        if found is None:
            raise Refused(NONE_OPEN)
        if self._clock() >= found.deadline:
            raise Refused("The deadline has passed; the vote begins in a moment.")
        if found.thread_id is None:  # after a crash between the announcement and its thread
            await self._poster.show(found.id)
            found = await self._store.challenges.find(found.id) or found
        return found

    async def enter(self, job: JobRow, index: int, caller: Invocation) -> Challenge:
        """Enter a finished picture of the caller's. Raises Refused, NotAllowed, PictureGone or BlockedWords."""
        challenge = await self.open_to(caller)
        if not job.owned_by(caller.user_id):
            raise NotAllowed("You can only enter your own pictures.")
        if job.origin.guild_id != challenge.server_id:
            raise Refused(
                "This picture is private, or from elsewhere. Only pictures posted in this server can be entered."
            )
        if job.state is not JobState.DONE or not any(one.index == index and one.path for one in job.pictures):
            raise PictureGone("This picture is no longer stored, so it cannot be entered.")
        await self._check_own(job, caller.user_id)
        await self._jobs.admission.check_showing(job, caller.user_id, self._location(challenge, caller))
        async with self._store.transaction() as session:
            await self._check_room(session, challenge, caller.user_id, (job.id, index))
            entry = ChallengeEntry(job.id, index, caller.user_id, painted=False)
            await self._store.challenges.enter(session, challenge.id, entry, self._clock())
        self._changed()
        return challenge

    def entering(self, challenge: Challenge, caller: Invocation) -> Callable[[Session, JobRow], Awaitable[None]]:
        """What enters a job in the transaction that stores it, outside of its owner's quota."""

        async def enter(session: Session, job: JobRow) -> None:
            rules = await ServerRules.of(self._store, challenge.server_id, session)
            meant = await meant_by(self._store, session, job.request, job.origin.parent_job)
            rules.check_words(meant, self._location(challenge, caller))
            painted = await self._store.challenges.painted_by(session, challenge.id, caller.user_id)
            if painted >= challenge.entries_each:
                raise Refused(
                    f"I have painted {count(painted, 'entry', 'entries')} for you, which is the limit of this "
                    "challenge. You can still enter one of your own pictures."
                )
            await self._check_room(session, challenge, caller.user_id, (job.id, 0))
            entry = ChallengeEntry(job.id, 0, caller.user_id, painted=True)
            await self._store.challenges.enter(session, challenge.id, entry, self._clock())

        return enter

    async def withdraw(self, job: JobRow, index: int, caller: Invocation) -> None:
        """Take an entry of the caller's out before the deadline. Raises Refused or NotAllowed."""
        challenge = await self.open_to(caller)
        if not job.owned_by(caller.user_id):
            raise NotAllowed("You can only withdraw your own pictures.")
        async with self._store.transaction() as session:
            if not await self._store.challenges.withdraw(session, challenge.id, job.id, index):
                raise Refused("This picture is not entered.")
        self._changed()

    async def cancel(self, challenge_id: str, caller: Invocation, reason: str, *, moderator: bool) -> Challenge:
        """Cancel a running challenge, as a moderator or its host. Raises Refused or NotAllowed."""
        challenge = await self._store.challenges.find(challenge_id)
        if challenge is None or challenge.server_id != caller.guild_id:
            raise Refused("Unknown challenge. `/challenge list` shows those of this server.")
        if not moderator and challenge.host_id != caller.user_id:
            raise NotAllowed("Only the person who started it or a moderator can cancel a challenge.")
        if not await self._end(challenge, ChallengeState.CANCELLED, reason):
            raise Refused("This challenge is already over.")
        if challenge.vote_id:
            await self._store.votes.delete(challenge.vote_id)
            self._changed()
        return challenge

    async def place_gone(self, channel_id: int) -> None:
        """End the challenges of a deleted channel or thread."""
        for challenge_id in await self._store.challenges.in_place(channel_id):
            if (challenge := await self._store.challenges.find(challenge_id)) is not None:
                await self._end(challenge, ChallengeState.CANCELLED, "Its channel or thread was deleted.")
                if channel_id == challenge.channel_id:  # with its announcement
                    await self._store.challenges.shown(challenge_id, challenge.revision + 1)

    # The course

    async def work(self) -> None:
        """Begin votes, end challenges, and keep their messages up to date. Raises StoreError."""
        now = self._clock()
        for challenge in await self._store.challenges.running():
            if challenge.state is ChallengeState.VOTING:
                await self._follow_vote(challenge, now)
            elif challenge.deadline <= now:
                await self._begin_vote(challenge, now)
        for challenge in await self._store.challenges.owed(self._clock()):
            await self._poster.show(challenge.id)

    async def _begin_vote(self, challenge: Challenge, now: float) -> None:
        entries = await self._store.challenges.entries(challenge.id)
        jobs = {one.job_id: await self._store.jobs.find(one.job_id) for one in entries}
        if now < challenge.deadline + GRACE_SECONDS and any(job and not job.state.over for job in jobs.values()):
            return
        candidates = [found for one in entries if (found := _candidate(one, jobs[one.job_id])) is not None]
        if len(candidates) < 2:
            await self._end(
                challenge, ChallengeState.ENDED, "There were fewer than two entries, so there is no winner."
            )
            return
        where = VotePlace(
            challenge.server_id,
            challenge.thread_id or challenge.channel_id,
            challenge.channel_id if challenge.thread_id else None,
        )
        try:
            await self._votes.start(
                where,
                0,
                challenge.theme,
                candidates,
                challenge.vote_seconds,
                others_only=True,
                also=partial(self._to_vote, challenge.id),
            )
        except Refused as error:  # a picture has just been deleted, or the thread: the next round sees it
            log.info("the vote of challenge %s is not open: %s", challenge.id, error)

    async def _to_vote(self, challenge_id: str, session: Session, vote: Vote) -> None:
        if not await self._store.challenges.start_vote(session, challenge_id, vote.id):
            raise Refused("This challenge is over.")

    async def _follow_vote(self, challenge: Challenge, now: float) -> None:
        vote = await self._store.votes.find(challenge.vote_id)
        if vote is None:
            await self._end(challenge, ChallengeState.ENDED, "The vote could not be held, so there is no winner.")
        elif not vote.is_open and now < vote.ends_at:
            await self._end(challenge, ChallengeState.CANCELLED, "Its vote was deleted.")
        elif not vote.is_open:
            await self._decide(challenge, vote, now)

    async def _decide(self, challenge: Challenge, vote: Vote, now: float) -> None:
        """Store the winners, credit their shares of the prize, and end the challenge: once, in one transaction."""
        async with self._store.transaction() as session:
            counted = await self._store.votes.find(vote.id, session)  # a winner may have just been deleted
            if counted is None:
                return
            best = counted.winners
            won = [
                Winner(one.author_id, one.job_id, one.index, counted.counts[one.place], challenge.prize / len(best))
                for one in best
            ]
            reason = "" if won else "No votes were cast, so there is no winner."
            if not await self._store.challenges.end(session, challenge.id, ChallengeState.ENDED, now, reason):
                return
            await self._store.challenges.add_winners(session, challenge.id, won)
            for one in won if challenge.prize else ():
                await self._pay(session, challenge, one, now)
        failpoint("challenge decided")
        self._changed()

    async def _pay(self, session: Session, challenge: Challenge, winner: Winner, now: float) -> None:
        owner, by = owner_of(winner.user_id), owner_of(challenge.host_id) if challenge.host_id else ""
        reason = shorten(f"Prize: {challenge.theme}", 150)
        moved = await self._jobs.quota.credit(session, owner, winner.units, now, by, reason)
        await self._store.audit.add(
            by, "prize", owner, now, session, server_id=challenge.server_id, units=moved, reason=challenge.theme
        )

    async def _end(self, challenge: Challenge, state: ChallengeState, reason: str) -> bool:
        async with self._store.transaction() as session:
            ended = await self._store.challenges.end(session, challenge.id, state, self._clock(), reason)
        self._changed()
        return ended

    async def board(self, server_id: int) -> list[Rank]:
        """The people on the leaderboard of a server, the most wins first."""
        return await self._store.challenges.ranks(server_id, BOARD)

    # Checks

    async def _check_room(self, session: Session, challenge: Challenge, user_id: int, picture: tuple[str, int]) -> None:
        """Raise Refused unless the challenge still takes this entry."""
        now = await self._store.challenges.find(challenge.id, session)
        if now is None or now.state is not ChallengeState.OPEN or self._clock() >= now.deadline:
            raise Refused("The entries of this challenge are closed.")
        entries = await self._store.challenges.entries(challenge.id, session)
        if picture in {(one.job_id, one.index) for one in entries}:
            raise Refused("This picture is already entered.")
        if len(entries) >= MOST_ENTRIES:
            raise Refused(f"This challenge has {MOST_ENTRIES} entries, which is the limit of a vote.")
        mine = sum(one.user_id == user_id for one in entries)
        if mine >= challenge.entries_each:
            raise Refused(
                f"You have {count(mine, 'entry', 'entries')} in this challenge, which is the limit. Withdraw one first."
            )

    async def _check_own(self, job: JobRow, user_id: int) -> None:
        """Raise Refused for a copy or an upscale of another person's picture."""
        source: JobRow | None = job
        for _ in range(_ANCESTORS):
            if source is None or source.origin.kind not in _COPIES:
                return
            source = await self._store.jobs.find(source.origin.parent_job)
            if source is not None and not source.owned_by(user_id):
                raise Refused("This picture belongs to another person. Only its author can enter it.")

    def _location(self, challenge: Challenge, caller: Invocation) -> Location:
        """The place where the entries are shown."""
        channel = self._client.get_channel(challenge.channel_id)
        category = getattr(channel, "category_id", None)
        places = (challenge.thread_id, challenge.channel_id, category)
        restricted = bool(getattr(channel, "nsfw", False))
        return Location(challenge.server_id, tuple(one for one in places if one), restricted, caller.roles)


def is_seen(challenge: Challenge, caller: Invocation) -> bool:
    """Whether the caller may hear of a challenge here: in its place, or where they can read its channel."""
    places = (challenge.channel_id, challenge.thread_id)
    return caller.channel_id in places or caller.sees(challenge.channel_id)


def _candidate(entry: ChallengeEntry, job: JobRow | None) -> Candidate | None:
    """The entry as a candidate of a vote; None if its picture is gone."""
    if job is None or job.state is not JobState.DONE:
        return None
    if not any(one.index == entry.index and one.path for one in job.pictures):
        return None
    asked = job.part(entry.index).request
    if not isinstance(asked, DreamRequest):
        return Candidate(job.id, entry.index, entry.user_id, "an upscaled picture")
    words = format_prompts(prompt for prompt in asked.prompts if prompt.weight > 0)
    label = shorten(words, _LABEL)
    return Candidate(job.id, entry.index, entry.user_id, label, traits_of(asked))


def _link(challenge: Challenge) -> str:
    if challenge.message_id is None:
        return "its announcement follows in a moment."
    return message_link(challenge.server_id, challenge.channel_id, challenge.message_id)
