"""`primer train`: what it is told reaches the run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.errors import InvalidRequest
from tests.engine.shell import Shell


@pytest.fixture(autouse=True)
def _the_same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.memory.keep_memory", lambda: None)


def test_the_second_gpu_is_not_the_first(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def trainer(name: str, **options: Any) -> None:
        asked.append(options["device"])
        raise InvalidRequest("No more is asked.")

    monkeypatch.setattr("engine.runtime.find_device", torch.device)
    monkeypatch.setattr("engine.primer.remake.trainer", trainer)
    assert 2 == shell("primer", "train", "classifier", "--device", "cuda:1").status
    assert [torch.device("cuda:1")] == asked
