"""Models and adapters that `python -m engine train` has made, painted through the bot by the real engine."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.catalogue.models import MODELS
from engine.primer.captions.parsing import parse_scene
from engine.primer.painter.painter import paint
from engine.primer.tasks.remake import load_diffusion
from engine.training.finetune.command import Training
from engine.training.finetune.lora import adapter_tensors, add_adapters
from engine.training.finetune.options import TrainOptions
from engine.training.finetune.result import Provenance, install, install_adapter
from engine.weights.store.custom_models import VARIABLE
from engine.weights.store.trained_models import share_custom_models
from tests.registered import registrations_undone
from tests.wire.looks import is_result
from tests.wire.people import Person
from tests.wire.world import World

SECONDS = 120.0
"""A busy machine may need that long."""


@pytest.fixture(autouse=True)
def _trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model “mine” that paints brighter than the small one, and an adapter “ink” of the small one."""
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv(VARIABLE, "")
    net = load_diffusion()
    root = tmp_path / "weights" / "trained"
    with torch.no_grad():
        net.fine.out[2].bias += 0.4
    flags = {name: value for name, value in asdict(net.flags).items() if name not in ("use_fp16", "use_checkpoint")}
    install(net, {"flags": flags, "base": "primer"}, _made("mine"), root)
    install_ink(root, seed=0)
    with registrations_undone():
        share_custom_models({}, os.environ)
        yield


def install_ink(root: Path, seed: int) -> str:
    """Put the adapter there, another one with every *seed*; returns its hash."""
    net = load_diffusion()
    add_adapters(net, 4)
    torch.manual_seed(seed)
    for name, parameter in net.named_parameters():
        if name.endswith(".b"):
            torch.nn.init.normal_(parameter, std=0.03)
    folder = install_adapter(adapter_tensors(net), _made("ink"), root)
    return str(json.loads((folder / "model.json").read_text())["sha256"])


def _made(name: str) -> Provenance:
    return Provenance(name, "primer", "0" * 64, "As this program.", 5, 2, 0.1, {})


def train(folder: Path, name: str) -> dict[str, Any]:
    """Two steps of a real training, from the small model on six pictures; the table of what it made."""
    lessons = folder / "lessons"
    lessons.mkdir()
    for seed in range(6):
        Image.fromarray(paint(parse_scene("a red owl"), 64, seed)).save(lessons / f"{seed}.png")
        (lessons / f"{seed}.txt").write_text("a red owl")
    options = TrainOptions(steps=2, batch_size=2, lr=3e-3, warmup=0, ema_rate="0", save_interval=2)
    training = Training(lessons, name, "primer", {}, options, folder / "runs")
    training.tuner._grid = lambda ledger: None  # type: ignore[method-assign]
    training.tuner.run()
    table: dict[str, Any] = json.loads((training.finish() / "model.json").read_text())
    return table


async def resolved(world: World, person: Person) -> dict[str, Any]:
    """What the record of the person's newest picture says of its nets."""
    [job, *_] = await world.jobs_of(person)
    found: dict[str, Any] = job.pictures[0].facts["replay"]["resolved"]  # type: ignore[index, call-overload]
    return found


async def painted(person: Person, **options: object) -> tuple[str, NDArray[np.int16]]:
    """The text of the result, and its pixels."""
    answer = await person.slash("dream", prompt="a red dragon on a blue background", seed=7, steps=4, **options)
    message = await person.wait_for(answer.message, is_result, SECONDS)
    return message.text, np.asarray(Image.open(io.BytesIO(message.pictures[0])).convert("RGB")).astype(np.int16)


@pytest.mark.bot(real_engine=True)
async def test_a_trained_model_and_an_adapter_paint_through_the_bot(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")
    assert "mine" in [choice["value"] for choice in await max_.autocomplete("dream", "model", model="mi")]
    assert "ink" in [choice["value"] for choice in await max_.autocomplete("dream", "adapter", adapter="in")]

    _, plain = await painted(max_)
    text, mine = await painted(max_, model="mine")
    assert "mine" in text
    assert mine.mean() > plain.mean() + 10
    text, ink = await painted(max_, adapter="ink:0.8")
    assert np.abs(ink - plain).mean() > 1
    _, again = await painted(max_)
    assert np.array_equal(plain, again), "the model without an adapter is intact"


@pytest.mark.bot(real_engine=True)
async def test_an_adapter_that_does_not_fit_is_refused_in_words(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")
    unknown = await max_.slash("dream", prompt="an owl", adapter="inc")
    assert "Unknown adapter “inc”; did you mean “ink”?" in unknown.message.text
    wrong = await max_.slash("dream", prompt="an owl", model="mine", adapter="ink")
    assert "“ink” is for the model primer, not for mine." in wrong.message.text


@pytest.mark.bot(real_engine=True)
async def test_a_training_that_ends_while_the_bot_runs_is_painted_with(
    world: World, max_: Person, tmp_path: Path
) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")
    _, plain = await painted(max_)
    usual = (await resolved(world, max_))["weights"]

    table = await asyncio.to_thread(train, tmp_path, "fresh")
    await world.until(lambda: "fresh" in MODELS, SECONDS, what="the bot to hear of the model")
    assert "fresh" in [choice["value"] for choice in await max_.autocomplete("dream", "model", model="fre")]
    text, fresh = await painted(max_, model="fresh")
    assert "fresh" in text
    assert table["sha256"] == (await resolved(world, max_))["weights"] != usual
    assert np.abs(fresh - plain).mean() > 1

    _, first = await painted(max_, adapter="ink")
    before = (await resolved(world, max_))["adapters"]
    sha256 = install_ink(tmp_path / "weights" / "trained", seed=1)
    _, second = await painted(max_, adapter="ink")
    assert f"ink:1 {sha256[:16]}" == (await resolved(world, max_))["adapters"] != before
    assert np.abs(second - first).mean() > 1
