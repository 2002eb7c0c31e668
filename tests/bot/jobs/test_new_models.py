"""The engine reports trained models; the bot checks and registers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalogue.models import DEFAULT_MODEL, MODELS
from engine.catalogue.registry import PUBLISHED
from engine.requests.request import known_adapters
from tests.bot.core import Core, running_core
from tests.registered import registrations_undone

FLAGS = {"image_size": 64, "num_channels": 32, "channel_mult": [1, 2], "context_dim": 0, "class_cond": True}
MINE = {"file": "/w/mine.safetensors", "flags": FLAGS, "classes": ["cat", "dog"]}
INK = {"kind": "adapter", "file": "/w/ink.safetensors", "adapts": "primer"}


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    with registrations_undone():
        yield


async def tell(core: Core, **trained: object) -> None:
    """The engine says what was trained; returns when the bot has taken it."""
    texts = {name: table if isinstance(table, str) else json.dumps(table) for name, table in trained.items()}
    assert core.engine.ready is not None
    ready = replace(core.engine.ready, trained=texts)
    core.engine.say(ready)
    await core.until(lambda: core.jobs._engine_loop._last is ready)


async def test_models_adapters_and_classes_come_and_go_as_the_engine_says(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await tell(core, mine=MINE, ink=INK)
        assert ("cat", "dog") == MODELS["mine"].class_names
        assert ["ink"] == [*known_adapters()]
        await tell(core, mine={**MINE, "classes": ["ape"]})
        assert ["ape"] == [*MODELS["mine"].class_names]
        assert [] == [*known_adapters()]
        core.engine.tell_ready()  # an engine that does not say changes nothing
        await core.until(lambda: core.jobs._engine_loop._last is core.engine.ready)
        assert "mine" in MODELS
        await tell(core)
        assert "mine" not in MODELS


async def test_a_broken_engine_cannot_replace_a_model_or_flood_the_bot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = {"primer": MINE, "imagenet-256": MINE, "Not A Name": MINE, "x": "[" * 100_000, "y": "null", "z": "x" * 10**6}
    many = {f"m{number:04}": MINE for number in range(2000)}
    async with running_core(tmp_path) as core:
        for _ in range(2):
            await tell(core, **odd, ok=MINE)
        assert {"ok"} == {*MODELS} - {DEFAULT_MODEL, *PUBLISHED}
        assert not MODELS["primer"].classes and not MODELS["imagenet-256"].class_names
        assert 6 == len(caplog.records)
        await tell(core, **many)
        assert 500 == len({*MODELS} & {*many})
