"""The safety check, switched on: covered while it is painted, and afterwards where something was found."""

from __future__ import annotations

import pytest

from tests.wire.looks import dreamt, is_painting, is_result
from tests.wire.people import Person, Shown
from tests.wire.world import World


def shown(message: Shown) -> list[str]:
    """Names of all files that the message has ever shown."""
    return [file["filename"] for state in message.history for file in state["attachments"]]


@pytest.mark.bot(safety={"enabled": True, "margin": -2.0})
async def test_what_is_found_stays_covered_and_so_does_what_is_made_of_it(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "slowly an owl")

    assert len(shown(owl)) > 1
    assert all(name.startswith("SPOILER_") for name in shown(owl))
    assert r"-# Hidden\: the safety check took this for adult content. It can be wrong." in owl.text
    await world.restart_bot()
    enlarged = (await max_.click(owl, "Upscale")).message
    await max_.wait_for(enlarged, is_result)
    assert all(name.startswith("SPOILER_") for name in shown(enlarged))


@pytest.mark.slow
@pytest.mark.bot(safety={"enabled": True, "margin": 2.0})
async def test_what_is_harmless_is_uncovered_when_it_is_finished(max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    await max_.wait_for(answer.message, is_painting)
    assert all(name.startswith("SPOILER_") for name in answer.message.files)

    owl = await max_.wait_for(answer.message, is_result)

    assert not any(name.startswith("SPOILER_") for name in owl.files)
    assert "Covered" not in owl.text
