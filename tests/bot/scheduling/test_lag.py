"""Workers that make progress, but several times slower than measured: who is found, who is not, who recovers."""

from __future__ import annotations

import pytest

from bot.scheduling.worker_pool import FINE, LAG_SECONDS, LAGS, REST_SECONDS, STEPS, LagWatch


def steps(watch: LagWatch, worker: str, longer: float, seconds: float, at: float = 0.0) -> float:
    """Steps of *worker*, one per second; returns the time after them."""
    for second in range(1, int(seconds) + 1):
        watch.step(worker, longer, at + second)
    return at + seconds


def test_a_worker_lags_after_a_while_and_not_at_once() -> None:
    watch = LagWatch()

    at = steps(watch, "one", 4.0, STEPS)
    assert {} == watch.lagging(at)
    assert watch.suspects("one")
    at = steps(watch, "one", 4.0, LAG_SECONDS, at)

    assert {"one": 4.0} == watch.lagging(at)


@pytest.mark.parametrize("longer", [0.5, 1.0, FINE, LAGS - 0.1])
def test_a_worker_of_nearly_its_usual_speed_does_not_lag(longer: float) -> None:
    watch = LagWatch()

    assert {} == watch.lagging(steps(watch, "one", longer, 10 * LAG_SECONDS))


def test_single_long_steps_are_no_lag() -> None:
    watch, at = LagWatch(), 0.0
    for _ in range(20):
        at = steps(watch, "one", 50.0, 2, steps(watch, "one", 1.0, 3, at))

    assert {} == watch.lagging(at)


def test_workers_that_are_all_slow_do_not_lag() -> None:
    watch = LagWatch()
    for second in range(300):
        for worker in ("one", "two", "three"):
            watch.step(worker, 5.0, float(second))

    assert {} == watch.lagging(300.0)


def test_a_worker_recovers_when_its_steps_are_nearly_as_fast_as_before() -> None:
    watch = LagWatch()
    at = steps(watch, "one", 4.0, STEPS + LAG_SECONDS)

    at = steps(watch, "one", (FINE + LAGS) / 2, STEPS, at)
    assert {"one"} == watch.lagging(at).keys()
    at = steps(watch, "one", 1.2, STEPS, at)

    assert {} == watch.lagging(at)
    assert not watch.suspects("one")


def test_a_worker_without_steps_gets_another_chance_and_lags_again_if_it_is_still_slow() -> None:
    watch = LagWatch()
    at = steps(watch, "one", 4.0, STEPS + LAG_SECONDS)

    assert {"one"} == watch.lagging(at + REST_SECONDS - 1).keys()
    assert {} == watch.lagging(at + REST_SECONDS)
    at = steps(watch, "one", 4.0, STEPS + LAG_SECONDS, at + REST_SECONDS)

    assert {"one"} == watch.lagging(at).keys()


def test_a_new_process_is_judged_anew() -> None:
    watch = LagWatch()
    at = steps(watch, "one", 4.0, STEPS + LAG_SECONDS)

    watch.forget("one")

    assert {} == watch.lagging(at)
