"""Files as large as the published ones, with random weights: hashed, loaded strictly, and used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.catalogue import registry as table
from engine.catalogue.registry import PUBLISHED, Entry, Kind
from engine.methods import Finished
from engine.runtime.runtime import Runtime
from engine.upscalers import find_upscaler
from engine.weights.store.folder import VARIABLE
from tests.engine.upscalers.published import FULL, tensors
from tests.engine.upscalers.test_published import photo


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("name", FULL)
def test_a_file_of_true_size_enlarges_a_picture(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / PUBLISHED[name].file
    torch.save({"params_ema": tensors(FULL[name])}, file)
    assert PUBLISHED[name].size == pytest.approx(file.stat().st_size, rel=0.03)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = Entry(name, Kind.UPSCALER, name, file.name, "free.", (), digest, file.stat().st_size)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setitem(table._own, name, entry)
    upscaler, runtime = find_upscaler(name), Runtime.open("cpu")

    upscaler.load(None, runtime)
    (step,) = upscaler.advance([upscaler.enlarge("a", 0, photo(24, 20), 4, runtime)], runtime)

    assert isinstance(step, Finished)
    assert (96, 80) == step.image.size
    assert np.asarray(step.image).std() > 1
    assert digest == step.facts["resolved"]["upscaler_weights"]
