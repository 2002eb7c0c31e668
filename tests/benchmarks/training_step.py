"""One training step with AdamW and an average of the weights: guided-diffusion's own against `engine train`'s.

On a CPU, a net of 64 pixels in float32, and in bfloat16 where the processor multiplies it. On a GPU, a net of LSUN's
size at 256 pixels: the reference in float32 and float16 against float32, bfloat16, and bfloat16 compiled. It has never
run on a GPU.

Needs the reference for comparison only: `pip install --no-deps guided-diffusion-sdk==1.0.0`, which `make bench` does.
"""

from __future__ import annotations

import copy
import importlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.catalogue.registry import PUBLISHED
from engine.nets.adm import build_adm
from engine.training.finetune.options import TrainOptions
from engine.training.finetune.run import FineTuner, SampleAlbum
from engine.training.loop import bfloat16_pays
from tests.benchmarks.measure import Figure, side_by_side

SMALL: dict[str, object] = {
    "image_size": 64,
    "num_channels": 64,
    "num_res_blocks": 1,
    "num_heads": 4,
    "attention_resolutions": "16",
    "learn_sigma": True,
    "noise_schedule": "cosine",
    "rescale_timesteps": False,
}
BATCH, GPU_BATCH, ROUNDS = 4, 8, 20


def run() -> list[Figure]:
    """Seconds of a step, and how many times faster ours is."""
    return _on_gpu() if torch.cuda.is_available() else _on_cpu()


def _on_cpu() -> list[Figure]:
    reference = _reference(SMALL, BATCH, "cpu")
    ways = {"float32": {}, "bfloat16": {"use_bf16": True}} if bfloat16_pays(torch.device("cpu")) else {"float32": {}}
    found = []
    for name, options in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            pair = side_by_side(reference, _ours(SMALL, BATCH, "cpu", Path(folder), **options), rounds=3)
        aim = "≥ 1.5" if name == "float32" else ""
        found += [
            Figure(f"CPU: the reference's training step beside {name}", pair.before, "CPU s"),
            Figure(f"CPU: ours, {name}", pair.after, "CPU s"),
            Figure(f"CPU: speed-up, {name}", pair.ratio, "×", aim),
        ]
    return found


def _on_gpu() -> list[Figure]:
    flags = {**PUBLISHED["bedrooms"].flags, "class_cond": False}
    base = _seconds(_reference(flags, GPU_BATCH, "cuda"))
    found = [Figure("GPU: the reference's training step", base, "s")]
    found.append(Figure("GPU: the reference's, float16", _seconds(_reference(flags, GPU_BATCH, "cuda", True)), "s"))
    for name, options in (
        ("float32", {}),
        ("bfloat16", {"use_bf16": True}),
        ("bfloat16, compiled", {"use_bf16": True, "compile": True}),
    ):
        with tempfile.TemporaryDirectory() as folder:
            mine = _seconds(_ours(flags, GPU_BATCH, "cuda", Path(folder), **options))
        aim = "≥ 3" if name.endswith("compiled") else ""
        found += [Figure(f"GPU: ours, {name}", mine, "s"), Figure(f"GPU: speed-up, {name}", base / mine, "×", aim)]
    return found


def _seconds(step: Callable[[], object]) -> float:
    """The median of ROUNDS steps on the GPU, after three that warm up."""
    times = []
    for turn in range(ROUNDS + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start if turn >= 3 else 0.0)
    return statistics.median(times[3:])


def _ours(flags: dict[str, object], batch: int, device: str, folder: Path, **options: Any) -> Callable[[], object]:
    side = int(str(flags["image_size"]))
    images = np.random.default_rng(0).integers(0, 256, (32, side, side, 3), dtype=np.uint8)
    torch.manual_seed(0)
    wanted = TrainOptions(batch_size=batch, lr=1e-4, clip=0.0, random_flip=False, **options)
    return FineTuner(build_adm(flags), SampleAlbum(images), wanted, folder, device=device)._step


def _reference(flags: dict[str, object], batch: int, device: str, half: bool = False) -> Callable[[], object]:
    """The body of the reference's `TrainLoop.run_step`, without its distributed wrapper."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        script: Any = importlib.import_module("guided_diffusion.script_util")
        half_precision: Any = importlib.import_module("guided_diffusion.fp16_util")
        averages: Any = importlib.import_module("guided_diffusion.nn")
    torch.manual_seed(0)
    net, diffusion = script.create_model_and_diffusion(
        **{**script.model_and_diffusion_defaults(), **flags, "use_fp16": half}
    )
    net.to(device)
    if half:
        net.convert_to_fp16()
    net.train()
    trainer = half_precision.MixedPrecisionTrainer(model=net, use_fp16=half)
    optimizer = torch.optim.AdamW(trainer.master_params, lr=1e-4, weight_decay=0.0)
    average = copy.deepcopy(trainer.master_params)
    side = int(str(flags["image_size"]))
    images = torch.rand(batch, 3, side, side, device=device) * 2 - 1

    def step() -> None:
        trainer.zero_grad()
        timesteps = torch.randint(0, diffusion.num_timesteps, (batch,), device=device)
        trainer.backward(diffusion.training_losses(net, images, timesteps)["loss"].mean())
        trainer.optimize(optimizer)
        averages.update_ema(average, trainer.master_params, rate=0.9999)

    return step
