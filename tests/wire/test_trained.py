"""Models and adapters that `python -m engine train` has made, painted through the bot by the real engine."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.catalogue import models, registry
from engine.primer.tasks.remake import load_diffusion
from engine.training.finetune.lora import adapter_tensors, add_adapters
from engine.training.finetune.result import Provenance, install, install_adapter
from engine.weights.store.custom_models import VARIABLE, share_custom_models
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
    known, own = dict(models._models), dict(registry._own)
    net = load_diffusion()
    root = tmp_path / "weights" / "trained"
    adapters = load_diffusion()
    add_adapters(adapters, 4)
    torch.manual_seed(0)
    for name, parameter in adapters.named_parameters():
        if name.endswith(".b"):
            torch.nn.init.normal_(parameter, std=0.03)
    with torch.no_grad():
        net.fine.out[2].bias += 0.4
    flags = {name: value for name, value in asdict(net.flags).items() if name not in ("use_fp16", "use_checkpoint")}
    install(net, {"flags": flags, "base": "primer"}, _made("mine"), root)
    install_adapter(adapter_tensors(adapters), _made("ink"), root)
    share_custom_models({}, os.environ)
    yield
    models._models.clear()
    models._models.update(known)
    registry._own.clear()
    registry._own.update(own)


def _made(name: str) -> Provenance:
    return Provenance(name, "primer", "0" * 64, "As this program.", 5, 2, 0.1, {})


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
