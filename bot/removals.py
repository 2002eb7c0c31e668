"""Deletes the messages of people who are forgotten: slowly, and over restarts, until none is left."""

from __future__ import annotations

import asyncio
import logging

import discord

from bot.errors import StoreError
from bot.posting import FAILURES, Trouble, trouble_of
from bot.store import Store

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two messages: others have more urgent things to say."""
LATER = 60.0
"""Seconds until another try where Discord is not to be reached."""
_BATCH = 50


class Removals:
    """Works off the table `removals`; `run` it in a task of its own."""

    def __init__(self, client: discord.Client, store: Store, pause: float = PAUSE) -> None:
        self._client = client
        self._store = store
        self._pause = pause
        self._news = asyncio.Event()
        self._news.set()

    def wake(self) -> None:
        """There is more to do."""
        self._news.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                while messages := await self._store.farewells.to_remove(_BATCH):
                    for channel_id, message_id in messages:
                        await self._remove(channel_id, message_id)
                        await asyncio.sleep(self._pause)
            except StoreError as error:
                log.error("messages of forgotten people stay for now: %s", error)
                await asyncio.sleep(LATER)
                self._news.set()

    async def _remove(self, channel_id: int, message_id: int) -> None:
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        try:
            await message.delete()
        except FAILURES as error:
            if trouble_of(error) is Trouble.LATER:
                await asyncio.sleep(LATER)
                return
            log.info("a message of somebody forgotten cannot be deleted: %s", error)
        await self._store.farewells.removed(channel_id, message_id)
