"""A run: the same curve after every kind of interruption, however its batches are computed."""

from __future__ import annotations

import contextlib
import io
import math
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as save_safetensors

from engine.errors import NotFinite, OutOfMemory, WeightsError
from engine.nets.adm import UNetModel
from engine.training.finetune.result import Provenance, install
from engine.training.finetune.run import FineTuner
from engine.training.finetune.samples import Showing
from engine.training.finetune.saves import BEST, newest_state, saved_states, write_best, write_state
from engine.training.progress import Reporter
from tests.engine.training.finetune.tiny import curve, run_until, tiny_album, tiny_net, tiny_run
from tests.torch_server import TorchProcess

STEPS = 6


def weights(run: FineTuner) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.averaged.parameters()])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FineTuner:
    """Six steps without an interruption."""
    run = tiny_run(tmp_path_factory.mktemp("whole"))
    run.run()
    return run


def test_a_killed_run_continues_the_same_curve(whole: FineTuner, tmp_path: Path) -> None:
    """SIGKILL comes after the save of step 3 and in the middle of what follows."""
    here, there = multiprocessing.Pipe(duplex=False)
    child = TorchProcess(target=run_until, args=(tmp_path, 5, there), daemon=True)
    child.start()
    there.close()
    assert "here" == here.recv()
    child.kill()
    child.join()
    again = tiny_run(tmp_path)
    assert again.resume()
    assert 3 == again.step
    again.run()
    assert curve(whole) == curve(again)
    assert torch.equal(weights(whole), weights(again))


def test_a_grid_that_a_kill_prevented_is_painted_after_resuming(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, steps=3, sample_interval=3)
    run.run()  # its `_grid` paints nothing
    again = FineTuner(tiny_net(), tiny_album(), run.options, tmp_path)
    assert again.resume()
    again.run()
    assert ["samples-0000003.png"] == [path.name for path in tmp_path.glob("samples-*")]


def test_a_grid_that_fails_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Showing, net: object) -> None:
        raise OutOfMemory("too large")

    monkeypatch.setattr(Showing, "paint", fails)
    said = io.StringIO()
    options = tiny_run(tmp_path / "options", steps=2, sample_interval=1).options
    run = FineTuner(tiny_net(), tiny_album(), options, tmp_path / "run", reporter=Reporter("train", said))
    run.run()
    assert 2 == run.step
    assert "step 1: no samples: too large" in said.getvalue()


def test_ctrl_c_saves_between_two_steps(whole: FineTuner, tmp_path: Path) -> None:
    run = tiny_run(tmp_path)
    step = run._step

    def pressed() -> tuple[float, float]:
        if run.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step()

    run._step = pressed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run()
    again = tiny_run(tmp_path)
    assert again.resume()
    assert 4 == again.step
    again.run()
    assert torch.equal(weights(whole), weights(again))


