"""Defaults of channels and servers: what applies, what a person overrides, what is always added or skipped."""

from __future__ import annotations

from tests.wire.looks import dreamt, is_result, whispered
from tests.wire.people import Person
from tests.wire.world import World


def bare(text: str) -> str:
    """*text* without the backslashes that escape markup."""
    return text.replace("\\", "")


async def prompts_of(world: World, person: Person) -> list[tuple[str, float]]:
    """Texts and weights of the person's newest job."""
    [job, *_] = await world.jobs_of(person)
    return [(prompt.text, prompt.weight) for prompt in job.request.prompts]


async def test_a_channels_defaults_hold_there_also_in_threads_and_after_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    said = await mo.slash("settings channel", size="3:2", style="ink", negative="blurry", method="clip_diffusion")
    assert "changed the defaults of" in said.message.content
    assert "size: 3:2" in bare(said.message.content)
    await world.restart_bot()

    thread = await dreamt(max_, "an owl", channel="owl studies")
    assert [("an owl, ink sketch", 1.0), ("blurry", -0.3)] == await prompts_of(world, max_)
    assert "style ink (the channel above) · size 3:2 → 384×256 (the channel above)" in bare(thread.text)
    assert "384×256" in thread.text.splitlines()[-1]
    assert "avoided by default in the channel above: “blurry”" in bare(thread.text)
    assert "The channel above: model, method, size, profile: 3:2" in bare(
        whispered(await max_.slash("settings channel", channel="owl studies"))
    ).replace("clip_diffusion · ", "")
    await dreamt(max_, "an owl", channel="gallery")
    assert [("an owl", 1.0)] == await prompts_of(world, max_)


async def test_what_a_person_types_goes_before_a_channels_defaults(world: World, max_: Person, mo: Person) -> None:
    await mo.slash("settings channel", size="320x256", style="ink", negative="blurry", method="pixels")

    shown = await dreamt(max_, "an owl", size="256x256", style="none", negative="none", method="clip_diffusion")

    assert [("an owl", 1.0)] == await prompts_of(world, max_)
    assert "256×256 · 15 steps · clip_diffusion" in shown.text
    await dreamt(max_, "an owl", style="neon", negative="people")
    assert [("an owl, neon", 1.0), ("people", -0.3)] == await prompts_of(world, max_)


async def test_a_channel_inherits_from_its_server_and_mine_go_before_both(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await olive.slash("settings server", size="320x256", negative="fog")
    await mo.slash("settings channel", size="256x320")
    await max_.slash("settings mine", size="320x320")

    assert "256×320" in (await dreamt(mo, "an owl")).text
    assert [("an owl", 1.0), ("fog", -0.3)] == await prompts_of(world, mo)
    assert "320×256" in (await dreamt(mo, "an owl", channel="gallery")).text
    assert "320×320" in (await dreamt(max_, "an owl")).text
    shown = whispered(await max_.slash("settings channel"))
    assert "256x320" in shown
    assert "“fog”" in shown
    await mo.slash("settings channel", size="usual")
    assert "320×256" in (await dreamt(mo, "an owl")).text


async def test_members_read_a_channels_defaults_and_moderators_change_them(max_: Person) -> None:
    assert "Defaults here" in whispered(await max_.slash("settings channel"))
    refused = whispered(await max_.slash("settings channel", size="320x256"))
    assert "Only people who can manage messages here can do this." == refused


async def test_a_default_that_cannot_be_used_is_said_and_skipped(world: World, max_: Person, mo: Person) -> None:
    said = await mo.slash("settings channel", size="1000x1000")
    assert "The default size 1000x1000 is not used with this model" in said.message.content

    answer = await max_.slash("dream", prompt="an owl")
    await max_.wait_for(answer.message, is_result)

    notes = [message.text for message in answer.messages if message.ephemeral]
    assert (
        "The default size “1000x1000” of this channel is not used: The small model cannot paint 1000×1000" in notes[0]
    )
    assert "256×256" in answer.message.text


async def test_the_enforced_negative_is_added_everywhere_once_and_shown(
    world: World, max_: Person, olive: Person
) -> None:
    await olive.slash("settings server", enforced="text | watermark:2")
    enforced = [("text", -0.3), ("watermark", -0.6)]

    shown = await dreamt(max_, "an owl", negative="none")
    assert [("an owl", 1.0), *enforced] == await prompts_of(world, max_)
    assert "always avoided in this server: “text | watermark:2”" in bare(shown.text)
    info = whispered(await max_.click(shown, "Info"))
    assert "always added by this server" in info
    assert "negative:text | watermark:2" in info
    await world.restart_bot()
    again = await max_.click(shown, "Again")
    await max_.wait_for(again.message, is_result)
    assert [("an owl", 1.0), *enforced] == await prompts_of(world, max_)
    await dreamt(max_, "an owl", negative="text | watermark:2")
    assert [("an owl", 1.0), *enforced] == await prompts_of(world, max_)
    compared = await max_.slash("compare", prompt="an owl", first="draft", second="pixels")
    await max_.wait_for(compared.message, is_result, 20)
    [job, *_] = await world.jobs_of(max_)
    assert [[*enforced]] * 2 == [[(p.text, p.weight) for p in way.request.prompts][1:] for way in job.request.ways]
    cancelled = whispered(await max_.slash("dream", prompt="an owl:0.9"))
    assert "always adds the negative prompt" in cancelled


async def test_an_enforced_negative_that_is_no_negative_is_refused(olive: Person) -> None:
    assert "positive weights" in whispered(await olive.slash("settings server", enforced="fog:-1"))
    assert "A weight is missing" in whispered(await olive.slash("settings server", enforced="fog:"))


async def test_shapes_become_the_nearest_size_which_is_said(world: World, max_: Person) -> None:
    for shape, size in (("16:9", "448×256"), ("square", "256×256"), ("portrait", "256×384"), ("100:1", "512×192")):
        shown = await dreamt(max_, "an owl", size=shape)
        assert f"size {shape} → {size}" in bare(shown.text)
        assert f"{size} · 15 steps" in shown.text
    assert "3:2 · 384x256" in (await max_.autocomplete("dream", "size", prompt="an owl", size="3:2"))[0]["name"]
    offered = await max_.autocomplete("dream", "size", prompt="an owl", size="por")
    assert ["portrait"] == [choice["value"] for choice in offered]
    refused = whispered(await max_.slash("dream", prompt="an owl", size="banana"))
    assert "A size looks like 256x256 (width x height), 3:2, or square, portrait" in refused


async def test_the_quotas_day_follows_the_servers_time_zone(world: World, max_: Person, olive: Person) -> None:
    offered = await olive.autocomplete("settings server", "timezone", timezone="berl")
    assert ["Europe/Berlin", "usual"] == [choice["value"] for choice in offered]
    said = await olive.slash("settings server", timezone="europe/berlin")
    assert "the time zone is Europe/Berlin; the first quota day in it begins <t:" in said.message.content
    assert "Time zone: Europe/Berlin" in whispered(await max_.slash("settings server"))
    assert "is not a time zone" in whispered(await olive.slash("settings server", timezone="Atlantis"))


async def test_defaults_of_a_deleted_channel_go_with_it(world: World, mo: Person) -> None:
    gallery = world.channel("gallery").id
    await mo.slash("settings channel", channel="gallery", size="3:2")
    settings = world.bot.store.settings
    assert await settings.all("channel", str(gallery))

    world.delete_channel("gallery")

    async def gone() -> bool:
        return not await settings.all("channel", str(gallery))

    import asyncio

    async with asyncio.timeout(10):
        while not await gone():
            await asyncio.sleep(0.01)
