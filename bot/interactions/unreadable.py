"""What Discord sends and discord.py cannot read: an event is left out, a stream opened again, an answer counts as lost.

discord.py lets an event or a stream end the connections of all shards, and raises KeyError and the like for an answer.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import discord
from discord.shard import Shard

log = logging.getLogger(__name__)

LOST = 4000
"""The close code with which a client keeps its session, to resume it."""


def tolerant(event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    """discord.py's parser of *event*, whose errors are logged and counted, and concern this one event only.

    When discord.py calls a parser, the event is already counted for RESUME; a parser changes nothing but the cache,
    and starts the handlers as tasks.
    """

    def parse_or_skip(data: Any) -> None:
        try:
            parse(data)
        except Exception:
            log.exception("an event %s from Discord cannot be read; it is left out", event)

    return parse_or_skip


class StreamRepair:
    """Reconnects a shard after an error that discord.py does not handle."""

    def __init__(self, live: set[int]) -> None:
        self._live = live
        """Shards that have a session and a connection; the client keeps it."""
        self._anew: set[int] = set()

    async def repair(self, error: Exception) -> bool:
        """Resume the session, which repeats lost events; then try a new session. False if both failed."""
        shard = _failed_shard(error)
        self._anew -= self._live
        if shard is None or shard.id in self._anew:
            return False
        log.error("shard %d cannot read what Discord sent; it connects again", shard.id, exc_info=error)
        await shard.ws.close(LOST)
        if shard.id in self._live:
            self._live.discard(shard.id)
            shard.launch()  # it finds the closed socket and resumes
        else:
            self._anew.add(shard.id)
            await shard.reconnect()
        return True


def _failed_shard(error: Exception) -> Shard | None:
    """The shard whose connection raised *error*. discord.py does not tell, but its methods are in the traceback."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if isinstance(shard := frame.f_locals.get("self"), Shard):
            return shard
    return None


UNTOLD_SECONDS = 60.0
"""Assumed length of a rate limit without `retry_after`."""
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What discord.py raises for an answer whose fields are missing or null."""


class UnreadableAnswer(aiohttp.ClientPayloadError):
    """Discord answered, but not in a way that can be read."""


@contextmanager
def readable() -> Iterator[None]:
    """Turn what discord.py raises for an answer that it cannot read into an error of `FAILURES`.

    That is RateLimited for a 429 without `retry_after`, and otherwise a lost response: what was asked for may be done.
    """
    try:
        yield
    except UNREADABLE as error:
        if error.args == ("retry_after",):
            raise discord.RateLimited(UNTOLD_SECONDS) from error
        log.error("an answer of Discord cannot be read", exc_info=error)
        raise UnreadableAnswer("Discord's answer cannot be read") from error
