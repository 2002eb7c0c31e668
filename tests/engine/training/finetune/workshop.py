"""Folders of pictures, whole runs on them, and the registry of models as it was before a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.training.finetune.command import Training
from engine.training.finetune.options import TrainOptions
from engine.weights.store.custom_models import VARIABLE
from tests.engine.training.finetune.tiny import FLAGS
from tests.registered import registrations_undone

SMALL = {**FLAGS, "image_size": 16}
USUAL: dict[str, Any] = {"steps": 2, "batch_size": 4, "lr": 1e-3, "save_interval": 1, "warmup": 0, "ema_rate": "0.5"}


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An empty folder of weights; models that are registered are forgotten after the test."""
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "weights"))
    with registrations_undone():
        yield {"DREAMBOT_WEIGHTS": str(tmp_path / "weights"), VARIABLE: ""}


def scene(seed: int, width: int = 40, height: int = 40) -> Image.Image:
    """Coarse random colours, smoothly enlarged."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def painted_folder(folder: Path, *names: str) -> Path:
    """A different picture under each of *names*."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        scene(seed).save(folder / name)
    return folder


def training(folder: Path, runs: Path, *, source: str = "scratch", flags: Any = SMALL, **options: Any) -> Training:
    """The run “mine” on the pictures in *folder*."""
    return Training(folder, "mine", source, flags, TrainOptions(**USUAL | options), runs)
