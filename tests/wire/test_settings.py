"""`/settings`: a person's defaults, a server's rules, and their effect."""

from __future__ import annotations

import pytest

from bot.playground.server.world.entities import Channel, ChannelType, Role
from bot.policy.server_rules import ServerRules
from tests.wire.looks import begun, dreamt, is_over, is_result, whispered
from tests.wire.people import Person
from tests.wire.world import World


async def refusal(person: Person, prompt: str = "an owl", **options: object) -> str:
    """What `/dream` is refused with; nothing may have been queued."""
    before = len(await person.world.jobs_of(person, 100))
    text = whispered(await person.slash("dream", prompt=prompt, **options))
    assert before == len(await person.world.jobs_of(person, 100))
    return text


def dm(person: Person) -> str:
    """The direct message with the bot."""
    return str(person.world.dm(person).id)


# -- one's own --


async def test_what_is_usual_for_me_is_used_where_i_say_nothing_else(world: World, max_: Person) -> None:
    await max_.slash("settings mine", size="320x256", method="pixels")

    usual = await dreamt(max_, "an owl")
    other = await dreamt(max_, "an owl", size="256x256", method="clip_diffusion")

    assert "320×256 · 80 steps · pixels · primer" in usual.text
    assert "256×256 · 15 steps · clip_diffusion" in other.text


async def test_my_usual_profile_is_used_where_it_can_be_and_where_i_name_no_other(world: World, max_: Person) -> None:
    await max_.slash("settings mine", profile="draft")

    draft = await dreamt(max_, "an owl")
    other = await dreamt(max_, "an owl", profile="art", more="steps=12")
    none = await dreamt(max_, "an owl", profile="none")
    pixels = await dreamt(max_, "an owl", method="pixels")

    assert "256×256 · 15 steps" in draft.text
    assert "256×256 · 12 steps" in other.text
    assert "256×256 · 15 steps" in none.text
    assert "80 steps · pixels" in pixels.text
    jobs = await world.jobs_of(max_)
    assert ["padded", "xstart"] == [jobs[2].request.options.cut_kind, jobs[3].request.options.gradient]
    assert "xstart" != jobs[1].request.options.gradient


