"""The shortest story: a dream is asked for and arrives."""

from __future__ import annotations

from tests.wire.people import Person
from tests.wire.world import World


async def test_a_dream_arrives_in_the_message_that_announced_it(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="a red circle on a blue background")

    done = await max_.wait_for(answer.message, lambda message: "Upscale" in str(message.buttons))

    assert done.pictures
    assert 1 == len(max_.sees("studio"))
