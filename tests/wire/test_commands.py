"""`/queue`, `/quota` and Info are answered privately."""

from __future__ import annotations

import re

import pytest

from tests.wire.looks import begun, dreamt, whispered
from tests.wire.people import Person
from tests.wire.world import World


async def test_the_queue_shows_the_order_and_marks_ones_own_jobs(max_: Person, mo: Person) -> None:
    await begun(mo, "hang an owl")
    await mo.slash("dream", prompt="a fox")
    await max_.slash("dream", prompt="castle:2 | fog")

    text = whispered(await max_.slash("queue"))

    assert f"Now: {mo.mention} · hang an owl" in text
    assert re.search(r"\*\*you\*\* · \[?castle ×2 · fog(\]\(https://discord.com/channels/[0-9/]+\))? · ready <t:", text)
    assert f"{mo.mention} · a fox · ready <t:" in text


async def test_the_queue_hides_prompts_of_channels_that_the_reader_cannot_see(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await max_.slash("settings mine", private=True)
    await begun(olive, "hang a naked robot", channel="late-night")
    await max_.slash("dream", prompt="hang my secret flower")
    await mo.slash("dream", prompt="hang an owl")

    for channel in ("studio", str(world.dm(mo).id)):
        text = whispered(await mo.slash("queue", channel=channel))
        lines = [line for line in text.splitlines() if "·" in line]
        assert 2 == sum("someone else · 1 picture" in line for line in lines)
        assert ["hang an owl" in line for line in lines] == ["**you**" in line for line in lines]
        assert not any(hidden in text for hidden in ("robot", "flower", max_.mention, olive.mention))
    assert f"{olive.mention} · hang a naked robot" in whispered(await mo.slash("queue", channel="late-night"))
    assert "**you** · [hang my secret flower](https://discord.com/channels/@me/" in whispered(await max_.slash("queue"))


async def test_an_empty_queue_says_so(max_: Person) -> None:
    assert "The queue\nThe queue is empty. You'd be next." == whispered(await max_.slash("queue"))


@pytest.mark.bot(quota={"units": 10.0})
async def test_the_quota_shows_what_is_left_and_what_it_was_spent_on(max_: Person) -> None:
    await dreamt(max_, "an owl")

    text = whispered(await max_.slash("quota"))

    assert "▰▰▰▰▰▰▰▰▰▱ **9.02** of 10 units left" in text
    assert "More becomes available <t:" in text
    assert "0.98 spent on [an owl](https://discord.com/channels/" in text


@pytest.mark.bot(quota={"units": 0.0})
async def test_without_a_quota_nothing_is_counted(max_: Person) -> None:
    assert "You have no limit." in whispered(await max_.slash("quota"))


async def test_info_has_commands_that_paint_the_same_again(max_: Person, mo: Person) -> None:
    message = await dreamt(max_, "castle:2 | it's foggy", negative="people", seed=7, more="eta=0.5")

    text = whispered(await mo.click(message, "Info"))

    ways = "method:clip_diffusion model:primer profile:none"
    slash = f"/dream prompt:castle:2 | it's foggy negative:people {ways} size:256x256 steps:15 seed:7 more:eta=0.5"
    assert f"```\n{slash}\n```" in text
    assert "--size 256x256 --steps 15 --seed 7 --set eta=0.5\n```" in text
    assert re.search(r"256×256 · seed 7 · \d+ kB · pixel hash `[0-9a-f]{12}`", text)
    assert "0.98 units" in text


async def test_a_line_that_is_too_long_for_info_is_handed_over_whole(max_: Person, mo: Person) -> None:
    message = await dreamt(max_, "an owl: ```" + "o" * 980, seed=7)

    info = (await mo.click(message, "Info")).message

    assert "Discord command: See the file commands.txt." in info.text
    said = info.files["commands.txt"].decode()
    assert "Discord command:\n/dream prompt:an owl\\: ```ooo" in said
    assert "ooo method:clip_diffusion model:primer profile:none size:256x256 steps:15 seed:7\n" in said
    assert "Unstar" in (await mo.click(info, "Star")).message.buttons
    assert said == info.files["commands.txt"].decode()
