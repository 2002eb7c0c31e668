"""The whole of it once: the bot, discord.py, and the engine that really paints."""

from __future__ import annotations

import asyncio
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from engine.images.pictures import to_png
from tests.bot.core import count
from tests.wire.looks import is_enlarged, is_painting, is_result
from tests.wire.people import Person, upload
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


@pytest.mark.slow
@pytest.mark.bot(real_engine=True)
async def test_a_real_picture_is_found_by_a_small_mirrored_copy(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")
    painted: dict[str, bytes] = {}
    for words in ("a red circle", "a blue square", "a green triangle"):
        answer = await max_.slash("dream", prompt=words, seed=7)
        painted[words] = (await max_.wait_for(answer.message, is_result, SECONDS)).pictures[0]
    async with asyncio.timeout(SECONDS):
        while await count(world.bot.store, "picture_index", "vector IS NOT NULL") < 3:
            await asyncio.sleep(0.1)
    with Image.open(io.BytesIO(painted["a blue square"])) as picture:
        copy = ImageOps.mirror(picture.convert("RGB").resize((96, 96)))

    page = (await max_.slash("find", picture=upload(to_png(copy)))).message

    assert "**1** · a blue square" in page.text
    async with world.bot.store.database.reading() as session:
        [(perceptor,)] = {tuple(row) for row in await session.all("SELECT perceptor FROM picture_index")}
    assert re.fullmatch("primer-grader [0-9a-f]{64}", perceptor)


def numbered(text: str) -> list[str]:
    """The lines ``**1.** …`` of an answer."""
    return [line for line in text.splitlines() if re.match(r"\*\*\d\.\*\*", line)]


def circle(colour: str) -> bytes:
    image = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(image).ellipse((64, 64, 192, 192), fill=colour)
    return to_png(image)


@pytest.mark.slow
@pytest.mark.bot(real_engine=True)
async def test_a_real_picture_is_described_explained_and_resembled(world: World, max_: Person) -> None:
    await world.until(lambda: world.bot.engine.ready, SECONDS, what="the engine")

    described = (await max_.slash("describe", picture=upload(circle("red")))).message
    await max_.wait_for(described, lambda m: "Colours:" in m.text, SECONDS)
    colours = described.text.partition("Colours: ")[2]
    assert colours.startswith("red ")
    assert all(" red " in line for line in numbered(described.text)), described.text

    texts = "a red circle on white | a blue circle on white"
    explained = (await max_.slash("explain", picture=upload(circle("red")), texts=texts)).message
    await max_.wait_for(explained, lambda m: m.pictures, SECONDS)
    first, second = (float(line.split(" · ")[1].rstrip("%")) for line in numbered(explained.text))
    assert first > 90 > 10 > second

    answer = await max_.slash("blend", first=upload(circle("red")), second=upload(circle("orange")), seed=7)
    message = await max_.wait_for(answer.message, is_result, SECONDS)
    pixels = np.asarray(Image.open(io.BytesIO(message.pictures[0])).convert("RGB")).astype(int)
    coloured = pixels[np.ptp(pixels, axis=2) > 60]
    assert len(coloured) > 0.02 * pixels.shape[0] * pixels.shape[1]
    assert (coloured[:, 0] > coloured[:, 2] + 60).mean() > 0.95, "a colour that is neither red nor orange"
    red, _, blue = pixels.mean((0, 1))
    assert red > blue + 15
