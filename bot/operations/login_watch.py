"""Watches the logins that Discord still allows: detects other processes with this token and saves the last ones.

Discord resets the token of a bot that logs in more often than it may, 1000 times a day for most bots.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
import discord

log = logging.getLogger(__name__)

SECONDS = 300.0
"""Interval of the requests to Discord."""
FOREIGN = (
    "Another process has logged in with this bot's token (%d logins that are not ours). Both answer every command, so "
    "members pay twice. Stop the other process, or reset the token in the developer portal."
)

FEW = 100
"""Logins left, below which a start waits."""


def pause_before_login(remaining: int, reset_after: float) -> float:
    """Seconds that a start waits: with few logins *remaining*, its share of the *reset_after* seconds until the next.

    A service that is restarted every ten seconds would otherwise use up a day's logins in three hours.
    """
    return 0.0 if remaining >= FEW else reset_after / (remaining + 1)


class LoginWatch:
    """Compares Discord's count of logins (IDENTIFY) with our own.

    *remaining* reads `session_start_limit.remaining` of GET /gateway/bot; *own* counts our logins in this process,
    each before it is sent.
    """

    def __init__(self, remaining: Callable[[], Awaitable[int]], own: Callable[[], int]) -> None:
        self._remaining = remaining
        self._own = own
        self._start: tuple[int, int] | None = None
        self.foreign = 0
        """Logins of other processes that were seen since the limit was last reset."""

    async def look(self) -> None:
        """Ask once. A failed request changes nothing."""
        own = self._own()
        try:
            remaining = await self._remaining()
        except (discord.DiscordException, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.debug("the logins cannot be counted: %s", error)
            return
        if self._start is None or remaining > self._start[0]:  # Discord has reset the limit
            self._start, self.foreign = (remaining, own), 0
            return
        foreign = self._start[0] - remaining - (self._own() - self._start[1])
        if foreign > self.foreign:
            self.foreign = foreign
            log.error(FOREIGN, foreign)

    async def run(self) -> None:
        """Look every `SECONDS` until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SECONDS)