def test_microbatches_and_checkpointing_change_nothing(tmp_path: Path) -> None:
    runs = [tiny_run(tmp_path / "a", tiny_net(dropout=0)), tiny_run(tmp_path / "b", tiny_net(dropout=0), microbatch=2)]
    runs.append(tiny_run(tmp_path / "c", tiny_net(dropout=0), use_checkpoint=True))
    for run in runs:
        run._step()
        run._step()
    torch.testing.assert_close(weights(runs[0]), weights(runs[1]), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weights(runs[0]), weights(runs[2]), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("precision", ["use_fp16", "use_bf16"])
def test_half_precision_follows_full_precision(precision: str, tmp_path: Path) -> None:
    full, half = (
        tiny_run(tmp_path / "full", tiny_net(dropout=0)),
        tiny_run(tmp_path / "half", tiny_net(dropout=0), **{precision: True}),
    )
    losses = [[run._step()[0] for _ in range(3)] for run in (full, half)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_an_overflow_halves_the_loss_scale_and_skips_the_step(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, use_fp16=True)
    run.scaler = torch.amp.GradScaler("cpu", 2.0**120)
    before = weights(run).clone()
    run._step()
    assert 2.0**119 == run.scaler.get_scale()
    assert torch.equal(before, weights(run))


def test_gradients_that_stay_infinite_end_the_run(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, steps=100)
    with torch.no_grad():
        run.net.time_embed[0].weight.fill_(float("nan"))
    with pytest.raises(NotFinite, match=r"21 gradients in a row are not finite; use an lr below 0.001"):
        run.run()


def test_every_average_has_its_rate(whole: FineTuner) -> None:
    assert [0.9, 0.2] == [ema.decay for ema in whole.emas]
    assert not torch.equal(weights(whole), torch.cat([p.flatten() for p in whole.emas[1].net.parameters()]))


def test_an_epoch_shows_every_image_once(whole: FineTuner) -> None:
    assert sorted(whole.training.tolist()) == sorted(whole._rows(0, 22).tolist())
    assert {*whole.training.tolist()}.isdisjoint(whole.held_out.tolist())


def test_a_run_with_other_options_is_not_resumed(whole: FineTuner) -> None:
    with pytest.raises(WeightsError, match=r"lr 0.001 \(now 0.01\). Give those again, or begin with --anew"):
        tiny_run(whole.folder, lr=0.01).resume()
    longer = tiny_run(whole.folder, steps=12)
    assert longer.resume()


def test_the_newest_states_and_the_best_weights_are_kept(whole: FineTuner, tmp_path: Path) -> None:
    assert ["state-0000003.pt", "state-0000006.pt"] == [path.name for path in saved_states(whole.folder)]
    assert (whole.folder / "best.safetensors").is_file()
    for step in range(5):
        write_state(tmp_path, step, {"step": step}, 2)
    assert [3, 4] == [int(path.stem.split("-")[1]) for path in saved_states(tmp_path)]


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Writing more than *size* bytes fails, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_keeps_the_last_good_state(tmp_path: Path) -> None:
    (tmp_path / ".state-0000001.pt.1a2b3c4d").write_text("of a killed process")
    write_state(tmp_path, 1, {"step": 1}, 1)
    message = r"the disk is full, or a limit on files is reached\. Free some disk space; state-0000001.pt stays"
    with files_up_to(20_000), pytest.raises(WeightsError, match=message):
        write_state(tmp_path, 2, {"net": torch.zeros(50_000)}, 1)
    assert ["state-0000001.pt"] == [path.name for path in tmp_path.iterdir()]


def test_a_model_that_does_not_fit_on_the_disk_is_said(tmp_path: Path) -> None:
    """Its run has ended, and its states stay."""
    net = tiny_net()
    made = Provenance("mine", "scratch", "", "own", images=1, steps=1, minutes=0.1, options={})
    with files_up_to(20_000), pytest.raises(WeightsError, match=r"The model mine cannot be written .*: File too large"):
        install(net, {"flags": {}}, made, tmp_path)
    assert [] == list((tmp_path / "mine").iterdir())


def test_a_damaged_state_leaves_the_one_before_it(tmp_path: Path) -> None:
    newest = write_state(tmp_path, 1, {"step": 1}, 2)
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"begins again without it\.$"):
        newest_state(tmp_path)

    newest = write_state(tmp_path, 2, {"step": 2}, 2)
    newest.write_bytes(b"")
    write_state(tmp_path, 1, {"step": 1}, 2)
    with pytest.raises(WeightsError, match=r"state-0000002\.pt is cut off .*resumes from .*state-0000001\.pt"):
        newest_state(tmp_path)
    newest.unlink()
    assert {"step": 1} == newest_state(tmp_path)


def test_a_disk_that_is_full_after_the_state_ends_the_run_with_the_same_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is written, the best weights and the log are not."""
    run = tiny_run(tmp_path, save_interval=2)
    monkeypatch.setattr("engine.training.finetune.run.write_state", partial(_then_full, write_state))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(WeightsError, match=r"Free some disk space; state-0000002\.pt stays, and the same command"):
            run.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tiny_run(tmp_path).resume()


def _then_full(write: Callable[..., Path], *args: object) -> Path:
    path = write(*args)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return path


def test_the_log_is_a_table(whole: FineTuner) -> None:
    lines = (whole.folder / "log.csv").read_text().splitlines()
    assert ["step", "loss", "gradient", "lr", "images_per_second", "held_out"] == lines[0].split(",")
    assert STEPS + 2 == len(lines) - 1


@pytest.mark.slow
def test_two_processes_have_the_curve_of_one(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys; from pathlib import Path\n"
        "from engine.training.finetune.ranks import join; from tests.engine.training.finetune.tiny import *\n"
        "ranks = join(4); run = tiny_run(Path(sys.argv[1]), tiny_net(dropout=0)); run.ranks = ranks; run.run()\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    folder = tmp_path / "two"
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    subprocess.run([*torchrun, str(program), str(folder)], check=True, env=environ)
    one, two = tiny_run(tmp_path / "one", tiny_net(dropout=0)), tiny_run(folder, tiny_net(dropout=0))
    one.run()
    assert two.resume()
    assert curve(one) == pytest.approx(curve(two), rel=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_compiled_run_has_the_same_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend traces everything and generates no machine code, which would take minutes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain, compiled = (
        tiny_run(tmp_path / str(choice), tiny_net(dropout=0), steps=3, compile=choice) for choice in (False, True)
    )
    plain.run()
    compiled.run()
    assert curve(plain) == pytest.approx(curve(compiled), rel=1e-3)


def held_out(monkeypatch: pytest.MonkeyPatch, *losses: float) -> list[torch.Tensor]:
    """The saves of the next run get these losses; returns the weights of each result, filled in as it runs."""
    given, results = iter(losses), []

    def score(run: FineTuner) -> float:
        results.append(flat(run))
        return next(given)

    monkeypatch.setattr(FineTuner, "score", score)
    return results


def flat(run: FineTuner) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in run.result().state_dict().values()])


def open_net() -> UNetModel:
    """A tiny net whose adapters get gradients at the first step."""
    net = tiny_net()
    torch.nn.init.normal_(net.out[2].weight, std=0.1)
    return net


@pytest.mark.parametrize("rank", [0, 2])
def test_the_result_is_the_save_with_the_lowest_loss(
    rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = held_out(monkeypatch, 0.5, 0.2, 0.3)
    tiny_run(tmp_path, open_net(), save_interval=2, lora=rank, lr=0.01).run()
    again = tiny_run(tmp_path, open_net(), save_interval=2, lora=rank, lr=0.01)
    assert again.resume()
    assert (4, 4) == (again.best_step, again.take_best())
    assert (flat(again) - results[1]).abs().max() < 1e-3 * (results[2] - results[1]).abs().max()


def test_without_the_weights_of_the_best_save_the_last_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = held_out(monkeypatch, 0.2, 0.3)
    run = tiny_run(tmp_path)
    run.run()
    write_best(tmp_path, 5, run.averaged.state_dict(), {}, {})
    assert 6 == run.take_best(), "they are those of another save"
    for content in (b"cut off", save_safetensors({"a": torch.zeros(1)})):  # the second is a file of another program
        (tmp_path / BEST).write_bytes(content)
        assert 6 == run.take_best()
    (tmp_path / BEST).unlink()
    assert 6 == run.take_best()
    assert torch.equal(results[1], flat(run))


def test_a_loss_that_is_not_finite_is_not_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out(monkeypatch, 0.4, math.nan)
    run = tiny_run(tmp_path)
    run.run()
    assert 3 == run.take_best()


def test_the_best_weights_are_written_before_the_state_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill comes as the state is written; the run that resumes before it writes both again."""
    held_out(monkeypatch, 0.4, 0.3)

    def killed(folder: Path, *_: object) -> Path:
        assert (folder / BEST).is_file()
        raise KeyboardInterrupt

    run = tiny_run(tmp_path, steps=3)
    monkeypatch.setattr("engine.training.finetune.run.write_state", killed)
    with pytest.raises(KeyboardInterrupt):
        run.save()


def test_a_run_begins_with_a_grid_and_does_not_repeat_it(tmp_path: Path) -> None:
    run = FineTuner(tiny_net(), tiny_album(), tiny_run(tmp_path, steps=2, sample_interval=2).options, tmp_path)
    run.run()
    assert ["samples-0000000.png", "samples-0000002.png"] == sorted(path.name for path in tmp_path.glob("samples-*"))
    first = (tmp_path / "samples-0000000.png").stat().st_mtime_ns
    again = FineTuner(tiny_net(), tiny_album(), run.options, tmp_path)
    assert again.resume()
    again.run()
    assert first == (tmp_path / "samples-0000000.png").stat().st_mtime_ns
