"""The worker: every attempt ends in exactly one way, and no picture harms another."""

from __future__ import annotations

import hashlib
import io
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from engine.errors import Cancelled
from engine.images.opening import open_own
from engine.images.pictures import read_text
from engine.protocol.messages import Cancel, Command, Drain, Embed, Embeddings, Failure, Picture, Ready, Restart, Result
from engine.protocol.replay_record import read_record, replay_request
from engine.runtime.runtime import DeviceLost, SizeLine
from engine.upscalers import primer
from engine.worker import job_state
from engine.worker.event_loop import Background, Loop
from tests.engine.workshop import TinyMethod, Workshop


def test_a_job_ends_in_its_pictures_and_then_one_result() -> None:
    shop = Workshop()

    shop.submit("a", count=3)
    shop.run("a")

    own = [e for e in shop.events if isinstance(e, Picture | Result)]
    assert ["Picture"] * 3 + ["Result"] == [type(e).__name__ for e in own]
    assert {0, 1, 2} == set(shop.pictures("a"))
    assert 3 == shop.ends["a"].pictures


def test_a_picture_carries_the_record_that_paints_it_again() -> None:
    shop = Workshop()

    shop.submit("a", seed=40, count=2)
    shop.run("a")
    second = shop.pictures("a")[1]
    again = replay_request(read_record(second.png))

    assert (41, 1) == (again.seed, again.count)
    assert 41 == second.facts["seed"]
    assert second.facts["replay"] == read_record(second.png)
    assert "Seed: 41" in read_text(second.png)["parameters"]


def test_the_sha_in_the_facts_is_that_of_the_pixels() -> None:
    shop = Workshop()

    shop.submit("a")
    shop.run("a")
    picture = shop.pictures("a")[0]

    pixels = Image.open(io.BytesIO(picture.png)).tobytes()
    assert hashlib.sha256(pixels).hexdigest() == picture.facts["sha256"]


def test_a_picture_is_the_same_alone_and_between_neighbours_that_join_and_leave() -> None:
    alone = Workshop()
    alone.submit("a", steps=12)
    alone.run("a")
    crowd = Workshop(TinyMethod(pause=0.01))
    crowd.submit("b", seed=1, steps=5, count=2)
    crowd.run_until_step("b", 2)
    crowd.submit("a", steps=12)
    crowd.run_until_step("a", 3)
    crowd.submit("c", seed=3, steps=20, count=3)
    crowd.run_until_step("a", 6)
    crowd.submit("d", seed=4, steps=20)
    crowd.run("a")

    together = {len(group) for group in crowd.method.groups if any(job == "a" for job, _ in group)}
    assert len(together) >= 3
    assert alone.pictures("a")[0].facts["sha256"] == crowd.pictures("a")[0].facts["sha256"]


def test_a_new_job_joins_a_running_lane_at_any_step() -> None:
    shop = Workshop()

    shop.submit("a", steps=300)  # more than it takes while b is being admitted, on a busy machine too
    shop.run_until_step("a", 10)
    shop.submit("b", steps=5)
    shop.run("b")

    mixed = [group for group in shop.method.groups if len(group) == 2]
    assert 5 == len(mixed)
    assert all(dict(group)["a"] >= 10 for group in mixed)


def test_batches_take_turns() -> None:
    shop = Workshop()

    shop.submit("a", steps=300)  # more than it takes while b is being admitted, on a busy machine too
    shop.run_until_step("a", 1)
    shop.submit("b", "other", steps=10)
    shop.run("b")

    jobs = [group[0][0] for group in shop.method.groups]
    start = jobs.index("b") - 1
    assert ["a", "b"] * 9 == jobs[start : start + 18]


def test_a_cancelled_job_takes_no_further_step() -> None:
    shop = Workshop()

    shop.submit("a", steps=500)
    shop.run_until_step("a", 5)
    steps = len(shop.method.groups)
    shop.handle(Cancel("a", 1))
    shop.submit("b")
    shop.run("b")

    assert Failure("a", 1, "Cancelled", "Cancelled.") == shop.ends["a"]
    assert all(job == "b" for group in shop.method.groups[steps:] for job, _ in group)


