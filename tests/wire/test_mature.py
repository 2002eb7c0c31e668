"""Words for adults, and those that a server does not want, stay where they belong, whatever is made of the picture."""

from __future__ import annotations

import pytest

from tests.wire.looks import dreamt, is_enlarged, is_result, job_id, whispered
from tests.wire.people import Person, Shown
from tests.wire.test_history import opened, shown
from tests.wire.world import World

REFUSED = "“nude” is only allowed in 18+ channels."


async def found_again(person: Person, picture: Shown) -> Shown:
    """A picture of one's own, looked at in the studio."""
    return await shown(person, await opened(person), job_id(picture))


def public(world: World, person: Person) -> list[Shown]:
    return [message for message in person.sees() if not message.ephemeral]


@pytest.mark.parametrize("button", ["Upscale", "Variation", "Again", "Post here"])
async def test_a_picture_for_adults_is_not_carried_out_of_their_channel(
    world: World, max_: Person, button: str
) -> None:
    robot = await dreamt(max_, "a nude robot", channel="late-night")
    again = await found_again(max_, robot)

    answer = await max_.click(again, button)

    assert REFUSED in [message.text for message in answer.messages]
    assert [] == public(world, max_)


async def test_nor_is_its_enlargement(world: World, max_: Person) -> None:
    robot = await dreamt(max_, "a nude robot", channel="late-night")
    larger = (await max_.click(robot, "Upscale")).message
    await max_.wait_for(larger, is_enlarged)
    again = await found_again(max_, larger)

    for button in ("Post here", "Upscale"):
        assert REFUSED in [message.text for message in (await max_.click(again, button)).messages]

    assert [] == public(world, max_)
    there = await shown(max_, await opened(max_, channel="late-night"), job_id(larger))
    await max_.click(there, "Post here")
    await max_.wait_for_message(lambda m: m.id > there.id and is_enlarged(m), channel="late-night")


async def test_new_words_over_the_old_picture_are_refused_and_new_words_alone_are_painted(
    world: World, max_: Person
) -> None:
    robot = await dreamt(max_, "a nude robot", channel="late-night")
    varied = (await max_.click(robot, "Variation")).message
    await max_.wait_for(varied, is_result)

    over = await max_.submit(await max_.click(await found_again(max_, varied), "Remix"), prompt="a robot in a coat")
    assert REFUSED in whispered(over)
    alone = await max_.submit(await max_.click(await found_again(max_, robot), "Remix"), prompt="a robot in a coat")

    await max_.wait_for(alone.message, is_result)


async def test_what_a_server_does_not_want_any_more_is_not_enlarged_either(olive: Person, max_: Person) -> None:
    owl = await dreamt(max_, "a red owl")
    await olive.slash("admin words add", phrase="red owl", reason="a running joke")

    assert "“red owl” is blocked in this server: a running joke." == whispered(await max_.click(owl, "Upscale"))
