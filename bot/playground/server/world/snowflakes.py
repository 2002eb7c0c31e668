"""Snowflakes: ids that contain their creation time (docs: reference.mdx, "Snowflakes")."""

from bot.playground.server.world.clock import Clock
from bot.playground.server.world.entities import shard_of

EPOCH = 1_420_070_400.0
"""The first second of 2015, the epoch of snowflakes (unix seconds)."""


class Snowflakes:
    """Generates strictly increasing ids, also within a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        born = int((self._clock.now() - EPOCH) * 1000) << 22
        self._last = max(born, self._last + 1)
        return self._last

    def next_on_shard(self, shard: int, shards: int) -> int:
        """An id for a guild whose events go to *shard* of *shards*."""
        found = self.next()
        found += ((shard - shard_of(found, shards)) % shards) << 22
        self._last = found
        return found
