"""Continuous batching: the same dreams of the small model, each begun when the one before it ends, or joining while
others run. Pictures per CPU second, through the engine's own worker.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from engine.methods import find_method
from engine.protocol.messages import Job, Submit
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime
from tests.benchmarks.measure import Figure, side_by_side
from tests.engine.workshop import Workshop

JOBS, SLOTS = 8, 8
PROMPTS = ("an owl at night", "a red circle on a blue background", "a boat at sunset", "a green tree in a meadow")


def run() -> list[Figure]:
    """Together against one at a time."""
    shop = Workshop(slots=SLOTS, runtime=Runtime.open("cpu"), find=find_method)
    pair = side_by_side(lambda: _one_at_a_time(shop), lambda: _as_they_come(shop), rounds=2)
    return [
        Figure("one at a time", JOBS / pair.before, "pictures per CPU s"),
        Figure("arriving at random", JOBS / pair.after, "pictures per CPU s"),
        Figure("speed-up", pair.ratio, "×", "≥ 1 on a CPU, ≥ 3 on a GPU"),
    ]


def _one_at_a_time(shop: Workshop) -> None:
    for number in range(JOBS):
        _submit(shop, number)
        shop.run()


def _as_they_come(shop: Workshop) -> None:
    """Each job comes a few steps after the one before it."""
    rng = random.Random(0)
    for number in range(JOBS):
        _submit(shop, number)
        for _ in range(rng.randint(1, 4)):
            shop.run_until(_after_one_more_step())
    shop.run()


def _after_one_more_step() -> Callable[[], bool]:
    noise_keys = iter((False, True))
    return lambda: next(noise_keys, True)


def _submit(shop: Workshop, number: int) -> None:
    request = build_request(PROMPTS[number % len(PROMPTS)], seed=number, steps=12)
    shop.handle(Submit(Job(str(number), 1, "bench", request), {}))