async def test_the_servers_usual_profile_holds_for_who_has_none_and_outlives_a_restart(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await olive.slash("settings server", profile="fast")
    await mo.slash("settings mine", profile="none")
    await world.restart_bot()

    assert "25 steps" in (await dreamt(max_, "an owl")).text
    assert "15 steps" in (await dreamt(mo, "an owl")).text
    assert "Default model, method, size, profile: fast" in whispered(await max_.slash("settings server"))
    assert "Default model, method, size, profile: no profile" in whispered(await mo.slash("settings mine"))


@pytest.mark.slow
async def test_profiles_are_offered_with_their_cost_and_checked_at_once(max_: Person) -> None:
    await max_.slash("settings mine", size="320x256")

    [art, none] = await max_.autocomplete("dream", "profile", prompt="an owl", profile="ar", count="2")
    assert art["name"].startswith("art · ")
    assert " units, about " in art["name"]
    assert ("art", "none") == (art["value"], none["value"])
    [size, *_] = await max_.autocomplete("dream", "size", prompt="an owl", size="256x256", profile="draft")
    assert "256x256 usual · 0.56 units" in size["name"]
    mine = await max_.autocomplete("settings mine", "profile", profile="")
    assert ["draft", "fast", "qcgd", "classic", "art", "cda", "disco", "none", "usual"] == [
        choice["value"] for choice in mine
    ]
    assert ["none", "usual"] == [
        choice["value"] for choice in await max_.autocomplete("settings mine", "profile", method="pixels", profile="")
    ]
    refused = whispered(await max_.slash("settings mine", profile="darft"))
    assert "There is no profile “darft”; did you mean “draft”?" == refused
    assert "The profile “draft” is for clip_diffusion, not pixels: take method=clip_diffusion." == whispered(
        await max_.slash("settings mine", method="pixels", profile="draft")
    )


@pytest.mark.slow
async def test_my_settings_are_shown_put_back_and_outlive_a_restart(world: World, max_: Person) -> None:
    await max_.slash("settings mine", size="320X256", pings=False)
    await world.restart_bot()

    assert "320x256\nPing after a long wait: no\nResults: in the channel where you ask" in whispered(
        await max_.slash("settings mine")
    )
    assert "size, profile: usual\n" in whispered(await max_.slash("settings mine", size="usual"))


@pytest.mark.slow
async def test_a_size_that_nothing_can_paint_is_refused_at_once(max_: Person) -> None:
    answer = await max_.slash("settings mine", model="primer", size="250x300")

    assert "the nearest size is 256×320" in whispered(answer)
    assert "there is no method" in whispered(await max_.slash("settings mine", method="oil")).lower()


@pytest.mark.slow
async def test_without_pings_a_long_wait_ends_quietly(world: World, max_: Person) -> None:
    await max_.slash("settings mine", pings=False)
    answer = await max_.slash("dream", prompt="slowly an owl")
    world.forward(61)
    await max_.wait_for(answer.message, is_result)
    await dreamt(max_, "a fox")

    assert [] == [message for message in max_.sees() if message.raw["mentions"]]


async def test_private_results_go_by_direct_message_and_no_one_else_sees_them(
    world: World, max_: Person, mo: Person
) -> None:
    await max_.slash("settings mine", private=True)

    answer = await max_.slash("dream", prompt="an owl")

    result = await max_.wait_for_message(is_result, channel="dm")
    assert f"Only you can see it: https://discord.com/channels/@me/{world.dm(max_).id}/{result.id}" == whispered(answer)
    assert [] == mo.sees()
    await world.restart_bot()
    again = await max_.click(result, "Again")
    await max_.wait_for(again.message, is_result)


async def test_where_direct_messages_are_closed_private_results_are_refused_before_anything_is_queued(
    world: World, max_: Person
) -> None:
    await max_.slash("settings mine", private=True)
    world.site.world.users[max_.id].takes_dms = False
    world.allow("50007")

    assert "I cannot send you any" in await refusal(max_)


@pytest.mark.slow
async def test_a_private_request_that_is_refused_leaves_nothing_behind(max_: Person) -> None:
    await max_.slash("settings mine", private=True)

    await refusal(max_, size="8x8")
    await refusal(max_, "a naked owl")

    assert [] == max_.sees("dm")


# -- the server's --


async def test_anyone_may_read_the_rules_and_only_managers_may_change_them(max_: Person, mo: Person) -> None:
    assert "Where: everywhere\nWho: everyone" in whispered(await max_.slash("settings server"))
    answer = await max_.slash("settings server", max_steps=5)
    assert "Only people who can manage this server can do this." == whispered(answer)
    assert "max steps: 5." in (await mo.slash("settings server", max_steps=5)).message.content


async def test_a_change_is_announced_and_logged(world: World, olive: Person) -> None:
    answer = await olive.slash("settings server", max_steps=20, mature="never")

    assert f"{olive.mention} changed the server settings: max steps: 20, mature: never." == answer.message.content
    assert not answer.message.ephemeral
    assert [] == answer.message.raw["mentions"]
    assert "changed the settings: max steps: 20, mature: never" in whispered(await olive.slash("admin log"))


@pytest.mark.slow
async def test_the_limits_of_a_server_are_tighter_than_the_hosts(olive: Person, max_: Person) -> None:
    await olive.slash("settings server", max_steps=12, max_size=256, max_count=1)

    assert "15 steps are too many; the limit here is 12." == await refusal(max_)
    assert "320 pixels is too large; the limit here is 256." in await refusal(max_, steps=5, size="320x256")
    assert "up to 1 picture at once here." in await refusal(max_, steps=5, count=2)
    await olive.slash("settings server", max_steps=0, max_size=0, max_count=0)
    await dreamt(max_, "an owl", count=2)


async def test_pictures_are_painted_where_the_server_says(world: World, olive: Person, max_: Person) -> None:
    studio = world.channel("studio")
    await olive.slash("settings server", add_channel=studio.id)

    assert f"This server only allows pictures in <#{studio.id}>." == await refusal(max_, channel="gallery")
    await dreamt(max_, "an owl")
    await dreamt(max_, "an owl", channel="owl studies")
    await olive.slash("settings server", remove_channel=studio.id)
    await dreamt(max_, "an owl", channel="gallery")


@pytest.mark.slow
async def test_two_changes_at_once_lose_neither(world: World, olive: Person) -> None:
    import asyncio

    channels = [world.channel(name).id for name in ("studio", "gallery", "late-night")]
    await asyncio.gather(*(olive.slash("settings server", add_channel=channel) for channel in channels))

    rules = await ServerRules.of(world.services.store, world.channel("studio").guild_id)
    assert set(channels) == set(rules.channels)


@pytest.mark.slow
async def test_painting_may_be_for_a_role(world: World, olive: Person, max_: Person, mo: Person) -> None:
    guild = world.site.world.guilds[world.channel("studio").guild_id or 0]
    role: Role = next(role for role in guild.roles.values() if role.name == "Moderator")
    await olive.slash("settings server", add_role=role.id)

    assert f"Only members with the role <@&{role.id}> can paint in this server." in await refusal(max_)
    await dreamt(mo, "an owl")


async def test_a_rule_that_changes_later_changes_nothing_that_waits(olive: Person, max_: Person) -> None:
    running = await begun(max_, "hang an owl")
    waiting = await max_.slash("dream", prompt="a fox")

    await olive.slash("settings server", max_steps=5, spoilers="always")
    await max_.click(running, "Cancel")

    result = await max_.wait_for(waiting.message, is_result)
    assert not any(name.startswith("SPOILER_") for name in result.files)


# -- what is for adults --


async def test_mature_words_are_painted_in_age_restricted_channels_only(max_: Person) -> None:
    refused = "“naked” is only allowed in 18+ channels."

    assert refused == await refusal(max_, "a nаkеd owl")  # with Cyrillic letters
    assert refused == await refusal(max_, "a naked owl", channel=dm(max_))
    await dreamt(max_, "a naked owl", channel="late-night")
    await dreamt(max_, "an owl", negative="naked people")


@pytest.mark.slow
async def test_a_server_may_have_nothing_of_the_kind(olive: Person, max_: Person) -> None:
    await olive.slash("settings server", mature="never")

    assert "is adult content, which this server does not allow." in await refusal(
        max_, "a naked owl", channel="late-night"
    )


@pytest.mark.slow
async def test_some_things_are_painted_nowhere(max_: Person) -> None:
    refused = "Sexual content with minors is never allowed."

    assert refused == await refusal(max_, "a naked child", channel="late-night")
    assert refused == await refusal(max_, "nude | schoolgirl", channel="late-night")


@pytest.mark.slow
async def test_a_thread_is_as_restricted_as_its_channel(world: World, max_: Person) -> None:
    parent = world.channel("late-night")
    thread = Channel(
        world.site.ids.next(), ChannelType.PUBLIC_THREAD, "night studies", parent.guild_id, parent_id=parent.id
    )
    thread.nsfw, thread.owner_id, thread.created_at = True, max_.id, 0.0
    world.site.world.channels[thread.id] = thread

    await dreamt(max_, "a naked owl", channel="night studies")


async def test_covered_pictures_are_spoilers_from_the_first_snapshot_on(olive: Person, max_: Person) -> None:
    await olive.slash("settings server", spoilers="mature")

    result = await dreamt(max_, "a naked owl", channel="late-night")
    plain = await dreamt(max_, "an owl", channel="late-night")

    shown = [file["filename"] for state in result.history for file in state["attachments"]]
    assert shown
    assert all(name.startswith("SPOILER_") for name in shown)
    assert not any(embed.get("image") for state in result.history for embed in state["embeds"])
    assert not any(name.startswith("SPOILER_") for name in plain.files)
    enlarged = await max_.click(result, "Upscale")
    await max_.wait_for(enlarged.message, is_result)
    assert all(name.startswith("SPOILER_") for name in enlarged.message.files)


@pytest.mark.slow
async def test_what_was_painted_for_adults_cannot_be_posted_elsewhere(max_: Person) -> None:
    await dreamt(max_, "a naked owl", channel="late-night")
    page = (await max_.slash("history")).message
    jobs = await max_.world.jobs_of(max_)
    shown = (await max_.click(page, "dream:history", [jobs[0].id])).messages[-1]

    answer = await max_.click(shown, "Post here")

    assert "is only allowed in 18+ channels" in whispered(answer)


@pytest.mark.bot(quota={"server_units": 1.8})
async def test_a_server_has_an_allowance_for_all_its_members_together(max_: Person, mo: Person) -> None:
    await dreamt(max_, "an owl")

    assert (
        "This costs 0.983 units, and this server has 0.817 of its 1.8 left, shared by all members. "
        "The next day begins at 00:00 UTC"
    ) in await refusal(mo)
    assert "This server: 0.82 of 1.8 units left, shared by all members" in whispered(await mo.slash("quota"))
    assert "This server" not in whispered(await mo.slash("quota", channel=dm(mo)))
    failed = await mo.slash("dream", prompt="a broken owl", steps=10)
    await mo.wait_for(failed.message, is_over)
    await dreamt(mo, "an owl", steps=12)
    await dreamt(mo, "an owl", channel=dm(mo))


async def test_the_cost_and_the_time_are_known_before_anything_is_spent(max_: Person) -> None:
    offered = await max_.autocomplete("dream", "size", prompt="an owl", count=2)

    assert offered[0]["name"].startswith("256x256 usual · 1.97 units, about ")
    await begun(max_, "hang an owl")
    assert "0.98 units" in (await max_.slash("dream", prompt="a fox")).message.text


async def test_a_usual_size_that_the_usual_model_cannot_paint_is_said(olive: Person, max_: Person) -> None:
    """The model's own size is then painted."""
    said = whispered(await max_.slash("settings mine", size="1000x1000"))
    assert "The default size 1000x1000 is not used with this model: " in said
    assert "cannot paint 1000×1000" in said
    assert "is not used" not in whispered(await max_.slash("settings mine", size="256x256"))

    announced = await olive.slash("settings server", size="1000x1000")
    assert "The default size 1000x1000 is not used with this model: " in announced.message.content
