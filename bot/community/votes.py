"""Blind votes: a letter for each picture, one ballot per person, counts and labels only at the end.

    start    one transaction stores the vote and its candidates; then its message is posted
    cast     a ballot is stored or changed while the vote is open
    end      `run` closes all votes whose time is over in one transaction, then edits their messages

A message that does not show the newest revision of its vote is owed. `run` sends what is owed until Discord has it, so
a crash or a failure repeats an edit that changes nothing. Where a message is gone, the vote ends quietly.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import discord

from bot.community.rounds import CHECK_SECONDS
from bot.community.vote_message import vote_embed, vote_sheet, winner_news
from bot.community.winner_pings import WinnerPings
from bot.errors import PictureGone, Refused
from bot.interactions.context import Invocation
from bot.interactions.message_api import (
    FAILURES,
    Address,
    DeletionResult,
    MessagePayload,
    Post,
    is_final,
    nonce,
    patience_for,
    removal_of,
)
from bot.jobs.service import JobService
from bot.models.comparison import SEED, WAY, Comparison
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState, new_job_id, parts_of
from bot.models.vote import MOST_CANDIDATES, PROMPT, Candidate, Trait, Vote, VotePlace
from bot.pictures.contact_sheet import thumbnail
from bot.pictures.ranking import ordered
from bot.policy.server_rules import ServerRules, meant_by
from bot.policy.word_filter import is_mature
from bot.retry import failpoint, pause_after
from bot.storage import Store
from bot.storage.database import Session
from bot.text import message_link
from engine.errors import DreamError, UnreadablePicture
from engine.requests.prompts import format_prompts
from engine.requests.request import DreamRequest

log = logging.getLogger(__name__)

MOST_OPEN = 5
"""Open votes that one person may have started."""


@dataclass(eq=False, repr=False)
class Votes:
    _client: discord.Client
    _store: Store
    _jobs: JobService
    _buttons: Callable[[Vote], discord.ui.View]
    """A fresh view of an open vote."""
    _deletes: Callable[[], None]
    """A message was queued for deletion."""
    _changed: Callable[[], None]
    """A vote has begun or ended."""
    _winner_pings: WinnerPings
    _clock: Callable[[], float]
    """Unix seconds."""
    _check_at: float = field(default_factory=lambda: time.monotonic() + CHECK_SECONDS)
    _showing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _checked: str = ""

    async def start_over(self, job: JobRow, caller: Invocation, seconds: float) -> Vote:
        """Start a vote over the pictures of one job in the channel where they are shown. Raises Refused."""
        if caller.guild_id is None or not caller.resident:
            raise Refused("Votes work in servers where I am a member.")
        caller.check_place()
        if all(channel_id != caller.channel_id for channel_id, _ in await self._store.messages.of_job(job.id)):
            raise Refused("Only pictures that are posted in this channel can be voted on. Post them here first.")
        await self._jobs.admission.check_showing(job, caller.user_id, caller.location)
        if await self._store.blind_pictures.entry(job.id) is not None:
            raise Refused("This picture is entered in a challenge, which has its own vote.")
        where = VotePlace(
            caller.guild_id, caller.channel_id, caller.above[0] if caller.in_thread and caller.above else None
        )
        return await self.start(where, caller.user_id, title_of(job), candidates_of(job), seconds)

    async def start(
        self,
        where: VotePlace,
        starter_id: int,
        title: str,
        candidates: Sequence[Candidate],
        seconds: float,
        *,
        others_only: bool = False,
        also: Callable[[Session, Vote], Awaitable[None]] | None = None,
    ) -> Vote:
        """Store a vote of *seconds* over 2 to 25 pictures and post its message; letters are given at random.

        *others_only*, for challenges: people cannot vote for their own picture, and no other vote over these pictures
        stands in the way. *also* runs in the same transaction. Raises Refused: too many votes, or no right to post.
        """
        if not 2 <= len(candidates) <= MOST_CANDIDATES:
            raise Refused(f"A vote needs 2 to {MOST_CANDIDATES} pictures; this has {len(candidates)}.")
        shuffled = secrets.SystemRandom().sample(candidates, len(candidates))
        lettered = tuple(replace(one, place=place) for place, one in enumerate(shuffled))
        now, job_ids = self._clock(), {one.job_id for one in lettered}
        alone = () if others_only else job_ids
        await self._end_deleted(alone, where.channel_id)
        async with self._store.transaction() as session:
            rows = self._store.votes
            for job_id in alone:
                if (known := await rows.open_over(job_id, where.channel_id, session)) is not None:
                    raise Refused(await self._running(known, session))
            if starter_id and await rows.count_open(session, starter_id) >= MOST_OPEN:
                raise Refused(f"You have {MOST_OPEN} open votes. Wait until one of them ends.")
            spoiler, mature = await self._cover(where, lettered, session)
            vote = Vote(
                id=new_job_id(),
                where=where,
                starter_id=starter_id,
                title=title,
                others_only=others_only,
                spoiler=spoiler,
                mature=mature,
                created_at=now,
                ends_at=now + seconds,
                candidates=lettered,
            )
            await rows.insert(session, vote)
            if also is not None:
                await also(session, vote)
        failpoint("vote stored")
        await self._show(vote.id, fresh=True)
        shown = await self._store.votes.find(vote.id)
        if shown is None:
            raise Refused("I cannot post the vote in this channel.")
        return shown

    async def cast(self, vote_id: str, place: int, caller: Invocation) -> Vote:
        """Store or change the caller's ballot. Raises Refused."""
        vote = await self._store.votes.find(vote_id)
        if vote is None or vote.where.channel_id != caller.channel_id:
            raise Refused("This vote no longer exists.")
        chosen = next((one for one in vote.candidates if one.place == place), None)
        if chosen is None:
            raise Refused("This picture has been removed from the vote. Choose another one.")
        if vote.others_only and chosen.author_id == caller.user_id:
            raise Refused("This is your own picture. Vote for another one.")
        now = self._clock()
        async with self._store.transaction() as session:
            if not await self._store.votes.cast(session, vote_id, caller.user_id, place, now):
                raise Refused("This vote has ended. Your last choice counts.")
        return vote

    async def work(self) -> None:
        """Close votes in time, keep their messages up to date, and check one of them. Raises StoreError."""
        if await self._store.votes.close_due(self._clock()):
            failpoint("vote closed")
        for vote_id in await self._store.votes.owed(self._clock()):
            await self._show(vote_id)
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK_SECONDS
            await self.check_next()

    async def _show(self, vote_id: str, *, fresh: bool = False) -> None:
        """Bring the message of a vote up to date. *fresh*: no message can exist yet."""
        async with self._showing:
            vote = await self._store.votes.find(vote_id)
            if vote is None or vote.shown >= vote.revision:
                return
            if len(vote.candidates) < 2:  # their owners deleted the others
                await self._store.votes.delete(vote_id)
                self._deletes()
                self._changed()
                return
            where = vote.where
            post = Post(self._client, Address(where.server_id, where.channel_id, vote.starter_id))
            try:
                await self._send(vote, post, fresh=fresh)
            except FAILURES as error:
                await self._learn(vote, error)
            except DreamError as error:  # its pictures cannot be read or drawn at the moment
                log.error("the message of vote %s has to wait: %s", vote.id, error)
                await self._store.votes.retry(vote.id, self._clock() + pause_after(vote.tries))
            self._changed()

    async def _send(self, vote: Vote, post: Post, *, fresh: bool) -> None:
        payload = await self._payload(vote, post.upload_limit)
        message_id = vote.message_id
        if message_id is None and not fresh:
            message_id = await post.find(vote.id, vote.created_at)
        key = nonce(vote.id, f"vote {vote.is_open}")
        if message_id is None:
            message_id = await post.send(payload, key)
            failpoint("vote posted")
        else:
            message_id = await post.edit_or_send(message_id, payload, key)
            failpoint("vote edited")
        if not await self._store.votes.posted(vote, message_id):  # deleted while the message was sent
            self._deletes()
        elif not vote.is_open and not vote.others_only:  # a challenge tells its winners itself
            where = vote.where.server_id, vote.where.channel_id
            await self._winner_pings.tell(vote.id, vote.ends_at, where, message_id, winner_news(vote))

    async def _learn(self, vote: Vote, error: BaseException) -> None:
        if not is_final(error):
            await self._store.votes.retry(vote.id, self._clock() + patience_for(error, vote.tries))
            return
        log.info("the message of vote %s is gone or refused: %s", vote.id, error)
        if vote.message_id is None:
            await self._store.votes.delete(vote.id)
        else:
            await self._store.votes.give_up(vote.id)

    async def _payload(self, vote: Vote, limit: int) -> MessagePayload:
        cells = [await self._cell(one) for one in vote.candidates]
        buttons = partial(self._buttons, vote) if vote.is_open else None
        if not any(cells):
            return MessagePayload(vote_embed(vote), (), buttons)
        sheet = await asyncio.to_thread(vote_sheet, vote, cells, limit)
        name = f"SPOILER_{sheet.name}" if vote.spoiler else sheet.name
        return MessagePayload(vote_embed(vote, "" if vote.spoiler else name), ((name, sheet.data),), buttons)

    async def _cell(self, one: Candidate) -> bytes | None:
        """The thumbnail of a candidate; None if its file has expired."""
        try:
            return await asyncio.to_thread(thumbnail, await self._store.pictures.png(one.job_id, one.index))
        except (PictureGone, UnreadablePicture):
            return None

    async def _cover(self, where: VotePlace, candidates: Sequence[Candidate], session: Session) -> tuple[bool, bool]:
        """(spoiler, mature): whether the sheet is covered, and whether a prompt has mature words or is unknown."""
        rules = await ServerRules.of(self._store, where.server_id, session)
        spoiler = mature = False
        for job_id in {one.job_id for one in candidates}:
            job = await self._store.jobs.find(job_id, session)
            if job is None:
                raise Refused("One of these pictures has just been deleted.")
            meant = await meant_by(self._store, session, job.request, job.origin.parent_job)
            spoiler = spoiler or job.origin.spoiler or rules.covers(meant)
            mature = mature or bool(is_mature(meant.texts)) or not meant.known
        return spoiler, mature

    async def _end_deleted(self, job_ids: Collection[str], channel_id: int) -> None:
        """Close open votes over these jobs whose message was deleted, which Discord does not report to the bot."""
        for job_id in job_ids:
            known = await self._store.votes.open_over(job_id, channel_id)
            vote = await self._store.votes.find(known) if known else None
            if vote is not None:
                await self._end_if_deleted(vote)

    async def check_next(self) -> None:
        """Check the message of the next open vote, because Discord does not report deletions to the bot."""
        vote = await self._store.votes.next_open(self._checked)
        self._checked = vote.id if vote else ""
        if vote is not None:
            await self._end_if_deleted(vote)

    async def _end_if_deleted(self, vote: Vote) -> None:
        if vote.message_id is None:
            return
        channel = self._client.get_partial_messageable(vote.where.channel_id, guild_id=vote.where.server_id)
        try:
            await channel.fetch_message(vote.message_id)
        except FAILURES as error:
            if removal_of(error) is DeletionResult.GONE:
                await self._store.votes.give_up(vote.id)
                self._changed()

    async def _running(self, vote_id: str, session: Session) -> str:
        vote = await self._store.votes.find(vote_id, session)
        if vote is None or vote.message_id is None:
            return "A vote on these pictures is already open here."
        link = message_link(vote.where.server_id, vote.where.channel_id, vote.message_id)
        return f"A vote on these pictures is already open here: {link}"


