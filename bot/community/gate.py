"""Who may act here now: the block list, and the shared cooldown of requests that cost CPU time but paint nothing.

Every command, button, menu, form and reaction passes it. A blocked person is refused unless the act is `Access.OPEN`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from enum import Flag

from bot.errors import Blocked, CoolingDown
from bot.interactions.context import Invocation
from bot.policy.server_rules import blocked_words
from bot.storage import Store

BURST = 3
"""Costly requests that a person may make at once; then one per cooldown."""
REMEMBERED = 10_000
"""People whose requests are remembered, before those whose cooldown is over are forgotten."""


class Access(Flag):
    """What the gate asks about an act."""

    USUAL = 0
    OPEN = 1
    """Blocked people may do it too: it concerns their own data, takes something back, or is a moderator's."""
    COSTLY = 2
    """It decodes, embeds or draws, and creates no job that would be charged."""
    BLIND = 4
    """It tells neither prompt nor author of a picture, so it works while a blind vote hides them."""


COMMANDS = {
    **dict.fromkeys(
        ("admin", "engine", "forget", "help", "leaderboard", "mydata", "queue", "quota", "settings"), Access.OPEN
    ),
    "history": Access.OPEN | Access.COSTLY,
    **dict.fromkeys(("describe", "explain", "favorites", "find", "gallery", "lineage"), Access.COSTLY),
    **dict.fromkeys(("Describe", "Explain", "More like this", "Remix", "Use as start", "Use as target"), Access.COSTLY),
}
"""Name of a command or of a message command → its access; the others have `Access.USUAL`."""


class Gate:
    """One per bot. *seconds*: the cooldown; *hosts* have none. *clock* is unix seconds."""

    def __init__(self, store: Store, seconds: float, hosts: Collection[int], clock: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._hosts = hosts
        self._clock = clock
        self._paid_until: dict[int, float] = {}

    async def admit(self, caller: Invocation, access: Access) -> None:
        """Raise Blocked or CoolingDown; a costly act that is admitted counts."""
        now = self._clock()
        if Access.OPEN not in access and (block := await self._store.blocks.find(caller.user_id, caller.guild_id, now)):
            raise Blocked(blocked_words(block))
        if Access.COSTLY in access and self._seconds and caller.user_id not in self._hosts:
            self._spend(caller.user_id, now)

    def _spend(self, user_id: int, now: float) -> None:
        """Each request pays for one cooldown, up to `BURST` of them in advance."""
        most = now + BURST * self._seconds
        paid = min(max(self._paid_until.get(user_id, now), now), most)  # a clock that was set back delays nothing
        if paid + self._seconds > most:
            ready = paid + self._seconds - (most - now)
            seconds = math.ceil(ready - now)
            raise CoolingDown(f"Please wait {seconds} second{'s' * (seconds != 1)} before you ask again.", ready)
        if len(self._paid_until) >= REMEMBERED:
            self._paid_until = {who: until for who, until in self._paid_until.items() if until > now}
        self._paid_until[user_id] = paid + self._seconds