def test_a_job_is_cancelled_while_it_is_loading() -> None:
    shop = Workshop()

    shop.submit("a")
    shop.handle(Cancel("a", 1))
    shop.submit("b")
    shop.run("b")

    assert Cancelled.__name__ == shop.ends["a"].error
    assert {"b"} == {job for group in shop.method.groups for job, _ in group}


def test_cancelling_another_attempt_changes_nothing() -> None:
    shop = Workshop()

    shop.submit("a", attempt=2)
    shop.handle(Cancel("a", 1))
    shop.run("a")

    assert isinstance(shop.ends["a"], Result)


def test_a_batch_that_does_not_fit_is_split_and_paints_the_same() -> None:
    roomy, narrow = Workshop(), Workshop(TinyMethod(most=2))

    for shop in (roomy, narrow):
        shop.submit("a", count=5)
        shop.run("a")

    assert [p.facts["sha256"] for _, p in sorted(roomy.pictures("a").items())] == [
        p.facts["sha256"] for _, p in sorted(narrow.pictures("a").items())
    ]
    sizes = [len(group) for group in narrow.method.groups]
    assert 1 == sizes.count(5), "what did not fit once is not tried again"


def test_what_does_not_even_fit_alone_fails_in_words_and_alone() -> None:
    shop = Workshop()

    shop.submit("big", "hungry")
    shop.submit("small")
    shop.run("big", "small")

    assert "OutOfMemory" == shop.ends["big"].error
    assert "memory" in shop.ends["big"].message
    assert isinstance(shop.ends["small"], Result)


def test_nan_takes_one_picture_and_the_result_says_which() -> None:
    shop = Workshop()

    shop.submit("a", "spoiled", count=3)
    shop.run("a")

    assert {0, 2} == set(shop.pictures("a"))
    assert 2 == shop.ends["a"].pictures
    assert ("Picture 2 of 3 failed: The numbers of this picture became infinite.",) == shop.ends["a"].notes


def test_a_job_whose_every_picture_is_nan_fails_with_that_sentence() -> None:
    shop = Workshop()

    shop.submit("a", "nan", count=2)
    shop.run("a")

    assert Failure("a", 1, "NotFinite", "The numbers of this picture became infinite.") == shop.ends["a"]


def test_an_unknown_error_gets_a_number_and_harms_no_other_job(caplog: pytest.LogCaptureFixture) -> None:
    shop = Workshop()

    with caplog.at_level(logging.ERROR):
        shop.submit("a", "boom")
        shop.submit("b")
        shop.run("a", "b")

    assert "DreamError" == shop.ends["a"].error
    number = shop.ends["a"].message.removesuffix(").")[-6:]
    assert f"Something went wrong; it has been logged (id {number})." == shop.ends["a"].message
    assert number in caplog.text
    assert "nobody thought of this" in caplog.text
    assert isinstance(shop.ends["b"], Result)


def test_an_error_while_loading_ends_the_job() -> None:
    shop = Workshop()

    shop.submit("a", "unloadable")
    shop.run("a")

    assert shop.ends["a"].message.startswith("Something went wrong")


