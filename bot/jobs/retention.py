"""Periodic cleanup: expired tokens, idempotency keys and questions, and pictures beyond the retention limits."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from bot.config.settings import Config
from bot.errors import StoreError
from bot.policy.quota import oldest_window
from bot.storage import Store
from bot.storage.confirmations import VALID_SECONDS

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
_DAY = 86_400.0
_BATCH = 50
"""Pictures deleted per round; the rest follows in the next rounds, so that the database stays free for others."""
STEADY_SECONDS = 3600.0
"""Deletion by age needs a wall clock that was not set for this long."""
_JUMP = 30.0
"""Difference in seconds between wall clock and monotonic clock that counts as a jump."""


class ClockMonitor:
    """Tells whether the wall clock ran steadily for `STEADY_SECONDS`.

    A machine that boots with a date in the future would otherwise delete every picture as too old.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._offset: float | None = None
        self._since = 0.0

    def steady(self, now: float) -> bool:
        """Compare *now* (unix seconds) with the monotonic clock; True once they agreed for `STEADY_SECONDS`."""
        ticks = self._ticks()
        offset = now - ticks
        if self._offset is None or abs(offset - self._offset) > _JUMP:
            if self._offset is not None:
                log.warning("clock jumped %+.0f s; deletion by age is suspended", offset - self._offset)
            self._since = ticks
        self._offset = offset
        return ticks - self._since >= STEADY_SECONDS


class Retention:
    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store

    async def tidy(self, now: float, *, by_age: bool = True) -> None:
        """One round; *by_age* allows deletion by age. A step that fails is logged and repeated in the next round."""
        steps: list[Callable[[], Awaitable[object]]] = [
            partial(self._store.interactions.erase_expired, now),
            partial(self._store.presses.forget, now - max(self._config.delivery.press_seconds, _DAY)),
            partial(self._forget_questions, now),
            partial(self._store.searches.expire, now - _DAY),
            partial(self._keep_within_budget, now),
        ]
        if by_age:
            steps.append(partial(self._let_old_go, now))
            steps.append(partial(self._erase_names, now))
        for step in steps:
            try:
                await step()
            except StoreError as error:
                log.warning("Clean-up is incomplete and is repeated in a minute: %s", error)

    async def _forget_questions(self, now: float) -> None:
        """Delete questions some time after they expired, so that a late answer still gets the right message."""
        async with self._store.transaction() as session:
            gone = await self._store.confirmations.forget(session, now - 2 * VALID_SECONDS)
        if gone:
            await self._store.attachments.drop_unneeded()

    async def _erase_names(self, now: float) -> None:
        await self._store.erasure.erase_names(await oldest_window(self._config.quota, self._store.ledger, now))

    async def _let_old_go(self, now: float) -> None:
        days = self._config.retention.pictures_days
        if days:
            for picture in await self._store.pictures.aged(now - days * _DAY, _BATCH):
                await self._store.pictures.let_go(picture)
            await self._store.attachments.let_go(now - days * _DAY)

    async def _keep_within_budget(self, now: float) -> None:
        """Delete in this order: timelapse frames, attachments, pictures, starred pictures."""
        budget = self._config.retention.pictures_megabytes * 1_000_000
        over = await self._store.used_bytes() - budget if budget else 0
        if over > 0:
            over -= await self._store.frames.let_go(over)
        if over > 0:
            over -= await self._store.attachments.let_go(now, over)
        if over > 0:
            await self._let_pictures_go(over)

    async def _let_pictures_go(self, over: int) -> None:
        for picture, kept in await self._store.pictures.least_missed(_BATCH):
            if over <= 0:
                break
            if kept:
                log.warning(
                    "starred pictures exceed pictures_megabytes: deleting a starred picture of job %s", picture.job_id
                )
            await self._store.pictures.let_go(picture)
            over -= picture.size
