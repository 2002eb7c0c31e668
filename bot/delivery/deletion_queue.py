"""Deletes messages that could not be deleted at once: slowly, and over restarts, until none is left."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import discord

from bot.errors import StoreError
from bot.interactions.message_api import Removal, erased
from bot.storage import Store

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two messages: others have more urgent things to say."""
LATER = 60.0
"""Seconds until another try where Discord is busy or wants us to wait, and between two looks at the table."""
_BATCH = 50


class DeletionQueue:
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATER):
                    await self._news.wait()
            self._news.clear()
            try:
                while messages := await self._store.farewells.to_remove(_BATCH):
                    for channel_id, message_id in messages:
                        await self._remove(channel_id, message_id)
                        await asyncio.sleep(self._pause)
            except StoreError as error:
                log.error("messages that are to be deleted stay for now: %s", error)
                await asyncio.sleep(LATER)

    async def _remove(self, channel_id: int, message_id: int) -> None:
        message = self._client.get_partial_messageable(channel_id).get_partial_message(message_id)
        if await erased(message.delete) is Removal.LATER:
            await asyncio.sleep(LATER)
        else:  # what Discord refuses, nobody can delete
            await self._store.farewells.removed(channel_id, message_id)
