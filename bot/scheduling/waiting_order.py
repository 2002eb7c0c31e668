"""The waiting jobs in their fair order, kept up to date owner by owner: a change costs the jobs of its owner only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter

from bot.scheduling.ticket import Ticket

Key = tuple[bool, bool, float, int, str]
"""Held, background, start in virtual time (less the head start), arrival, owner."""
KeyedTickets = Sequence[tuple[Key, Ticket]]
_MANY = 8
"""All jobs are sorted anew once one in so many of them belongs to an owner who changed."""


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
