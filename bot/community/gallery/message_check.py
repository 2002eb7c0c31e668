"""Checks whether the messages of shown pictures still exist; without message intents Discord reports no deletions.

A message is checked when a list shows it, at most once per `AGAIN_SECONDS`. If a channel is deleted, so are all its
messages. A late answer counts for the next list.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from functools import partial

import discord

from bot.errors import StoreError
from bot.interactions.message_api import FAILURES, DeletionResult, is_transient, removal_of
from bot.jobs.takedown import Takedowns

log = logging.getLogger(__name__)

AGAIN_SECONDS = 3600.0
WAIT_SECONDS = 1.0
"""How long a list waits for Discord."""
REMEMBERED = 20_000
"""Messages whose answers are remembered."""
UNKNOWN_CHANNEL = 10003
"""Discord's error code for a channel that does not exist."""


class MessageCheck:
    def __init__(self, client: discord.Client, takedowns: Takedowns) -> None:
        self._client = client
        self._takedowns = takedowns
        self._asked: dict[tuple[int, int], float] = {}
        self._asking: dict[tuple[int, int], asyncio.Task[bool]] = {}

    async def gone(self, messages: Collection[tuple[int, int]]) -> bool:
        """Forget those of *messages* (channel id, message id) that were deleted; returns whether there were any."""
        now = time.monotonic()
        due = [one for one in dict.fromkeys(messages) if self._asked.get(one, -AGAIN_SECONDS) + AGAIN_SECONDS <= now]
        if not due:
            return False
        for one in due:
            if one not in self._asking:
                self._asking[one] = asyncio.create_task(self._is_gone(*one))
                self._asking[one].add_done_callback(partial(self._answered, one))
        done, _ = await asyncio.wait([self._asking[one] for one in due], timeout=WAIT_SECONDS)
        return any(task.result() for task in done if not task.cancelled())

    def _answered(self, message: tuple[int, int], _: asyncio.Task[bool]) -> None:
        self._asking.pop(message, None)

    async def close(self) -> None:
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _is_gone(self, channel_id: int, message_id: int) -> bool:
        try:
            await self._client.get_partial_messageable(channel_id).fetch_message(message_id)
        except FAILURES as error:
            if is_transient(error):
                return False
            if removal_of(error) is DeletionResult.GONE:
                return await self._forget(channel_id, message_id, all_of=getattr(error, "code", 0) == UNKNOWN_CHANNEL)
            log.info("the message %d cannot be read: %s", message_id, error)
        if len(self._asked) >= REMEMBERED:
            self._asked.clear()
        self._asked[channel_id, message_id] = time.monotonic()
        return False

    async def _forget(self, channel_id: int, message_id: int, *, all_of: bool) -> bool:
        try:
            if all_of:
                await self._takedowns.lost_channel(channel_id)
            else:
                await self._takedowns.lost(channel_id, message_id)
        except StoreError as error:
            log.error("the deleted message %d could not be forgotten yet: %s", message_id, error)
            return False
        return True
