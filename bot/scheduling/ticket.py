"""A job in the queue: its owner, its cost and what a worker needs for it; and the waiting jobs in their fair order.

The order is kept up to date owner by owner: a change costs the jobs of its owner only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from bot.models.job import Priority
from engine.protocol.messages import Request
from engine.requests.request import DreamRequest

SHARE: Mapping[Priority, float] = {
    Priority.HOST: 4.0,
    Priority.ROLE: 2.0,
    Priority.NORMAL: 1.0,
    Priority.BATCH: 0.5,
    Priority.BACKGROUND: 1.0,
}
"""Divisor of the cost by which an owner's virtual time grows."""


@dataclass(frozen=True, slots=True)
class JobNeeds:
    """What a worker needs for a job. *names*: as in `Ready.unavailable`. *batch*: equal ones share steps."""

    nets: str = ""
    names: frozenset[str] = frozenset()
    memory: str = ""
    pixels: int = 0
    batch: str = ""

    @classmethod
    def of(cls, request: Request) -> JobNeeds:
        if not isinstance(request, DreamRequest):
            return cls(nets=request.nets, names=frozenset({request.nets}), batch=request.nets)
        names = frozenset({request.method, request.model, *request.helpers})
        pixels = request.width * request.height
        shape = f"{request.nets}, {request.width}×{request.height}"
        return cls(request.nets, names, request.memory_kind, pixels, shape)


@dataclass(frozen=True, slots=True)
class Ticket:
    job_id: str
    owner: str
    cost: float
    """Units, > 0."""
    pictures: int = 1
    priority: Priority = Priority.NORMAL
    running_limit: int = 1
    """Jobs of this owner that may run at a time."""
    server: int = 0
    """The server of its request; 0 = none. Jobs of a server can be held."""
    isolated: bool = False
    """Suspected of crashing the engine: runs alone on a worker, so that a crash is attributable."""
    shuns: frozenset[str] = frozenset()
    """Workers that crashed under it; others are tried first."""
    needs: JobNeeds = JobNeeds()

    @property
    def background(self) -> bool:
        return self.priority is Priority.BACKGROUND

    @property
    def span(self) -> float:
        """The growth of its owner's virtual time."""
        return self.cost / SHARE[self.priority]


Key = tuple[bool, bool, float, int, str]
"""Held, background, start in virtual time (less the head start), arrival, owner."""
KeyedTickets = Sequence[tuple[Key, Ticket]]
_MANY = 8
"""All jobs are sorted again once one in so many of them belongs to an owner who changed."""


class WaitingOrder:
    """*keyed*: owner → their waiting jobs with distinct keys."""

    def __init__(self, keyed: Callable[[str], KeyedTickets]) -> None:
        self._keyed = keyed
        self._owned: dict[str, KeyedTickets] = {}
        self._keys: list[Key] = []
        self._tickets: list[Ticket] = []
        """In the order of `_keys`."""
        self._changed: set[str] = set()

    def change(self, owner: str) -> None:
        """The jobs of *owner* or their keys may have changed."""
        self._changed.add(owner)

    def tickets(self) -> list[Ticket]:
        """All waiting jobs in the order of their keys."""
        anew = len(self._changed) * _MANY > len(self._keys)
        for owner in self._changed:
            former, now = self._owned.pop(owner, ()), self._keyed(owner)
            if now:
                self._owned[owner] = now
            if not anew:
                self._replace(former, now)
        self._changed.clear()
        if anew:
            entries = sorted(chain.from_iterable(self._owned.values()), key=itemgetter(0))
            self._keys, self._tickets = [key for key, _ in entries], [ticket for _, ticket in entries]
        return self._tickets.copy()

    def _replace(self, former: KeyedTickets, now: KeyedTickets) -> None:
        for key, _ in former:
            place = bisect_left(self._keys, key)
            del self._keys[place], self._tickets[place]
        for key, ticket in now:
            place = bisect_left(self._keys, key)
            self._keys.insert(place, key)
            self._tickets.insert(place, ticket)
