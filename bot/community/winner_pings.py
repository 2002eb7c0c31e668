"""Tells winners in a short reply to the result: pings that one person, who may have turned pings off.

Each winner is told in one attempt: a lost ping is better than two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import discord

from bot.interactions.message_api import FAILURES, Address, Post, nonce
from bot.policy.server_rules import Preferences
from bot.retry import failpoint
from bot.storage import Store
from bot.text import mention

log = logging.getLogger(__name__)

LATEST_SECONDS = 43_200.0
"""How long after the end winners are told, for a bot that was away. Shorter than the time that presses are kept."""
MOST = 5
"""Winners of a tie who are told."""


class WinnerNews(NamedTuple):
    """*job_id*: the job of the winning picture, with which the reply is deleted. *text* follows the mention."""

    job_id: str
    text: str


class WinnerPings:
    """One per bot. *clock* is unix seconds."""

    def __init__(self, client: discord.Client, store: Store, clock: Callable[[], float]) -> None:
        self._client = client
        self._store = store
        self._clock = clock

    async def tell(
        self, what_id: str, ended_at: float, place: tuple[int, int], message_id: int, news: Mapping[int, WinnerNews]
    ) -> None:
        """Reply to the result of *what_id*. *place*: (server id, channel id); *news* by person. Raises StoreError."""
        if self._clock() > ended_at + LATEST_SECONDS:
            return
        for user_id, told in list(news.items())[:MOST]:
            chosen = await Preferences.of(self._store, user_id)
            key = f"told:{what_id}:{user_id}"
            if not chosen.pings or not await self._store.presses.first(key, self._clock(), 2 * LATEST_SECONDS):
                continue
            failpoint("winner noted")
            post = Post(self._client, Address(*place, user_id))
            try:
                reply = await post.reply(
                    message_id, f"{mention(user_id)} {told.text}", nonce(what_id, f"won {user_id}")
                )
            except FAILURES as error:
                log.info("a winner of %s is not told: %s", what_id, error)
            else:
                await self._store.pings.note(told.job_id, place[1], reply)
