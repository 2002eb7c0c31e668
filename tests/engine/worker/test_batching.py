"""The real methods in the real worker, with a primer of random weights: no picture depends on its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engine.images.opening import open_own
from engine.methods import Step, find_method
from engine.methods.clip_diffusion import ClipDiffusion, Sample
from engine.protocol.messages import Cancel, Job, Picture, Submit
from engine.protocol.replay_record import (
    ReplayPlan,
    StepConditions,
    StepLog,
    read_record,
    read_replay_plan,
    replay_request,
)
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime
from tests.engine.shell import Shell
from tests.engine.tiny import tiny_runtime
from tests.engine.workshop import Workshop

ROUNDING = 1
"""Of 255: what another batch bucket may change."""


def submit(
    shop: Workshop,
    job: str,
    method: str = "clip_diffusion",
    *,
    seed: int = 7,
    steps: int = 6,
    count: int = 1,
    size: str = "192x192",
) -> None:
    request = build_request("a red circle", method=method, size=size, seed=seed, steps=steps, count=count)
    shop.handle(Submit(Job(job, 1, "somebody", request), {}))


def pixels(shop: Workshop, job: str, index: int = 0) -> NDArray[np.int_]:
    return np.asarray(open_own(shop.pictures(job)[index].png), dtype=int)


def steps_of(shop: Workshop, job: str) -> int:
    attempt = shop.worker._jobs.find(job)
    return attempt.tasks[0].steps_done if attempt and attempt.tasks else 0


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
        shop.worker.submit(Job("a", 1, "somebody", request), {}, ReplayPlan(StepLog.uniform(StepConditions(4))))
        if neighbours:
            submit(shop, "b", seed=1, steps=20, count=neighbours)
        shop.run("a")
        pictures.append(pixels(shop, "a"))

    assert (pictures[0] == pictures[1]).all()


def crowded(shop: Workshop, size: str = "192x192") -> Picture:
    """A picture that is joined by one, then by two more, and is alone again at its end; PNG and all."""
    submit(shop, "watched", steps=9, size=size)
    shop.run_until(lambda: steps_of(shop, "watched") >= 2)
    submit(shop, "short", seed=50, steps=3, size=size)
    shop.run_until(lambda: steps_of(shop, "watched") >= 4)
    submit(shop, "pair", seed=60, steps=3, count=2, size=size)
    shop.run("watched", "short", "pair")
    return shop.pictures("watched")[0]


def test_what_was_painted_while_others_came_and_went_is_painted_again_to_the_bit_alone() -> None:
    first = crowded(Workshop(runtime=tiny_runtime(), find=find_method))
    record = read_record(first.png)
    shop = Workshop(runtime=tiny_runtime(), find=find_method)
    job = Job("again", 1, "somebody", replay_request(record))
    shop.worker.submit(job, {}, read_replay_plan(record["resolved"]))
    shop.run("again")
    again = shop.pictures("again")[0]

    assert 3 <= len(record["resolved"]["course"]), "it was alone, with others, and alone again"
    for key in ("course", "upscaler_course", "upscaler_core"):
        assert record["resolved"][key] == again.facts["replay"]["resolved"][key], key
    assert first.facts["sha256"] == again.facts["sha256"]


def test_a_finish_that_was_shared_is_shared_again() -> None:
    shop = Workshop(runtime=tiny_runtime(), find=find_method)
    submit(shop, "pair", count=3)
    shop.run("pair")
    record = read_record(shop.pictures("pair")[1].png)
    shared = [[3, 1, 0, 1]]
    plan = read_replay_plan({**record["resolved"], "upscaler_course": shared, "upscaler_core": 40})
    alone = Workshop(runtime=tiny_runtime(), find=find_method)
    alone.worker.submit(Job("again", 1, "somebody", replay_request(record)), {}, plan)
    alone.run("again")

    resolved = alone.pictures("again")[0].facts["replay"]["resolved"]
    assert (40, 3) == (resolved["upscaler_core"], resolved["upscaler_course"][0][0])


def test_the_real_small_model_s_picture_among_others_is_equal_when_the_shell_replays_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At this size some pixels differ when its steps are run in batches of any other sizes."""
    monkeypatch.setattr("engine.methods.clip_diffusion.METHOD", ClipDiffusion())
    picture = crowded(Workshop(runtime=Runtime.open("cpu"), find=find_method), "192x320")
    Path("among.png").write_bytes(picture.png)

    said = shell("dream", "--replay", "among.png")

    assert (0, True) == (said.status, "Equal: the same picture, pixel by pixel." in said.err), said.err
