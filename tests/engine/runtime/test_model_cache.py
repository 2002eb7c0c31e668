"""Models in use stay loaded beyond the budget while memory suffices; unused models never do."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from engine.runtime.model_cache import ModelCache

SIZE = 10


class Weights(nn.Module):
    """A model of so many bytes."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.register_buffer("bytes", torch.zeros(size, dtype=torch.uint8))


def cache_of(budget: int, memory: int = 1000) -> ModelCache:
    return ModelCache(budget, lambda models, step: models + step <= memory)


def load(cache: ModelCache, *keys: str) -> None:
    for key in keys:
        cache.get(key, Weights)


def test_unused_models_are_evicted_the_least_recently_used_first() -> None:
    cache = cache_of(25)
    load(cache, "a", "b")
    load(cache, "a")
    load(cache, "c")
    assert ["a", "c"] == list(cache.sizes)


def test_models_of_images_in_progress_stay_beyond_the_budget_and_are_evicted_with_them() -> None:
    cache = cache_of(25)
    load(cache, "a", "b")
    cache.keep({"a", "b"})
    load(cache, "c")
    load(cache, "d")
    assert {"a", "b"} <= set(cache.sizes)
    assert "c" not in cache.sizes, "it is over the budget and unused"

    cache.keep({"b"})
    load(cache, "c")
    cache.keep({"c"})
    assert ["b", "c"] == list(cache.sizes), "both are within the budget"


def test_models_in_use_are_evicted_if_memory_does_not_hold_them_beside_a_step(caplog: pytest.LogCaptureFixture) -> None:
    cache = cache_of(15, memory=30)
    cache.keep({"a", "b"})
    load(cache, "a", "b")
    with caplog.at_level(logging.INFO, "engine.runtime.model_cache"):
        cache.keep({"a", "b"}, 15, {"a"})
    assert ["a"] == list(cache.sizes), "the next step needs it"
    assert 1 == sum("“b” is evicted for now" in line for line in caplog.messages)


def test_leased_models_are_never_evicted() -> None:
    cache = cache_of(5, memory=5)
    lease = cache.hold({"a", "b", "c"})
    load(cache, "a", "b", "c")
    cache.keep({"a"})
    assert ["a", "b", "c"] == list(cache.sizes)

    cache.end(lease)
    cache.keep(())
    assert ["c"] == list(cache.sizes), "one stays, however large"


def test_expected_bytes_are_freed_before_a_model_is_loaded() -> None:
    cache, seen = cache_of(35, memory=50), []
    load(cache, "a", "b", "c")
    cache.keep({"b"})

    def loading(size: int) -> Weights:
        seen.append(list(cache.sizes))
        return Weights(size)

    cache.get("large", lambda: loading(20), expected=20)
    assert [["b"]] == seen, "it and 20 more are within the budget"
    cache.shed(unused_since=1e12)
    cache.keep(())
    load(cache, "b")
    cache.keep({"b"})
    cache.get("larger", lambda: loading(40), expected=40)
    assert ["b"] == seen[-1], "beyond the budget, but memory holds both"


def test_the_time_of_loading_again_what_was_evicted_in_use_is_counted() -> None:
    cache = cache_of(15, memory=15)
    load(cache, "a")
    cache.keep({"a"})
    with cache.lease() as lease:
        load(cache, "b")
    assert 0 == lease.reload_seconds, "it is new"
    cache.keep({"a", "b"}, 0, {"b"})
    assert "a" not in cache.sizes

    with cache.lease() as lease:
        load(cache, "a")
    assert 0 < lease.reload_seconds

    cache.keep({"a"})
    with cache.lease() as lease:
        load(cache, "b")
    assert 0 == lease.reload_seconds, "no image in progress uses it any more"
