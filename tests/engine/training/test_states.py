"""An unusable state is refused before anything of it is used; the message names the remedy."""

import copy
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.errors import WeightsError
from engine.training.loop import Trainer
from engine.training.progress import Reporter
from tests.engine.training.test_loop import RECIPE, run_of
from tests.engine.training.toy import Doubling

WEIGHTS = {"weight": torch.tensor([[1.5]])}
MARKS = {"start", "plan", "finished"}


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
    "a number": (lambda state: 3, "is of another kind"),
    "a step alone": (lambda state: {"step": 3}, "does not hold its seconds"),
    "no average": (lambda state: {key: value for key, value in state.items() if key != "ema"}, "does not hold its ema"),
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
    "the state of another generator": (
        lambda state: {**state, "generator": torch.zeros(3)},
        "does not hold the state of a random generator",
    ),
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


STARTS = [
    ("a" * 64, "", "aaaaaaaaaaaaaaaa….*give those as --start"),
    ("a" * 64, "b" * 64, "other weights"),
    ("", "b" * 64, "leave --start out"),
]


@pytest.mark.parametrize(("began", "begins", "words"), STARTS)
def test_an_unfinished_run_does_not_resume_from_another_start(
    began: str, begins: str, words: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path)
    run.start_from(WEIGHTS, began)
    run.save()
    other = run_of(tmp_path)
    other.start_from(WEIGHTS, begins)
    with pytest.raises(WeightsError, match=f"{words}.*; --anew begins again"):
        other.resume()


def test_an_unfinished_run_resumes_from_the_same_start(tmp_path: Path) -> None:
    first, second = run_of(tmp_path), run_of(tmp_path)
    first.start_from(WEIGHTS, "a" * 64)
    first._timed_step()
    first.save()
    second.start_from(WEIGHTS, "a" * 64)
    assert second.resume()
    assert 1 == second.step


@pytest.mark.parametrize(
    "change", [{"recipe": replace(RECIPE, lr=0.05)}, {"facts": {"painted": 7}}, {"start": "a" * 64}]
)
def test_after_a_finished_run_another_one_begins_anew_and_says_so(change: dict[str, Any], tmp_path: Path) -> None:
    run_of(tmp_path).run()
    other, words = run_of(tmp_path), io.StringIO()
    other.reporter = Reporter("doubling", words)
    for name, value in change.items():
        setattr(other, name, value)
    assert not other.resume()
    assert 0 == other.step
    assert "doubling: the run before this one is finished; this one begins anew\n" == words.getvalue()
    other.run()
    assert 120 == other.step


def test_after_a_finished_run_nothing_is_left_to_do_for_the_same_one(tmp_path: Path) -> None:
    run, again = run_of(tmp_path), run_of(tmp_path)
    run.run()
    assert again.resume()
    assert again.finished
    again.run()
    assert 0 == again.task.batches
    assert run.log[-1] == again.log[-1]
    assert torch.equal(run.task.net.weight, again.task.net.weight)


def test_a_state_that_does_not_say_how_it_began_is_of_an_unfinished_run_from_nothing(tmp_path: Path) -> None:
    run_of(tmp_path).run()
    state = torch.load(tmp_path / "state.pt")
    torch.save({key: value for key, value in state.items() if key not in MARKS}, tmp_path / "state.pt")
    run = run_of(tmp_path, replace(RECIPE, steps=200))
    assert run.resume()
    run.run()
    assert 200 == run.step


def test_what_a_later_version_adds_to_a_state_is_passed_over(tmp_path: Path) -> None:
    run = advanced(tmp_path)
    torch.save({**torch.load(tmp_path / "state.pt"), "weather": "fine"}, tmp_path / "state.pt")
    again = run_of(tmp_path, task=Doubling())
    assert again.resume()
    assert equal(everything(run), everything(again))
