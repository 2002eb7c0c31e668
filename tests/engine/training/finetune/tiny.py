"""A tiny net, a few images and a run of both."""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.nets.adm import UNetModel, build_adm
from engine.training.finetune.options import TrainOptions
from engine.training.finetune.run import FineTuner, SampleAlbum

FLAGS: dict[str, object] = {
    "image_size": 8,
    "num_channels": 16,
    "channel_mult": (1, 2),
    "num_res_blocks": 1,
    "attention_resolutions": (4,),
    "num_heads": 1,
    "norm_groups": 4,
    "learn_sigma": True,
    "dropout": 0.1,
}


def tiny_net(**flags: object) -> UNetModel:
    """Weights of the head are zero at first, so a step of training gives the rest their gradients."""
    torch.manual_seed(0)
    return build_adm({**FLAGS, **flags})


def tiny_album(count: int = 24) -> SampleAlbum:
    levels = np.linspace(0, 255, count, dtype=np.uint8)
    images = np.zeros((count, 8, 8, 3), np.uint8)
    images[..., 0], images[..., 1] = levels[:, None, None], np.arange(0, 256, 32, dtype=np.uint8)[None, :, None]
    return SampleAlbum(images)


def tiny_run(folder: Path, net: UNetModel | None = None, **options: Any) -> FineTuner:
    usual: dict[str, Any] = {"steps": 6, "batch_size": 4, "lr": 1e-3, "save_interval": 3, "sample_interval": 10_000}
    usual |= {"warmup": 2, "log_interval": 1, "ema_rate": "0.9,0.2", "schedule_sampler": "loss-second-moment"}
    run = FineTuner(net or tiny_net(), tiny_album(), TrainOptions(**usual | options), folder)
    run._grid = lambda ledger: None  # type: ignore[method-assign]
    return run


def curve(run: FineTuner) -> list[float]:
    return [row["loss"] for row in run.log if "loss" in row]


def run_until(folder: Path, step: int, told: Connection) -> None:
    """Run in *folder*; before *step*, tell and wait to be killed."""
    run = tiny_run(folder)
    usual = run._step

    def held() -> tuple[float, float]:
        if run.step == step:
            told.send("here")
            threading.Event().wait()
        return usual()

    run._step = held  # type: ignore[method-assign]
    run.run()
