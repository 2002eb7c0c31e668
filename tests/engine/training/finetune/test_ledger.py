"""Where the log goes."""

from __future__ import annotations

import errno
import importlib.util
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
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


class FullBoard:
    """Stands in for TensorBoard's writer on a full disk: every call raises what its thread met."""

    def __getattr__(self, name: str) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["row", "grid", "write", "close"])
def test_a_full_disk_ends_tensorboards_log_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ledger = Ledger(tmp_path, 0)
    ledger._board = FullBoard()

    {
        "row": lambda: ledger.row(1, {"loss": 0.5}),
        "grid": lambda: ledger.grid(1, Image.new("RGB", (8, 8))),
        "write": lambda: ledger.write([{"loss": 0.5}]),
        "close": ledger.close,
    }[call]()

    ledger.write([{"loss": 0.5}, {"loss": 0.25}])
    ledger.close()
    assert 1 == caplog.text.count("TensorBoard's log ends")
    assert ["loss", "0.5", "0.25"] == (tmp_path / "log.csv").read_text().split()


def test_a_wandb_project_without_wandb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without("wandb", monkeypatch)
    with pytest.raises(InvalidRequest, match="needs the package wandb"):
        Ledger(tmp_path, 0, project="art")


def test_wandb_gets_the_project_the_options_every_row_and_every_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real package, which writes what it would send into a file."""
    wandb = pytest.importorskip("wandb", reason="not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("HOME", str(tmp_path))
    without("tensorboard", monkeypatch)
    (tmp_path / "run").mkdir()
    ledger = Ledger(tmp_path / "run", 0, project="art", name="mine", config={"lr": 0.5})
    ledger.row(2, {"loss": 1.25})
    ledger.grid(2, Image.new("RGB", (4, 4)))
    ledger.row(3, {"loss": 1.0})
    ledger.close()
    wandb.teardown()  # ends the process that writes the file

    records = list(offline_records(tmp_path / "run"))
    (run,) = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert ("art", "mine") == (run.project, run.display_name)
    assert (tmp_path / "run" / "wandb-id").read_text() == run.run_id
    assert {"lr": "0.5"} == {item.key: item.value_json for item in run.config.update if item.key == "lr"}
    rows = [values(record.history.item) for record in records if record.WhichOneof("record_type") == "history"]
    assert [(2, 1.25), (3, 1.0)] == [(row["_step"], row["loss"]) for row in rows]
    assert "image-file" == rows[0]["samples"]["_type"]
    assert 1 == len([*(tmp_path / "run").rglob("samples_*.png")])


BLOCK, HEADER = 32_768, 7


def offline_records(folder: Path) -> Iterator[Any]:
    """The records of the only run in *folder*: a log of LevelDB after seven bytes that name the format."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.rglob("run-*.wandb")
    data, place, part = path.read_bytes(), HEADER, b""
    while place < len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        part += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # whole, or the last piece
            yield Record.FromString(part)
            part = b""


def values(items: Iterable[Any]) -> dict[str, Any]:
    """Key → value."""
    found: dict[str, Any] = {}
    for item in items:
        *outer, last = item.nested_key or [item.key]
        place = found
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = json.loads(item.value_json)
    return found
