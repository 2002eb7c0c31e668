"""The number of threads is found by measurement, and dropped when it becomes slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InvalidRequest
from engine.runtime.tuning import AGAIN_SECONDS, Threads
from tests.torch_server import run_python

ROOT = Path(__file__).parents[3]


class Machine:
    """Steps take what *seconds* says for the number of threads in use."""

    def __init__(self, wanted: str = "auto", cores: int = 8, **seconds: float) -> None:
        self.now = 0.0
        self.used: list[int] = []
        self.seconds = {1: seconds.get("one", 1.0), cores: seconds.get("all", 0.2)}
        self.threads = Threads(wanted, cores, apply=self.used.append, clock=lambda: self.now)

    def step(self, kind: str = "lane") -> int:
        with self.threads.step(kind):
            count = self.threads.count
            self.now += self.seconds.get(count, 1.0)
        return count

    def steps(self, number: int) -> list[int]:
        return [self.step() for _ in range(number)]


def test_all_cores_are_kept_where_they_are_faster() -> None:
    assert [1, 1, 1, 8, 8, 8, 8, 8] == Machine(one=1, all=0.2).steps(8)


def test_one_thread_is_kept_where_more_do_not_pay() -> None:
    assert [1, 1, 1, 8, 8, 8, 1, 1] == Machine(one=1, all=0.95).steps(8)


def test_only_steps_of_one_kind_are_compared() -> None:
    machine = Machine(one=1, all=0.2)

    counts = [(machine.step("a"), machine.step("b")) for _ in range(4)]

    assert [(1, 1), (1, 1), (1, 1), (8, 8)] == counts


def test_threads_that_collapse_become_one() -> None:
    machine = Machine(one=1, all=0.2)
    machine.steps(8)
    machine.seconds[8] = 5.0

    assert [8, 8, 1, 1] == machine.steps(4)


def test_one_slow_step_is_an_accident() -> None:
    machine = Machine(one=1, all=0.2)
    machine.steps(8)
    machine.seconds[8] = 5.0
    machine.step()
    machine.seconds[8] = 0.2

    assert [8, 8, 8] == machine.steps(3)


def test_a_verdict_is_looked_at_again_later() -> None:
    machine = Machine(one=1, all=5)
    machine.steps(8)
    machine.now += AGAIN_SECONDS
    machine.seconds[8] = 0.1

    assert 8 == machine.steps(10)[-1]


@pytest.mark.parametrize(("wanted", "cores", "used"), [("3", 8, [3]), ("auto", 1, [1])])
def test_a_number_that_was_set_is_kept(wanted: str, cores: int, used: list[int]) -> None:
    machine = Machine(wanted, cores)
    machine.steps(20)

    assert used == machine.used


@pytest.mark.parametrize("nonsense", ["", "many", "0", "-2", "1.5", "²", "1025", "9" * 5000])
def test_nonsense_is_refused_with_the_range(nonsense: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a number of CPU threads: use 1 to 1024, or auto"):
        Machine(nonsense)


def test_what_another_thread_sets_does_not_change_ours() -> None:
    code = """
import threading, torch
from engine.runtime.tuning import use_threads
use_threads(2)
other = threading.Thread(target=use_threads, args=(1,))
other.start(); other.join()
print(torch.get_num_threads())
"""
    done = run_python("-c", code, cwd=ROOT)

    assert (0, "2\n") == (done.returncode, done.stdout), done.stderr


def test_a_replay_gets_as_many_threads_as_the_first_time_and_nothing_is_concluded_from_that() -> None:
    machine = Machine(cores=8, one=1, all=0.2)
    machine.step()

    with machine.threads.step("lane", 4):
        assert 4 == machine.threads.count
        machine.now += 100

    assert [1, 1, 8] == machine.steps(3)


def test_threads_do_not_exceed_the_cores_or_the_chosen_number() -> None:
    for machine in (Machine("auto", cores=8), Machine("2", cores=8)):
        before = machine.threads.count
        with machine.threads.step("lane", 64):
            assert before == machine.threads.count
    with machine.threads.step("lane", 8):
        assert 2 == machine.threads.count
