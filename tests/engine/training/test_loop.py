"""A run learns, is interrupted, resumes unchanged, and leaves weights with their recipe."""

import io
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.errors import NotFinite, WeightsError
from engine.loaders.checkpoint import read_checkpoint
from engine.runtime.tuning import Threads
from engine.training.checkpoints import load_state
from engine.training.loop import Recipe, Trainer, learning_rate
from engine.training.progress import Reporter
from engine.training.states import RunState
from engine.training.task import Scores
from tests.engine.training.toy import Doubling

RECIPE = Recipe(steps=120, batch=8, lr=0.1, warmup=5, decay=0.5, weight_decay=0.0, ema=0.9)


def run_of(folder: Path, recipe: Recipe = RECIPE, task: Doubling | None = None) -> Trainer:
    reporter = Reporter("doubling", io.StringIO())
    return Trainer(task or Doubling(), recipe, folder, reporter=reporter, threads=Threads("1", 1))


def weight(run: Trainer) -> float:
    return float(next(run.task.net.parameters()).detach())


def test_a_run_learns_its_task(tmp_path: Path) -> None:
    assert run_of(tmp_path).run()["error"] < 0.05


def test_a_run_that_was_cut_ends_where_a_whole_one_ends(tmp_path: Path) -> None:
    whole = run_of(tmp_path / "whole")
    whole.run()
    first = run_of(tmp_path / "cut")
    for _ in range(50):
        first._timed_step()
    first.save()
    second = run_of(tmp_path / "cut")
    assert second.resume()
    second.run()
    assert weight(whole) == weight(second)
    assert whole.step == second.step == 120


def test_ctrl_c_waits_for_the_end_of_a_step_saves_and_ends_the_run(tmp_path: Path) -> None:
    whole = run_of(tmp_path / "whole")
    whole.run()
    stopped = run_of(tmp_path / "cut", task=Doubling(pressed_in=50))
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = run_of(tmp_path / "cut")
    assert again.resume()
    assert 50 == stopped.step == again.step
    again.run()
    assert weight(whole) == weight(again)


def test_ctrl_c_while_a_net_is_scored_saves_too(tmp_path: Path) -> None:
    class Slow(Doubling):
        def scores(self, net: nn.Module) -> Scores:
            signal.raise_signal(signal.SIGINT)
            return super().scores(net)

    with pytest.raises(KeyboardInterrupt):
        run_of(tmp_path, task=Slow()).run()
    assert 120 == RunState.read(tmp_path / "state.pt").step


def test_a_run_beside_the_main_thread_hears_no_ctrl_c_and_learns(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_of(tmp_path).run).result()["error"] < 0.05


def test_without_a_state_there_is_nothing_to_resume(tmp_path: Path) -> None:
    assert not run_of(tmp_path).resume()


def test_a_run_may_begin_with_finished_weights(tmp_path: Path) -> None:
    run = run_of(tmp_path, replace(RECIPE, steps=1, lr=0.0))
    run.start_from({"weight": torch.tensor([[1.5]], dtype=torch.float16)})
    assert run.run()["error"] == pytest.approx(0.5)


def test_a_net_that_has_grown_begins_with_the_weights_of_the_one_it_was(tmp_path: Path) -> None:
    class Grown(nn.Linear):
        later = ("bias",)

    run = run_of(tmp_path, task=Doubling())
    run.task.net, run.ema.net = Grown(1, 1), Grown(1, 1)
    run.start_from({"weight": torch.tensor([[1.5]])})
    assert [1.5, 1.5] == [float(net.weight.detach()) for net in (run.task.net, run.ema.net)]
    with pytest.raises(WeightsError, match="not those of a doubling"):
        run.start_from({"bias": torch.zeros(1)})


def test_weights_of_another_net_are_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not those of a doubling"):
        run_of(tmp_path).start_from({"bias": torch.zeros(1)})


def test_weights_carry_their_flags_and_their_story(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.run()
    checkpoint = read_checkpoint(tmp_path / "weights.safetensors")
    assert {"factor": 2} == checkpoint.flags
    raw = (tmp_path / "weights.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    story = json.loads(header["__metadata__"]["recipe"])
    assert story["pictures"] == 120 * 8
    assert story["scores"]["error"] < 0.05
    assert checkpoint.tensors["weight"].dtype == torch.float16


def test_a_single_bad_step_is_skipped_and_many_end_the_run(tmp_path: Path) -> None:
    run = run_of(tmp_path, task=Doubling(broken_from=3))
    with pytest.raises(NotFinite, match="doubling"):
        run.run()
    assert torch.isfinite(torch.tensor(weight(run)))


def test_a_run_leaves_a_sheet_and_no_half_written_files(tmp_path: Path) -> None:
    run_of(tmp_path).run()
    assert {"state.pt", "weights.safetensors", "sheet-0000120.png"} == {path.name for path in tmp_path.iterdir()}
    assert load_state(tmp_path / "state.pt")["step"] == 120


def test_minutes_end_a_run_before_its_steps_do(tmp_path: Path) -> None:
    run = run_of(tmp_path, replace(RECIPE, steps=10**9, minutes=0.002))
    run.run()
    assert 0 < run.step < 10**6


def test_the_learning_rate_rises_stays_and_falls_to_nothing() -> None:
    recipe = replace(RECIPE, warmup=10, decay=0.4)
    assert learning_rate(0, 0.0, recipe) == pytest.approx(0.1)
    assert learning_rate(50, 0.3, recipe) == 1
    assert learning_rate(100, 0.8, recipe) == pytest.approx(0.5)
    assert learning_rate(120, 1.0, recipe) == 0


def test_the_average_follows_quickly_at_first(tmp_path: Path) -> None:
    run = run_of(tmp_path, replace(RECIPE, ema=0.9999))
    run.run()
    assert abs(float(next(run.ema.net.parameters())) - 2) < 0.5
