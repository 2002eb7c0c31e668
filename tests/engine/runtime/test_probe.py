"""What the probe of the doctor says about this machine's devices."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from engine.runtime import probe
from tests.torch_server import run_python

ROOT = Path(__file__).parents[3]


def test_the_processor_computes_and_is_named_last() -> None:
    done = run_python("-m", "engine.runtime.probe", cwd=ROOT)
    found = json.loads(done.stdout.splitlines()[-1])

    assert torch.__version__ == found["torch"]
    assert ("cpu", "", 0) == tuple(found["devices"][-1][key] for key in ("name", "problem", "bytes"))


def test_a_gpu_is_named_with_what_it_can_and_why_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(name="GTX 1070", total_memory=8 * 2**30, major=6, minor=1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75"])
    monkeypatch.setattr(probe, "_problem", lambda device: "no kernel image" if device == "cuda:0" else "")

    gpu, *_, cpu = probe._devices()

    assert ("cuda:0", "GTX 1070", 8 * 2**30, "6.1", ["sm_75"], "no kernel image") == tuple(
        gpu[key] for key in ("name", "title", "bytes", "capability", "served", "problem")
    )
    assert ("cpu", "") == (cpu["name"], cpu["problem"])


def test_why_a_device_does_not_compute_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\n" not in probe._problem("meta") != ""

    monkeypatch.setattr(torch, "ones", lambda *size, **options: torch.full(size, float("nan")))
    assert "it computes NaN" == probe._problem("cpu")
