"""Keeps a challenge's announcement, thread, result and pin up to date. Each can be repeated after a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import discord

from bot.community.challenges.message import challenge_embed, result_embed, winner_news
from bot.community.winner_pings import WinnerPings
from bot.errors import PictureGone
from bot.interactions.message_api import (
    FAILURES,
    Address,
    MessagePayload,
    Post,
    is_final,
    nonce,
    patience_for,
)
from bot.models.challenge import Challenge, ChallengeState, Winner
from bot.pictures.uploads import ImageUpload, result_upload
from bot.retry import failpoint
from bot.storage import Store
from bot.text import shorten
from engine.errors import UnreadablePicture

log = logging.getLogger(__name__)

_THREAD_NAME = 90


@dataclass(eq=False, repr=False)
class ChallengePoster:
    _client: discord.Client
    _store: Store
    _entering: Callable[[str], discord.ui.View]
    """The buttons of an open challenge."""
    _after: Callable[[str], discord.ui.View]
    """The buttons of a result."""
    _deletes: Callable[[], None]
    """A message was queued for deletion."""
    _winner_pings: WinnerPings
    _clock: Callable[[], float]
    """Unix seconds."""
    _showing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def show(self, challenge_id: str, *, fresh: bool = False) -> None:
        """Bring the messages of a challenge up to date. *fresh*: no message can exist yet."""
        async with self._showing:
            challenge = await self._store.challenges.find(challenge_id)
            if challenge is None or challenge.shown >= challenge.revision:
                return
            try:
                await self._announce(challenge, fresh=fresh)
                if challenge.state is ChallengeState.ENDED:
                    await self._tell_result(challenge.id)
                await self._store.challenges.shown(challenge.id, challenge.revision)
            except FAILURES as error:
                await self._learn(challenge, error)

    async def _announce(self, challenge: Challenge, *, fresh: bool) -> None:
        post = Post(self._client, Address(challenge.server_id, challenge.channel_id, challenge.host_id))
        winners = await self._store.challenges.winners(challenge.id)
        buttons = partial(self._entering, challenge.id) if challenge.state is ChallengeState.OPEN else None
        payload = MessagePayload(challenge_embed(challenge, winners), (), buttons)
        message_id = challenge.message_id
        if message_id is None and not fresh:
            message_id = await post.find(challenge.id, challenge.created_at)
        if message_id is None and challenge.state is not ChallengeState.OPEN:
            return
        if message_id is None:
            message_id = await post.send(payload, nonce(challenge.id, "challenge"))
            failpoint("challenge announced")
        else:
            await _unless_gone(post.edit(message_id, payload))
        if challenge.message_id is None:
            await self._store.challenges.posted(challenge.id, message_id)
        if challenge.thread_id is None and challenge.state is ChallengeState.OPEN:
            thread_id = await post.start_thread(message_id, shorten(challenge.theme, _THREAD_NAME))
            failpoint("thread made")
            await self._store.challenges.threaded(challenge.id, thread_id)

    async def _tell_result(self, challenge_id: str) -> None:
        """Post the result in the thread, once, and pin it; a result that is there is brought up to date."""
        challenge = await self._store.challenges.find(challenge_id)
        if challenge is None:
            return
        place = challenge.thread_id or challenge.channel_id
        post = Post(self._client, Address(challenge.server_id, place, challenge.host_id))
        if challenge.result_id is None:
            since = challenge.ended_at or challenge.created_at
            message_id = await post.find(challenge.id, since, without=challenge.message_id)
            if message_id is None:
                payload = await self._result(challenge, post.upload_limit)
                message_id = await post.send(payload, nonce(challenge.id, "result"))
                failpoint("result posted")
            await self._store.challenges.result_posted(challenge.id, message_id)
        else:
            message_id = await self._renew(challenge, challenge.result_id, place, post)
        if not challenge.pinned or message_id != challenge.result_id:
            await _unless_gone(post.pin(message_id))
            failpoint("result pinned")
            await self._store.challenges.result_pinned(challenge.id)
        winners = await self._store.challenges.winners(challenge.id)
        ended_at = challenge.ended_at or challenge.created_at
        await self._winner_pings.tell(
            challenge.id, ended_at, (challenge.server_id, place), message_id, winner_news(winners)
        )

    async def _renew(self, challenge: Challenge, message_id: int, place: int, post: Post) -> int:
        """Edit or replace the result, because a winning picture was deleted; returns the id of its message."""
        payload = await self._result(challenge, post.upload_limit)
        current_id = await post.edit_or_send(message_id, payload, nonce(challenge.id, f"result {challenge.revision}"))
        if current_id != message_id:
            await self._store.challenges.result_moved(challenge, place, current_id)
            self._deletes()
        return current_id

    async def _result(self, challenge: Challenge, limit: int) -> MessagePayload:
        winners = await self._store.challenges.winners(challenge.id)
        upload, covered = await self._picture(winners, limit)
        buttons = partial(self._after, challenge.id)
        if upload is None:
            return MessagePayload(result_embed(challenge, winners), (), buttons)
        name = f"SPOILER_{upload.name}" if covered else upload.name
        embed = result_embed(challenge, winners, "" if covered else name)
        return MessagePayload(embed, ((name, upload.data),), buttons)

    async def _picture(self, winners: Sequence[Winner], limit: int) -> tuple[ImageUpload | None, bool]:
        """The winning picture (of several the first one that is still shown), and whether it is a spoiler."""
        for one in winners:
            job = await self._store.jobs.find(one.job_id)
            if not await self._store.messages.of_job(one.job_id):  # its author or a moderator deleted it
                continue
            try:
                png = await self._store.pictures.png(one.job_id, one.index)
                upload = await result_upload(one.job_id, [png], limit)
            except (PictureGone, UnreadablePicture):
                continue
            return upload, bool(job and job.origin.spoiler)
        return None, False

    async def _learn(self, challenge: Challenge, error: BaseException) -> None:
        """Retry later, or give up where no attempt can succeed; a challenge that cannot be announced ends quietly."""
        if not is_final(error):
            await self._store.challenges.retry(challenge.id, self._clock() + patience_for(error, challenge.tries))
            return
        log.info("the messages of challenge %s are gone or refused: %s", challenge.id, error)
        current = await self._store.challenges.find(challenge.id)
        if current is not None and current.message_id is None and not current.state.over:
            reason = "It could not be announced."
            async with self._store.transaction() as session:
                await self._store.challenges.end(session, challenge.id, ChallengeState.CANCELLED, self._clock(), reason)
            current = await self._store.challenges.find(challenge.id)
        if current is not None:
            await self._store.challenges.shown(challenge.id, current.revision)


async def _unless_gone(request: Awaitable[None]) -> None:
    """Await a request whose message may have been deleted, or that the bot may not make."""
    try:
        await request
    except FAILURES as error:
        if not is_final(error):
            raise
        log.info("a message of a challenge is gone or refused: %s", error)
