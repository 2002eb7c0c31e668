"""What has to be done now and then: secrets forgotten, old presses dropped, old pictures let go."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bot.config.settings import Config
from bot.errors import StoreError
from bot.policy.quota import Quota
from bot.storage import Store
from bot.storage.confirmations import VALID_SECONDS

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
_DAY = 86_400.0
_BATCH = 50
"""Pictures that are let go in one go; the rest waits for the next round, so that nobody waits for us."""


STEADY_SECONDS = 3600.0
"""How long the clock must have gone evenly before anything is deleted because of its age."""
_JUMP = 30.0
"""Seconds between two rounds that are no drift any more."""


class ClockMonitor:
    """Whether the wall clock can be trusted: it has not been set since so long, nor have we just started.

    A machine that wakes up in the year 2038 would otherwise delete every picture before its clock is put right.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._offset: float | None = None
        self._since = 0.0

    def holds(self, now: float) -> bool:
        """Look at the clock, which says *now*; True once it has gone evenly for an hour."""
        ticks = self._ticks()
        offset = now - ticks
        if self._offset is None or abs(offset - self._offset) > _JUMP:
            if self._offset is not None:
                log.warning("the clock was set by %+.0f s; nothing is deleted for its age now", offset - self._offset)
            self._since = ticks
        self._offset = offset
        return ticks - self._since >= STEADY_SECONDS


class Retention:
    """Tidies one store."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store

    async def tidy(self, now: float, *, by_age: bool = True) -> None:
        """One round; *by_age*: what is too old may go. What fails is logged, and tried again in the next."""
        try:
            await self._store.interactions.erase_expired(now)
            await self._store.presses.forget(now - max(self._config.delivery.press_seconds, _DAY))
            await self._forget_questions(now)
            if by_age:
                await self._let_old_go(now)
                quota = self._config.quota
                await self._store.farewells.erase_names(Quota(self._store.ledger, quota).window_start(now))
            await self._keep_within_budget(now)
        except StoreError as error:
            log.error("tidying up: %s", error)

    async def _forget_questions(self, now: float) -> None:
        """A while after they have lapsed, so that a late answer is told what has become of it."""
        async with self._store.transaction() as session:
            gone = await self._store.questions.forget(session, now - 2 * VALID_SECONDS)
        if gone:
            await self._store.inputs.drop_unneeded()

    async def _let_old_go(self, now: float) -> None:
        days = self._config.retention.pictures_days
        if days:
            for picture in await self._store.pictures.aged(now - days * _DAY, _BATCH):
                await self._store.pictures.let_go(picture)
            await self._store.inputs.let_go(now - days * _DAY)

    async def _keep_within_budget(self, now: float) -> None:
        """What is missed least goes first: ways to pictures, attachments, pictures, at last what somebody keeps."""
        budget = self._config.retention.pictures_megabytes * 1_000_000
        over = await self._store.used_bytes() - budget if budget else 0
        if over > 0:
            over -= await self._store.frames.let_go(over)
        if over > 0:
            over -= await self._store.inputs.let_go(now, over)
        if over > 0:
            await self._let_pictures_go(over)

    async def _let_pictures_go(self, over: int) -> None:
        for picture, kept in await self._store.pictures.least_missed(_BATCH):
            if over <= 0:
                break
            if kept:
                log.warning(
                    "pictures_megabytes is used up by what people keep: job %s goes all the same", picture.job_id
                )
            await self._store.pictures.let_go(picture)
            over -= picture.size
