"""The whole of it once: the bot, discord.py, and the engine that really paints."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.wire.looks import is_enlarged, is_painting, is_result
from tests.wire.people import Person
from tests.wire.world import World

SECONDS = 90.0
"""A busy machine may need that long."""


@pytest.mark.bot(real_engine=True)
async def test_a_real_picture_forms_and_is_enlarged(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")

    answer = await max_.slash("dream", prompt="a red circle on a blue background", seed=7)
    await max_.wait_for(answer.message, is_painting, SECONDS)
    message = await max_.wait_for(answer.message, is_result, SECONDS)

    picture = Image.open(io.BytesIO(message.pictures[0])).convert("RGB")
    red, _, blue = picture.getpixel((128, 128))  # type: ignore[misc]
    assert red > blue
    red, _, blue = picture.getpixel((8, 8))  # type: ignore[misc]
    assert blue > red
    assert "seed 7 · 256×256" in message.text
    answer = await max_.click(message, "Upscale")
    child = await max_.wait_for(answer.message, is_enlarged, SECONDS)
    assert (1024, 1024) == Image.open(io.BytesIO(child.pictures[0])).size


@pytest.mark.bot(real_engine=True)
async def test_a_real_picture_by_another_method(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")

    answer = await max_.slash("dream", prompt="a green square", method="pixels", steps=20, seed=7)

    message = await max_.wait_for(answer.message, is_result, SECONDS)
    assert "20 steps · pixels · primer" in message.text
