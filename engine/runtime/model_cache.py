"""Loaded models: each is loaded once, leased while work uses it, and evicted when memory is short.

leased by work in progress              never evicted
used by the latest step of an image     evicted only if memory itself does not suffice (then it is loaded again)
everything else                         evicted beyond the budget, the least recently used first

`LoadedNets` remembers which kinds of work can begin without loading, for `WorkerState.loaded`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar, cast

from torch import nn

T = TypeVar("T")

IN_USE_SECONDS = 60.0
"""A model used within these seconds may belong to an image that is about to begin; `shed` spares it."""
SMALL = 64 * 2**20
"""Bytes. Models up to this size stay loaded while the engine is idle."""
LOGGED_SECONDS = 1.0
"""Loads that take longer are logged."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LoadedModel:
    """One loaded model. *used*: `time.monotonic` of its latest use."""

    value: Any
    size: int
    used: float


@dataclass(slots=True, eq=False)
class Lease:
    """A piece of work, and the keys of the models that it has used so far."""

    keys: set[str] = field(default_factory=set)
    reload_seconds: float = 0.0
    """Seconds spent on loading models again that had been evicted while an image used them."""


class ModelCache:
    """*budget*: bytes of models. *suffices(models, step)*: whether memory holds so many bytes of models beside a step
    of so many bytes (0 = unknown). *release*: returns freed memory to the device."""

    def __init__(
        self, budget: int, suffices: Callable[[int, int], bool], release: Callable[[], None] = lambda: None
    ) -> None:
        self._entries: OrderedDict[str, LoadedModel] = OrderedDict()  # the least recently used first
        self._budget, self._suffices, self._release = budget, suffices, release
        self._leases: list[Lease] = []
        self._kept: frozenset[str] = frozenset()
        self._step_bytes = 0
        self._missed: set[str] = set()  # evicted although an image in progress used it
        self._over_budget = False
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._here = threading.local()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    @property
    def sizes(self) -> Mapping[str, int]:
        """Key → bytes of every loaded model, the least recently used first."""
        with self._lock:
            return {key: entry.size for key, entry in self._entries.items()}

    def get(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        """The model of *key*; *load* runs once, however many threads ask. *expected* bytes are freed before."""
        with self._lock:
            turn = self._loading.setdefault(key, threading.Lock())
        with turn, self.lease() as lease:
            with self._lock:
                lease.keys.add(key)
                if (found := self._entries.get(key)) is not None:
                    self._entries.move_to_end(key)
                    found.used = time.monotonic()
                    return cast(T, found.value)
                evicted = self._make_room(expected)
            if evicted and expected:
                self._release()
            started = time.monotonic()
            value = load()
            seconds = time.monotonic() - started
            if seconds > LOGGED_SECONDS:
                log.info("Loaded “%s” in %.1f s.", key, seconds)
            with self._lock:
                if key in self._missed:
                    lease.reload_seconds += seconds
                self._missed.discard(key)
                self._entries[key] = LoadedModel(value, size_of(value), time.monotonic())
                self._make_room()
            return value

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Around work on one thread: the models that it asks for stay loaded. Nested calls share the outer lease."""
        if (outer := getattr(self._here, "lease", None)) is not None:
            yield outer
            return
        lease = self._here.lease = Lease()
        with self._lock:
            self._leases.append(lease)
        try:
            yield lease
        finally:
            self._here.lease = None
            self.end(lease)

    def hold(self, keys: Collection[str]) -> Lease:
        """A lease of *keys* that lasts until `end`."""
        lease = Lease(set(keys))
        with self._lock:
            self._leases.append(lease)
        return lease

    def end(self, lease: Lease) -> None:
        """Ends *lease*; nothing is evicted because of it alone."""
        with self._lock:
            self._leases.remove(lease)

    def keep(self, keys: Collection[str], step_bytes: int = 0, coming: Collection[str] = ()) -> None:
        """Images in progress used *keys* in their latest steps; they stay as long as memory suffices.

        *step_bytes*: bytes of the largest of their steps; 0 = unknown. *coming*: the models of the next step.
        """
        with self._lock:
            self._kept, self._step_bytes = frozenset(keys), step_bytes
            self._missed &= self._kept
            evicted = self._make_room(spared=coming)
        if evicted:
            self._release()

    def shed(self, unused_since: float | None = None, larger_than: int = 0) -> bool:
        """Evicts all models not used since that `time.monotonic`, and frees their memory; true if any was evicted.

        Without a time: those that no image in progress uses, and none used within `IN_USE_SECONDS`.
        """
        since = time.monotonic() - IN_USE_SECONDS if unused_since is None else unused_since
        with self._lock:
            spared = self._kept | self._leased() if unused_since is None else frozenset()
            leaving = [
                key
                for key, entry in self._entries.items()
                if entry.used < since and entry.size > larger_than and key not in spared
            ]
            for key in leaving:
                self._evict(key)
        self._release()
        return bool(leaving)

    def _leased(self) -> frozenset[str]:
        return frozenset().union(*(lease.keys for lease in self._leases))

    def _make_room(self, more: int = 0, spared: Collection[str] = ()) -> bool:
        """Evicts models until *more* bytes fit; at least one model stays if that is 0. True if any was evicted."""
        before, held, least = len(self._entries), self._leased().union(spared), 0 if more else 1
        while self._size + more > self._budget and len(self._entries) > least and self._evict_one(held | self._kept):
            pass
        over = self._size + more > self._budget
        if over and not self._over_budget:
            log.info(
                "The models of the images in progress exceed the budget of %d MB; they stay while memory suffices.",
                self._budget // 10**6,
            )
        self._over_budget = over
        if over:
            while (
                not self._suffices(self._size + more, self._step_bytes)
                and len(self._entries) > least
                and self._evict_one(held)
            ):
                pass
        return len(self._entries) < before

    @property
    def _size(self) -> int:
        return sum(entry.size for entry in self._entries.values())

    def _evict_one(self, spared: Collection[str]) -> bool:
        key = next((key for key in self._entries if key not in spared), None)
        if key is None:
            return False
        self._evict(key)
        return True

    def _evict(self, key: str) -> None:
        del self._entries[key]
        if key in self._kept:
            self._missed.add(key)
            log.info("Memory does not hold all models of the images in progress: “%s” is evicted for now.", key)


def size_of(value: object) -> int:
    """Bytes of all parameters and buffers of the modules in *value*, itself or directly among its attributes."""
    tensors = {id(one): one for module in modules_in(value) for one in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def modules_in(value: object) -> Iterator[nn.Module]:
    """*value* itself if it is a module, else the modules directly among its attributes."""
    if isinstance(value, nn.Module):
        yield value
    else:
        yield from (item for item in getattr(value, "__dict__", {}).values() if isinstance(item, nn.Module))


MOST = 64
"""Maximum number of remembered kinds; older ones are forgotten."""

P = ParamSpec("P")


class LoadedNets:
    """Kind of work (`DreamRequest.nets`, or `clip_key` of a perceptor) → keys of the models that it used in *cache*."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache
        self._kinds: OrderedDict[str, frozenset[str]] = OrderedDict()

    def note(self, kind: str, keys: Collection[str]) -> None:
        """Work of that *kind* used the models of *keys*."""
        self._kinds[kind] = frozenset(keys)
        self._kinds.move_to_end(kind)
        while len(self._kinds) > MOST:
            self._kinds.popitem(last=False)

    def noting(self, kind: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *work* and note the models that it used under *kind*; returns its result."""
        with self._cache.lease() as lease:
            done = work(*args, **kwargs)
            self.note(kind, lease.keys)
        return done

    @property
    def here(self) -> tuple[str, ...]:
        """Kinds whose models are all loaded, sorted."""
        loaded = self._cache.sizes.keys()
        return tuple(sorted(kind for kind, keys in list(self._kinds.items()) if keys <= loaded))
