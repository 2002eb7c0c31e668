"""Kinds of work that the worker can begin without loading weights, for `WorkerState.loaded`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import ParamSpec, TypeVar

from engine.runtime.model_cache import ModelCache

MOST = 64
"""Maximum number of remembered kinds; older ones are forgotten."""

P = ParamSpec("P")
T = TypeVar("T")


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
