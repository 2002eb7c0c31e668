"""Which is best?: anyone may ask, and the answer is private; also after a restart."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.fake_engine import vector
from tests.wire.looks import child_of, dreamt, is_enlarged, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World

BUTTON = "Which is best?"


async def expected(world: World, grid: Shown, person: Person, text: str) -> list[int]:
    """The indices in the order that the fake CLIP would put them."""
    [job] = await world.jobs_of(person)
    pictures = [Image.open(io.BytesIO(p.path.read_bytes())).convert("RGB").tobytes() for p in job.pictures]
    cosines = [float(np.dot(vector(text.encode()), vector(picture))) for picture in pictures]
    return sorted(range(len(pictures)), key=lambda index: -cosines[index])


async def test_a_grid_is_ranked_for_the_one_who_asks_and_the_best_can_be_enlarged(
    world: World, max_: Person, mo: Person
) -> None:
    grid = await dreamt(max_, "an owl", count=3, seed=7)  # some seeds paint two equally good ones
    order = await expected(world, grid, max_, "an owl")

    answer = await mo.click(grid, BUTTON)

    lines = whispered(answer).splitlines()
    assert lines[0].startswith(f"**Image {order[0] + 1} matches the prompt best, ")
    assert [f"{place}. Image {index + 1}" for place, index in enumerate(order, 1)] == [
        line.partition(" ·")[0] for line in lines[1:4]
    ]
    assert "-# Scored by primer-grader, a separate model (max 1)." == lines[4]
    assert [f"U{order[0] + 1}"] == list(answer.message.buttons)

    await mo.click(answer.message, f"U{order[0] + 1}")
    assert is_enlarged(await child_of(mo, grid))


async def test_after_a_restart_the_answer_is_the_same(world: World, max_: Person) -> None:
    grid = await dreamt(max_, "an owl", count=4)
    before = whispered(await max_.click(grid, BUTTON))

    await world.restart_bot()

    assert before == whispered(await max_.click(grid, BUTTON))


async def test_pictures_that_are_gone_are_not_compared(world: World, max_: Person) -> None:
    grid = await dreamt(max_, "an owl", count=2)
    [job] = await world.jobs_of(max_)
    job.pictures[0].path.unlink()

    said = whispered(await max_.click(grid, BUTTON))

    assert "Fewer than two of these pictures are left, so there is nothing to rank." == said


async def test_one_picture_alone_has_nothing_to_be_compared_with(max_: Person) -> None:
    shown = await dreamt(max_, "an owl")
    assert BUTTON not in {*shown.buttons, *shown.options}