@pytest.fixture
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading and encoding end before the next step; a busy machine would start their threads late."""

    def run(background: Background, call: Callable[[], Any], then: Callable[[Any], None]) -> None:
        result = call()
        background._loop.post(lambda: then(result))

    monkeypatch.setattr(Background, "run", run)


@pytest.mark.usefixtures("without_threads")
def test_no_more_pictures_than_slots_are_under_way_and_a_long_job_does_not_shut_out_a_short_one() -> None:
    shop = Workshop(slots=2)

    shop.submit("long", count=8, steps=10)
    shop.run_until_step("long", 2)
    shop.submit("short", steps=10)
    shop.run("short")

    assert 2 == max(len(group) for group in shop.method.groups)
    assert len(shop.pictures("long")) <= 4


def test_what_is_in_the_background_lets_others_pass_between_two_steps_and_does_not_stand_still() -> None:
    shop = Workshop(slots=2)

    shop.submit("behind", count=4, steps=200, background=True)
    shop.run_until_step("behind", 3)
    taken = len(shop.method.groups)
    assert 2 == shop.worker._jobs.free
    shop.submit("front", "other", count=2, steps=40)
    shop.run("front")

    jobs = [group[0][0] for group in shop.method.groups[taken:]]
    together = jobs[jobs.index("front") : len(jobs) - jobs[::-1].index("front")]
    assert (40, 5) == (together.count("front"), together.count("behind"))


def test_a_picture_painted_in_the_background_is_the_same() -> None:
    alone, passed = Workshop(), Workshop()

    alone.submit("a", count=2, steps=20)
    alone.run("a")
    passed.submit("a", count=2, steps=20, background=True)
    passed.run_until_step("a", 3)
    passed.submit("b", steps=20)
    passed.run("a", "b")

    assert alone.pictures("a")[1].facts["sha256"] == passed.pictures("a")[1].facts["sha256"]


def test_ready_tells_how_many_more_pictures_it_takes() -> None:
    shop = Workshop(slots=3)

    shop.run_until(lambda: bool(shop.events))
    shop.submit("a", count=2)
    shop.run("a")
    shop.run_until(lambda: isinstance(shop.events[-1], Ready))

    slots = [e.slots for e in shop.events if isinstance(e, Ready)]
    assert ([3, 1], 3) == (slots[:2], slots[-1])


@pytest.mark.usefixtures("without_threads")
def test_snapshots_are_small_webp_pictures() -> None:
    shop = Workshop(TinyMethod(pause=0.01))

    shop.submit("a", steps=30, count=2)
    shop.run("a")

    snapshots = [data for p in shop.progress("a") for data in p.snapshots.values()]
    assert snapshots
    assert {"WEBP"} == {Image.open(io.BytesIO(data)).format for data in snapshots}
    assert {(256, 256)} == {Image.open(io.BytesIO(data)).size for data in snapshots}


@pytest.mark.usefixtures("without_threads")
def test_the_first_progress_has_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_state, "HEARTBEAT_SECONDS", 60.0)
    shop = Workshop(TinyMethod(pause=0.01))

    shop.submit("a", steps=30, count=2)
    shop.run("a")

    assert {0, 1} == set(shop.progress("a")[0].snapshots)


def test_progress_comes_at_a_bearable_rate() -> None:
    shop = Workshop(TinyMethod(pause=0.005))
    started = time.monotonic()

    shop.submit("a", steps=100)
    shop.run("a")

    assert 1 <= len(shop.progress("a")) <= 2 + (time.monotonic() - started) / 0.3
    assert {100} == {p.steps for p in shop.progress("a")}
    steps = [p.step for p in shop.progress("a")]
    assert sorted(steps) == steps


def test_a_small_picture_is_finished_by_an_upscaler(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(primer, "WEIGHTS", tmp_path / "absent.safetensors")
    shop = Workshop()

    shop.submit("a", "small", size=64)
    shop.run("a")
    picture = shop.pictures("a")[0]

    assert (64, 64) == open_own(picture.png).size
    assert "Upscaled by plain resampling" in picture.facts["notes"][0]
    assert "lanczos" == picture.facts["replay"]["resolved"]["upscaler"]
    assert {"load", "begin", "steps", "finish", "encode"} == set(picture.facts["seconds"])


def test_a_missing_picture_is_said_so() -> None:
    shop = Workshop()

    shop.submit("a", init_image="0" * 64)
    shop.run("a")

    assert Failure("a", 1, "InvalidRequest", shop.ends["a"].message) == shop.ends["a"]
    assert "is missing; attach it" in shop.ends["a"].message


def test_a_picture_under_a_wrong_name_is_refused() -> None:
    shop = Workshop()

    shop.submit("a", init_image="0" * 64, images={"0" * 64: b"something else"})
    shop.run("a")

    assert "does not match its SHA-256" in shop.ends["a"].message


def test_the_same_attempt_twice_is_painted_once() -> None:
    shop = Workshop()

    shop.submit("a")
    shop.submit("a")
    shop.run("a")

    assert 1 == sum(isinstance(e, Result) for e in shop.events)


def test_a_newer_attempt_replaces_the_older_one() -> None:
    shop = Workshop()

    shop.submit("a", attempt=1, steps=500)
    shop.run_until_step("a", 3)
    shop.submit("a", attempt=2)
    shop.run_until(lambda: any(isinstance(e, Result) for e in shop.events))

    ends = [e for e in shop.events if isinstance(e, Result | Failure)]
    assert [(1, Failure), (2, Result)] == [(e.attempt, type(e)) for e in ends]


@pytest.mark.parametrize("command", [Drain(), Restart()])
def test_an_engine_that_drains_or_restarts_finishes_what_runs_and_takes_nothing_more(command: Command) -> None:
    shop = Workshop()

    shop.submit("a", steps=50)
    shop.run_until_step("a", 3)
    shop.handle(command)
    shop.submit("b")
    shop.loop.run(shop.worker)

    assert isinstance(shop.ends["a"], Result)
    assert "EngineRestarting" == shop.ends["b"].error


def test_a_question_that_cannot_be_answered_is_answered_in_words() -> None:
    shop = Workshop()

    shop.handle(Embed("1", ("a",), (b"b",)))
    shop.run_until(lambda: any(isinstance(e, Embeddings) for e in shop.events))

    answer = next(e for e in shop.events if isinstance(e, Embeddings))
    assert ("1", ()) == (answer.id, answer.vectors)
    assert "not both" in answer.error


def test_warming_up_is_quiet_and_gives_way_to_real_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.capabilities._missing", lambda model, method: "")
    shop = Workshop(TinyMethod(pause=0.02))
    shop.worker.warm_up()
    shop.run_until(lambda: len(shop.method.groups) >= 2)
    warm_steps = len(shop.method.groups)

    shop.submit("a")
    shop.run("a")

    assert warm_steps < 8
    assert {"a"} == {job for group in shop.method.groups[warm_steps:] for job, _ in group}
    assert {"a"} == {e.job_id for e in shop.events if not isinstance(e, Ready)}
    assert 8 == next(e.slots for e in shop.events if isinstance(e, Ready))


def test_weights_that_are_installed_meanwhile_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.capabilities._missing", lambda model, method: "no weights")
    monkeypatch.setattr("engine.worker.worker.LOOK_SECONDS", 0.05)
    shop = Workshop()
    shop.run_until(lambda: bool(shop.events))

    monkeypatch.setattr("engine.worker.capabilities._missing", lambda model, method: "")
    shop.run_until(lambda: len(shop.events) == 2)

    before, after = shop.events
    assert ((), True) == (before.models, "primer" in after.models)


def test_an_idle_loop_looks_up_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.event_loop.IDLE_SECONDS", 0.02)
    loop, looks = Loop(), []

    class Idle:
        def step(self) -> bool:
            looks.append(1)
            if len(looks) == 3:
                loop.stop()
            return False

    loop.run(Idle())

    assert [1, 1, 1] == looks


def test_a_lost_device_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Workshop()
    monkeypatch.setattr(shop.worker.runtime.hardware, "alive", lambda: False)

    shop.submit("a", "boom")
    with pytest.raises(DeviceLost):
        shop.run("a")


def test_how_large_a_kind_of_picture_may_be_is_told_as_soon_as_it_is_known() -> None:
    shop = Workshop()
    shop.worker.step()
    kind = "imagenet-512 by net, ViT-B/32"

    shop.worker.runtime.memory.sizes[kind] = SizeLine(10**15, 64 * 64, 1000.0)
    shop.worker.step()

    assert [{}, {kind: 0}] == [event.largest for event in shop.events if isinstance(event, Ready)]
