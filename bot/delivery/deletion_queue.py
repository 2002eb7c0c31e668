"""Deletes messages that could not be deleted at once: slowly, and across restarts."""

from __future__ import annotations

import asyncio
import logging

import discord

from bot.errors import StoreError
from bot.interactions.message_api import DeletionResult, erased
from bot.retry import wait_for_news
from bot.storage import Store

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two deletions, which leaves the rate limit to edits."""
LATER = 60.0
"""Seconds until the next attempt after a transient error, and between two reads of the table."""
_BATCH = 50


class DeletionQueue:
    """Works off the table `removals`; `run` it in a task."""

    def __init__(self, client: discord.Client, store: Store) -> None:
        self._client = client
        self._store = store
        self._news = asyncio.Event()
        self._news.set()

    def wake(self) -> None:
        """Read the table again now."""
        self._news.set()

    async def run(self) -> None:
        """Work off the table until cancelled: at every `wake`, and every `LATER` seconds."""
        while True:
            await wait_for_news(self._news, LATER)
            try:
                while messages := await self._store.erasure.to_remove(_BATCH):
                    for channel_id, message_id in messages:
                        await self._remove(channel_id, message_id)
                        await asyncio.sleep(PAUSE)
            except StoreError as error:
                log.error("scheduled deletions are retried later: %s", error)
                await asyncio.sleep(LATER)

    async def _remove(self, channel_id: int, message_id: int) -> None:
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        if await erased(message.delete) is DeletionResult.LATER:
            await asyncio.sleep(LATER)
        else:  # a refused deletion cannot succeed later either
            await self._store.erasure.removed(channel_id, message_id)
