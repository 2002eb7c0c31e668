"""Which loaded nets stay, and which leave when there is too much of them. Loads nothing and knows no device.

what work that goes on has asked for          stays: the work holds it anyway
what pictures under way used in their         stays whatever the budget says, as long as memory itself suffices:
latest step                                   it would be loaded and hashed again at its next turn
everything else                               leaves until all are within the budget, the least recently used first
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Net:
    """One that is loaded."""

    value: Any
    size: int
    used: float
    """When it was asked for last."""


@dataclass(slots=True, eq=False)
class Use:
    """A piece of work, and what it has asked for so far."""

    nets: set[str] = field(default_factory=set)
    again: float = 0.0
    """Seconds that it has waited for nets which had been here and had to leave while they were in use."""


class Shelf:
    """*budget*: bytes that nets should take together. *suffices*: whether memory itself holds so many bytes of nets
    beside a step that takes so many (0 where nobody knows). Not for several threads at once."""

    def __init__(self, budget: int, suffices: Callable[[int, int], bool]) -> None:
        self.nets: OrderedDict[str, Net] = OrderedDict()
        """The least recently used first."""
        self.uses: list[Use] = []
        """Work that goes on."""
        self.kept: frozenset[str] = frozenset()
        """What pictures under way used last."""
        self.budget, self._suffices = budget, suffices
        self._step = 0
        self._missed: set[str] = set()
        """What had to leave although it was kept."""
        self._over = False

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(net.size for net in self.nets.values())

    @property
    def asked_for(self) -> frozenset[str]:
        """By work that goes on."""
        return frozenset().union(*(use.nets for use in self.uses))

    def find(self, key: str) -> Net | None:
        """The net, which is the most recently used now."""
        if (net := self.nets.get(key)) is not None:
            self.nets.move_to_end(key)
            net.used = time.monotonic()
        return net

    def put(self, key: str, value: Any, size: int) -> bool:
        """It has been loaded; true if only because it had to leave while a picture under way used it."""
        again = key in self._missed
        self._missed.discard(key)
        self.nets[key] = Net(value, size, time.monotonic())
        self.make_room()
        return again

    def remove(self, key: str) -> None:
        """It leaves, who still holds it keeps it."""
        del self.nets[key]
        if key in self.kept:
            self._missed.add(key)
            log.info("Memory does not hold all nets of the pictures under way: “%s” leaves until its next turn.", key)

    def keep(self, nets: Collection[str], step: int, coming: Collection[str]) -> bool:
        """Pictures under way used *nets* last; their largest step takes *step* bytes. True if any net had to leave.

        *coming*: those of the step that is next.
        """
        self.kept, self._step = frozenset(nets), step
        self._missed &= self.kept
        return self.make_room(spared=coming)

    def make_room(self, more: int = 0, spared: Collection[str] = ()) -> bool:
        """For *more* bytes; at least one net stays if there are none. True if any had to leave."""
        before, held, least = len(self.nets), self.asked_for.union(spared), 0 if more else 1
        while self.size + more > self.budget and len(self.nets) > least and self._drop(held | self.kept):
            pass
        if self._note(self.size + more > self.budget):
            while not self._suffices(self.size + more, self._step) and len(self.nets) > least and self._drop(held):
                pass
        return len(self.nets) < before

    def _drop(self, spared: Collection[str]) -> bool:
        """The least recently used net leaves that is not spared; False if there is none."""
        key = next((key for key in self.nets if key not in spared), None)
        if key is None:
            return False
        self.remove(key)
        return True

    def _note(self, over: bool) -> bool:
        """*over*, and a line in the log when it begins."""
        if over and not self._over:
            log.info(
                "The nets of the pictures under way take more than the %d MB that nets should take together; "
                "they stay while memory suffices.",
                self.budget // 10**6,
            )
        self._over = over
        return over