def candidates_of(job: JobRow) -> tuple[Candidate, ...]:
    """The pictures of a finished job that are on disk, at most the best 25. Raises Refused for fewer than two."""
    if isinstance(job.request, FilmRequest):
        raise Refused("A vote needs pictures; this is a film.")
    pictures = [picture for picture in ordered(job).pictures if picture.path is not None]
    if job.state is not JobState.DONE or len(pictures) < 2:
        raise Refused("A vote needs a result with at least two pictures that are still stored.")
    found = []
    for picture in pictures[:MOST_CANDIDATES]:
        label, traits = f"seed {picture.facts.get('seed', '?')}", tuple[Trait, ...]()
        if isinstance(job.request, Comparison):
            way = job.request.ways[picture.index]
            label = way.label
            traits = tuple(one for one in way.traits or ((WAY, way.label),) if one[0] != SEED)
        elif isinstance(job.request, DreamRequest):
            traits = traits_of(job.request)
        found.append(Candidate(job.id, picture.index, job.origin.user_id, label, traits))
    return tuple(found)


def traits_of(request: DreamRequest) -> tuple[Trait, ...]:
    """Prompt parts with a positive weight, method and model."""
    parts = tuple((PROMPT, prompt.text) for prompt in request.prompts if prompt.text and prompt.weight > 0)
    return tuple(dict.fromkeys((*parts, ("method", request.method), ("model", request.model))))


def title_of(job: JobRow) -> str:
    """The prompt that all pictures share, as typed; empty if they differ, because it would give the labels away."""
    asked = [part.request for part in parts_of(job.request)]
    prompts = {request.prompts if isinstance(request, DreamRequest) else () for request in asked}
    return format_prompts(prompts.pop()) if len(prompts) == 1 else ""
