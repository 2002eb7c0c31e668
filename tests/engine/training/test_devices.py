"""On another device than the CPU, what a task learns from goes where its net goes."""

import contextlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.nets.primer.small_clip import SmallClip
from engine.primer.tasks.classifier import ClassifierTask
from engine.primer.tasks.clip import ClipTask
from engine.primer.tasks.composer import ComposerTask
from engine.primer.tasks.dataset import Rendered, render, render_pair
from engine.primer.tasks.diffusion import diffusion_task
from engine.primer.tasks.upscaler import Lesson, UpscalerTask
from engine.primer.tasks.vqgan import VqganTask
from engine.runtime.tuning import Threads
from engine.training.loop import Recipe, Trainer
from engine.training.progress import Reporter
from engine.training.sampling import sample
from engine.training.task import Task
from tests.engine.primer.test_tasks import SMALL, full_composer
from tests.engine.training.faraway import GPU, FarAway
from tests.engine.training.toy import Doubling


def guide() -> SmallClip:
    return SmallClip(SMALL).eval().requires_grad_(False)


def diffusion(painted: Rendered, tuning: bool) -> Task:
    tidy = render(8, 6, domain="tidy", workers=1)
    task = diffusion_task(guide(), full_composer(), tidy, [painted], painted, tuning=tuning, reads=True)
    task._looking = 1.0
    return task


def upscaler(painted: Rendered) -> Task:
    clean = torch.from_numpy(painted.images)
    assert painted.large is not None
    taught = Lesson(clean, clean, torch.from_numpy(painted.large))
    huge = np.zeros((2, 1024, 1024, 3), np.uint8)
    return UpscalerTask([taught], replace(painted, images=huge[:, :256, :256], large=huge), painted)


TASKS: dict[str, Callable[[Rendered], Task]] = {
    "classifier": lambda painted: ClassifierTask([painted], {"old": painted}),
    "clip": lambda painted: ClipTask("clip", SMALL, [painted], {"old": painted}, spoilt=True),
    "composer": lambda painted: ComposerTask([painted], painted),
    "diffusion": lambda painted: diffusion(painted, tuning=False),
    "tuned diffusion": lambda painted: diffusion(painted, tuning=True),
    "upscaler": upscaler,
    "vqgan": lambda painted: VqganTask([painted], {"old": painted}, guide().image),
}


@pytest.fixture(scope="module")
def painted() -> Rendered:
    return render_pair(24, 5, 64, 256, workers=1)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_learned_on_a_gpu(name: str, painted: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # it has none
    monkeypatch.setattr("engine.training.diffusion.sample", partial(sample, steps=1))
    monkeypatch.setattr("engine.primer.tasks.composer.empty_composer", lambda: full_composer().requires_grad_())
    task = TASKS[name](painted)
    with FarAway():
        task.to(GPU)
        batch = task.batch(3, torch.Generator().manual_seed(0))
        assert {"cpu"} == {value.device.type for value in batch.values()}
        loss = task.loss({key: value.to(GPU) for key, value in batch.items()})
        loss.backward()
        with torch.no_grad():
            scores = task.scores(task.net.eval())
            task.sheet(task.net)
    assert GPU == loss.device
    assert all(math.isfinite(value) for value in scores.values())


def test_a_run_goes_to_the_very_device_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.loop.bfloat16_pays", lambda device: False)
    asked = []

    class Travelling(Doubling):
        def to(self, device: torch.device) -> None:
            asked.append(device)

    recipe, reporter = Recipe(steps=1, batch=1, lr=0.1), Reporter("doubling", io.StringIO())
    second = torch.device("cuda:1")
    run = Trainer(Travelling(), recipe, tmp_path, device=second, reporter=reporter, threads=Threads("1", 1))
    assert [second] == asked
    assert second == run.device


def test_a_net_that_is_alone_needs_no_words_to_be_moved() -> None:
    task = Doubling()
    task.to(torch.device("meta"))
    assert isinstance(task.net, nn.Linear)
    assert task.net.weight.is_meta
