"""The real methods in the real worker, with a primer of random weights: nobody's picture depends on who else paints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.messages import Cancel, Job, Submit
from engine.methods import find_method
from engine.methods.clip_diffusion import ClipDiffusion, Sample
from engine.pictures import open_picture
from engine.requests import build_request
from engine.runtime import Runtime
from engine.steps import Step
from tests.engine.tiny import tiny_runtime
from tests.engine.workshop import Workshop

ROUNDING = 1
"""Of 255: what another batch bucket may change."""


def submit(
    shop: Workshop, job: str, method: str = "clip_diffusion", *, seed: int = 7, steps: int = 8, count: int = 1
) -> None:
    request = build_request("a red circle", method=method, size="192x192", seed=seed, steps=steps, count=count)
    shop.handle(Submit(Job(job, 1, "somebody", request), {}))


def pixels(shop: Workshop, job: str, index: int = 0) -> NDArray[np.int_]:
    return np.asarray(open_picture(shop.pictures(job)[index].png), dtype=int)


def steps_of(shop: Workshop, job: str) -> int:
    attempt = shop.worker._roster.find(job)
    return attempt.paintings[0].steps_done if attempt and attempt.paintings else 0


@pytest.fixture(scope="module")
def alone() -> dict[str, NDArray[np.int_]]:
    """The picture of each method that nobody disturbed."""
    shop = Workshop(runtime=tiny_runtime(), find=find_method)
    for method in ("clip_diffusion", "pixels"):
        submit(shop, method, method)
        shop.run(method)
    return {method: pixels(shop, method) for method in ("clip_diffusion", "pixels")}


def test_between_seven_neighbours_that_join_leave_and_are_cancelled(alone: dict[str, NDArray[np.int_]]) -> None:
    shop = Workshop(runtime=tiny_runtime(), find=find_method)
    submit(shop, "early", seed=1, steps=6, count=3)
    shop.run_until(lambda: steps_of(shop, "early") >= 2)
    for method in alone:
        submit(shop, method, method)
    shop.run_until(lambda: steps_of(shop, "clip_diffusion") >= 2)
    submit(shop, "stopped", seed=2, steps=50, count=2)
    shop.run_until(lambda: steps_of(shop, "stopped") >= 1)
    shop.handle(Cancel("stopped", 1))
    submit(shop, "late", seed=3, steps=4, count=2)
    shop.run("clip_diffusion", "pixels", "early", "late")

    for method, picture in alone.items():
        assert np.abs(picture - pixels(shop, method)).max() <= ROUNDING, method


class Narrow(ClipDiffusion):
    """Fits two pictures into memory."""

    def __init__(self) -> None:
        self.refused = 0

    def advance(self, states: list[Sample], runtime: Runtime) -> list[Step]:
        if len(states) > 2:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().advance(states, runtime)


def test_after_a_split_for_want_of_memory(alone: dict[str, NDArray[np.int_]]) -> None:
    narrow = Narrow()
    shop = Workshop(runtime=tiny_runtime(), find=lambda _: narrow)

    submit(shop, "a", seed=5, count=5)
    shop.run("a")

    assert narrow.refused
    assert 5 == len(shop.pictures("a"))
    assert np.abs(alone["clip_diffusion"] - pixels(shop, "a", 2)).max() <= ROUNDING


def test_in_the_same_bucket_it_is_equal_to_the_bit() -> None:
    pictures = []
    for neighbours in (0, 3):
        shop = Workshop(runtime=tiny_runtime(), find=find_method)
        request = build_request("a red circle", size="192x192", seed=7, steps=6)
        shop.worker.submit(Job("a", 1, "somebody", request), {}, bucket=4)
        if neighbours:
            submit(shop, "b", seed=1, steps=20, count=neighbours)
        shop.run("a")
        pictures.append(pixels(shop, "a"))

    assert (pictures[0] == pictures[1]).all()
