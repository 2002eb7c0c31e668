"""A state that is no good is refused in words, with the way out, and before anything of it is used."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.errors import WeightsError
from engine.training.loop import Trainer
from tests.engine.training.test_loop import run_of
from tests.engine.training.toy import Doubling


def advanced(folder: Path) -> Trainer:
    """A run two steps on, and saved."""
    run = run_of(folder)
    run._timed_step()
    run._timed_step()
    run.save()
    return run


def everything(run: Trainer) -> dict[str, Any]:
    return copy.deepcopy(
        {
            "net": run.task.net.state_dict(),
            "ema": run.ema.net.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
            "generator": run.generator.get_state(),
            "rest": (run.step, run.seconds, run.log),
        }
    )


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def wider(state: dict[str, Any]) -> object:
    net = nn.Linear(2, 1, bias=False)
    return {**state, "net": net.state_dict(), "ema": net.state_dict()}


def with_momentum_of(shape: tuple[int, ...]) -> Callable[[dict[str, Any]], object]:
    def change(state: dict[str, Any]) -> object:
        state["optimizers"][0]["state"][0]["exp_avg"] = torch.zeros(shape)
        return state

    return change


UNSUITABLE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a number": (lambda state: 3, "is none"),
    "a step alone": (lambda state: {"step": 3}, "says nothing of its seconds"),
    "no average": (lambda state: {key: value for key, value in state.items() if key != "ema"}, "nothing of its ema"),
    "another net": (
        lambda state: {**state, "net": nn.Conv2d(1, 1, 3).state_dict()},
        r"its weight is \[1, 1, 3, 3\] and",
    ),
    "a wider net": (wider, r"its weight is \[1, 2\] and not \[1, 1\]"),
    "a larger net": (lambda state: {**state, "net": nn.Linear(1, 1).state_dict()}, "this one has no bias"),
    "an average of another net": (lambda state: {**state, "ema": {}}, "it has no tensor weight"),
    "a second optimiser": (lambda state: {**state, "optimizers": 2 * state["optimizers"]}, "of another recipe"),
    "an optimiser of nothing": (lambda state: {**state, "optimizers": [{}]}, "of another recipe"),
    "momentum of another shape": (with_momentum_of((3,)), "of another recipe"),
    "lots of another generator": (lambda state: {**state, "generator": torch.zeros(3)}, "no state of a generator"),
}


@pytest.mark.parametrize("name", UNSUITABLE)
def test_an_unsuitable_state_is_refused_before_anything_of_it_is_used(name: str, tmp_path: Path) -> None:
    advanced(tmp_path)
    change, words = UNSUITABLE[name]
    torch.save(change(torch.load(tmp_path / "state.pt")), tmp_path / "state.pt")
    run = run_of(tmp_path)
    before = everything(run)
    with pytest.raises(WeightsError, match=f"state.pt .*{words}.*; --anew begins again"):
        run.resume()
    assert equal(before, everything(run))


@pytest.mark.parametrize("kept", [0, 1, 100, 1000, -1])
def test_a_state_that_was_cut_off_is_refused_without_the_words_of_its_reader(kept: int, tmp_path: Path) -> None:
    advanced(tmp_path)
    path = tmp_path / "state.pt"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError) as refused:
        run_of(tmp_path).resume()
    assert f"The training state {path} is cut off or damaged; --anew begins again without it." == str(refused.value)


def test_a_state_that_may_not_be_read_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "state.pt").mkdir()
    with pytest.raises(WeightsError, match=r"state.pt cannot be read \(.*\); --anew begins again"):
        run_of(tmp_path).resume()


def test_what_a_later_version_adds_to_a_state_is_passed_over(tmp_path: Path) -> None:
    run = advanced(tmp_path)
    torch.save({**torch.load(tmp_path / "state.pt"), "weather": "fine"}, tmp_path / "state.pt")
    again = run_of(tmp_path, task=Doubling())
    assert again.resume()
    assert equal(everything(run), everything(again))
