"""Files that would take long to upload never go with the first answer, for which Discord waits three seconds only."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import pytest
from PIL import Image

from bot.interactions import responder as answers
from tests.wire.looks import dreamt, is_result, job_id
from tests.wire.people import Answer, Person, Shown
from tests.wire.test_history import opened
from tests.wire.world import World

HEAVY = 2 * answers.LIGHT


@pytest.fixture
async def owl(world: World, max_: Person) -> Shown:
    """A picture that is heavy, in the gallery of its owner."""
    owl = await dreamt(max_, "slowly an owl")
    job = await world.services.jobs.find(job_id(owl))
    side = 450
    noise, png = Image.frombytes("RGB", (side, side), random.Random(1).randbytes(3 * side * side)), io.BytesIO()
    noise.save(png, "PNG")
    job.pictures[0].path.write_bytes(png.getvalue())
    return owl


def first_files(world: World) -> list[int]:
    """Bytes of the files that went with each first answer."""
    callbacks = [exchange for exchange in world.site.record.exchanges if exchange.path.endswith("/callback")]
    return [sum(size for _, _, size in exchange.files) for exchange in callbacks]


def heavy(answer: Answer) -> Callable[[], list[Shown]]:
    """The messages of an answer that have heavy files."""
    return lambda: [m for m in answer.messages if sum(map(len, m.files.values())) > HEAVY]


async def test_a_copy_of_ones_data_follows_a_private_thinking(world: World, max_: Person, owl: Shown) -> None:
    answer = await max_.slash("mydata")

    await world.until(heavy(answer), what="the ZIP")
    (message,) = answer.messages
    assert message.ephemeral
    assert message.content.startswith("Your jobs, prompts, settings, votes and ledger, with 1 picture.")
    assert max(first_files(world)) <= answers.LIGHT


async def test_a_large_picture_is_shown_again_and_posted_again(world: World, max_: Person, owl: Shown) -> None:
    again = await max_.click(await opened(max_, channel="gallery"), "dream:history", [job_id(owl)])
    await world.until(heavy(again), what="the private sheet")
    (sheet,) = heavy(again)()

    posted = await max_.click(sheet, "Post here")
    await world.until(heavy(posted), what="the copy")
    (copy,) = posted.messages

    assert (True, False) == (sheet.ephemeral, copy.ephemeral)
    assert is_result(copy)
    assert max(first_files(world)) <= answers.LIGHT
    await max_.submit(await max_.click(copy, "Delete"))
    await world.until(lambda: copy.gone)


async def test_a_film_follows_a_private_thinking(
    world: World, max_: Person, mo: Person, owl: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = await mo.click(owl, "Info")
    monkeypatch.setattr(answers, "LIGHT", 10)

    watched = await mo.click(info.message, "Timelapse")

    await world.until(lambda: any(m.files for m in watched.messages), what="the film")
    (film,) = watched.messages
    assert film.ephemeral
    assert 0 == first_files(world)[-1]
