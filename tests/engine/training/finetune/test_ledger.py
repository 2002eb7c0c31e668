"""Where the log goes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from engine.errors import InvalidRequest
from engine.training.finetune.ledger import Ledger

ROWS = [{"step": 1.0, "loss": 2.0}, {"step": 2.0, "held_out": 1.5}]


def without(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package *name* is not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked, *a: None if asked == name else find(asked, *a))


def test_without_tensorboard_the_log_is_a_file_and_the_ledger_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("tensorboard", monkeypatch)
    ledger = Ledger(tmp_path, 0)
    ledger.row(1, {"loss": 2.0})
    ledger.write(ROWS)
    assert f"TensorBoard is not installed (extra “train”); the log is {tmp_path / 'log.csv'}." == ledger.note
    assert ["step,loss,held_out", "1.0,2.0,", "2.0,,1.5"] == (tmp_path / "log.csv").read_text().splitlines()


def test_tensorboard_gets_values_and_grids(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="not installed")
    ledger = Ledger(tmp_path, 0)
    ledger.row(3, {"loss": 2.0})
    ledger.grid(3, Image.new("RGB", (4, 4)))
    ledger.close()
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(3, 2.0)] == [(event.step, event.value) for event in events.Scalars("loss")]
    assert ["samples"] == events.Tags()["images"]


def test_a_wandb_project_without_wandb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without("wandb", monkeypatch)
    with pytest.raises(InvalidRequest, match="needs the package wandb"):
        Ledger(tmp_path, 0, project="art")


def test_wandb_gets_the_project_the_options_and_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Run:
        def log(self, row: dict[str, float], step: int) -> None:
            sent.append((step, row))

        def finish(self) -> None:
            sent.append("finished")

    module = ModuleType("wandb")
    module.init = lambda **given: sent.append(given) or Run()  # type: ignore[attr-defined]
    module.__spec__ = importlib.util.spec_from_loader("wandb", None)
    monkeypatch.setitem(sys.modules, "wandb", module)
    without("tensorboard", monkeypatch)
    ledger = Ledger(tmp_path, 0, project="art", name="mine", config={"lr": 1})
    ledger.row(2, {"loss": 1.0})
    ledger.close()
    given = {"project": "art", "name": "mine", "dir": str(tmp_path), "config": {"lr": 1}}
    assert [given, (2, {"loss": 1.0}), "finished"] == sent
