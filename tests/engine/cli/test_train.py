"""`primer train`, of a net so small that a run takes a blink: what it says, what it leaves, how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import InvalidRequest
from engine.loaders.checkpoint import read_checkpoint
from engine.primer.tasks import remake
from engine.training.checkpoints import save_tensors
from engine.training.loop import Recipe
from tests.engine.shell import Shell
from tests.engine.training.toy import Doubling

TRAIN = ("primer", "train", "classifier", "--device", "cpu", "--threads", 1)
RECIPE = Recipe(steps=120, batch=8, lr=0.1, warmup=5, decay=0.5, weight_decay=0.0, ema=0.9)


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Doubling]:
    """What is learned in the place of the classifier: its tasks one after the other, then always a new one."""
    monkeypatch.setattr("engine.cli.training.primer.keep_memory", lambda: None)
    monkeypatch.setenv("DREAMBOT_TRAINING", str(tmp_path / "training"))
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(remake, "PRIMER_WEIGHTS", package)
    (package / "classifier.safetensors").write_bytes(b"the one that ships")
    tasks: list[Doubling] = []
    monkeypatch.setitem(remake._TASKS, "classifier", lambda *_: (tasks.pop(0) if tasks else Doubling(), RECIPE))
    return tasks


def test_a_finished_net_is_installed_whole(shell: Shell, tmp_path: Path) -> None:
    installed = tmp_path / "package" / "classifier.safetensors"
    with installed.open("rb") as reader:
        said = shell(*TRAIN, "--install")
        assert b"the one that ships" == reader.read()
    assert (0, str(installed)) == (said.status, said.out.splitlines()[-1])
    assert 2 == pytest.approx(float(read_checkpoint(installed).tensors["weight"]), abs=0.05)
    assert [installed] == list(installed.parent.iterdir())


def test_an_unfinished_net_is_not_installed(shell: Shell, toy: list[Doubling], tmp_path: Path) -> None:
    toy.append(Doubling(pressed_in=40))
    said = shell(*TRAIN, "--install")
    assert 130 == said.status
    assert "Stopped at step 40, and saved; the same command continues." in said.err
    assert b"the one that ships" == (tmp_path / "package" / "classifier.safetensors").read_bytes()
    again = shell(*TRAIN)
    assert (0, "classifier: continuing at step 40") == (again.status, again.out.splitlines()[0])


def test_a_stopped_run_begun_anew_resumes_without_anew(shell: Shell, toy: list[Doubling]) -> None:
    toy.append(Doubling(pressed_in=40))
    assert "the same command without --anew continues" in shell(*TRAIN, "--anew").err


def test_another_start_beside_an_unfinished_run_is_refused_before_anything_is_painted(
    shell: Shell, toy: list[Doubling], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell(*TRAIN)
    weights = (tmp_path / "training" / "classifier" / "weights.safetensors").rename(tmp_path / "start.safetensors")
    toy.append(Doubling(pressed_in=40))
    assert 130 == shell(*TRAIN, "--start", weights).status
    same = weights.rename(tmp_path / "the same.safetensors")

    def paint(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as context:
        context.setitem(remake._TASKS, "classifier", paint)
        said = shell(*TRAIN)
    assert 2 == said.status
    assert "began with other weights" in said.err and "--anew begins again" in said.err
    assert "classifier: continuing at step 40" in shell(*TRAIN, "--start", same).out


def test_a_finished_run_is_followed_by_a_new_one_unless_nothing_would_change(shell: Shell, tmp_path: Path) -> None:
    shell(*TRAIN)
    again, other, anew = shell(*TRAIN, "--install"), shell(*TRAIN, "--pictures", 500), shell(*TRAIN, "--anew")
    assert "classifier: already finished" in again.out
    assert str(tmp_path / "package" / "classifier.safetensors") == again.out.splitlines()[-1]
    assert "this one begins anew" in other.err
    assert [0, 0, 0] == [said.status for said in (again, other, anew)]
    assert "already finished" not in anew.out
    assert "begins anew" not in anew.err


def test_anew_begins_again_beside_a_state_that_is_damaged(shell: Shell, tmp_path: Path) -> None:
    state = tmp_path / "training" / "classifier" / "state.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"not a state")
    refused = shell(*TRAIN)
    assert (2, 1) == (refused.status, len(refused.err.splitlines()))
    assert "is cut off or damaged; --anew begins again without it." in refused.err
    assert 0 == shell(*TRAIN, "--anew").status


def test_installing_an_unfinished_net_from_python_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not finished"):
        remake.install(remake.trainer("classifier"), "classifier")


def test_the_second_gpu_is_not_the_first(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def trainer(name: str, **options: Any) -> None:
        asked.append(options["device"])
        raise InvalidRequest("No more is asked.")

    monkeypatch.setattr("engine.runtime.device.find_device", torch.device)
    monkeypatch.setattr("engine.primer.tasks.remake.trainer", trainer)
    assert 2 == shell("primer", "train", "classifier", "--device", "cuda:1").status
    assert [torch.device("cuda:1")] == asked


def test_the_average_of_runs_holds_their_recipes(shell: Shell, tmp_path: Path) -> None:
    files = [tmp_path / f"{seed}.safetensors" for seed in (1, 2)]
    for seed, file in enumerate(files, 1):
        save_tensors(file, {"weight": torch.tensor([2.0 * seed, 7]), "seen": torch.tensor(3)}, {"a": 1}, {"seed": seed})
    out = tmp_path / "mean.safetensors"
    said = shell("primer", "average", *files, "--out", out)
    assert (0, str(out)) == (said.status, said.out.strip())
    made = read_checkpoint(out)
    assert ([3.0, 7.0], 3, {"a": 1}) == (made.tensors["weight"].tolist(), int(made.tensors["seen"]), made.flags)
    parts = made.recipe["average_of"]
    assert [{"sha256": read_checkpoint(file).sha256, "seed": seed} for seed, file in enumerate(files, 1)] == parts


@pytest.mark.parametrize(("shape", "flags"), [(3, {"a": 1}), (2, {"a": 2})])
def test_only_weights_of_one_net_are_averaged(shell: Shell, tmp_path: Path, shape: int, flags: dict[str, int]) -> None:
    first, second, out = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "out"))
    save_tensors(first, {"weight": torch.ones(2)}, {"a": 1}, {})
    save_tensors(second, {"weight": torch.ones(shape)}, flags, {})
    said = shell("primer", "average", first, second, "--out", out)
    assert 2 == said.status
    assert "“second” and “first” are weights of different nets." in said.err
    assert "An average needs two files or more" in shell("primer", "average", first).err
    assert not out.exists()
