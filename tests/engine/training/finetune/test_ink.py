"""A shortened run from the small model on ink drawings: what it paints afterwards looks like ink to the grader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.evaluation.prompts import Judges, dream
from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint
from engine.runtime.runtime import Runtime
from engine.training.finetune.command import Training
from engine.training.finetune.options import TrainOptions
from engine.weights.store.trained_models import share_custom_models
from tests.engine.training.finetune.workshop import environ

__all__ = ["environ"]

THINGS = ("an owl", "a castle", "a boat by the sea", "a tree", "a cat", "a house", "a fish", "a flower")
"""None of the captions says “ink”."""
PROMPTS = ("an owl", "a castle", "a boat by the sea")
OPTIONS = TrainOptions(steps=60, batch_size=8, lr=4e-4, warmup=10, ema_rate="0.95", save_interval=60, seed=1)


def draw(folder: Path, count: int) -> None:
    """Ink drawings of THINGS with their captions."""
    folder.mkdir()
    for i in range(count):
        caption = THINGS[i % len(THINGS)]
        picture = paint(replace(parse_scene(caption), style="ink"), 64, i)
        Image.fromarray(picture).save(folder / f"{i:03}.png")
        (folder / f"{i:03}.txt").write_text(caption)


def inkiness(runtime: Runtime, judges: Judges, model: str = "", adapter: str = "none") -> torch.Tensor:
    """Cosine of a picture of each prompt with “ink”, [3]."""
    images = list(dream(PROMPTS, runtime, {"steps": "8", "adapter": adapter}, model=model, seed=7))
    return judges.images(images) @ judges.texts(["ink"])[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("options", "least"), [(OPTIONS, 0.1), (replace(OPTIONS, lora=16, lr=1e-2), 0.05)], ids=str)
def test_a_short_run_on_ink_drawings_moves_what_is_painted_towards_ink(
    environ: dict[str, str], tmp_path: Path, options: TrainOptions, least: float
) -> None:
    draw(tmp_path / "ink", 200)
    training = Training(tmp_path / "ink", "mine", "primer", {}, options, tmp_path / "runs")
    training.tuner.run()
    training.finish()
    share_custom_models({}, environ)
    runtime = Runtime.open("cpu")
    judges = Judges(runtime)
    chosen = {"adapter": "mine"} if options.lora else {"model": "mine"}

    gain = inkiness(runtime, judges, **chosen) - inkiness(runtime, judges)

    assert float(gain.mean()) > least, gain
