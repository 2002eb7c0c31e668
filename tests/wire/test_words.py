"""Pictures as words: targets, blends, descriptions whose buttons paint, explanations with a chart."""

from __future__ import annotations

import pytest

from bot.playground.server.world.entities import Overwrite
from bot.playground.server.world.permissions import Permission
from engine.images.opening import open_own
from tests.wire.looks import dreamt, is_result, job_id, link, whispered
from tests.wire.people import Answer, Person, Shown, upload
from tests.wire.test_message_commands import held, picture, posted
from tests.wire.test_remix import fields
from tests.wire.world import World


async def said(person: Person, answer: Answer) -> Shown:
    """The private answer, once it is there."""
    message = answer.message
    return await person.wait_for(message, lambda m: not m.thinking and m.ephemeral and m.text)


async def test_a_picture_to_resemble_is_kept_for_again_and_remix(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl", target=upload(picture()), more="target_weight=2")
    [job] = await world.jobs_of(max_)
    assert (job.request.target_image,) == job.request.images
    assert 2 == job.request.options.target_weight

    await world.restart_bot()
    await max_.submit(await max_.click(message, "Remix"), prompt="a fox")
    remix = await max_.wait_for_message(lambda m: m.id > message.id and is_result(m))
    newest = (await world.jobs_of(max_))[0]
    assert (job.request.target_image, 2) == (newest.request.target_image, newest.request.options.target_weight)
    info = whispered(await max_.click(remix, "Info"))
    assert "Add that picture (target:)" in info
    assert "more:target_weight=2" in info


async def test_a_target_and_a_target_icon_exclude_each_other(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", target=upload(picture()), target_icon="owl")
    assert "not both" in whispered(answer)


async def test_a_blend_of_pictures_results_and_words(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl")
    answer = await mo.slash(
        "blend",
        first=upload(picture("red"), "a.png"),
        second=upload(picture("blue"), "b.png"),
        links=link(world, parent),
        prompt="fog:0.5",
        weights="2 1",
        negative="people",
        size="256x192",
        seed=7,
        more="steps=12",
    )
    message = await mo.wait_for(answer.message, is_result)

    [job], [original] = await world.jobs_of(mo), await world.jobs_of(max_)
    prompts = job.request.prompts
    assert ["fog", "", "", "", "people"] == [part.text for part in prompts]
    assert [0.5, 2.0, 1.0, 1.0, -0.3] == [part.weight for part in prompts]
    assert original.pictures[0].sha256 == prompts[3].image
    assert (256, 192, 7, 12) == (job.request.width, job.request.height, job.request.seed, job.request.options.steps)
    assert f"-# Blended from [picture]({link(world, parent)}) by {max_.mention}" in message.text
    assert 2 == len(held(world))

    await world.restart_bot()
    info = whispered(await mo.click(message, "Info"))
    assert "/blend weights:2 1 1 prompt:fog:0.5 negative:people size:256x192 seed:7" in info.replace("\n", " ")
    assert "Add these 3 pictures (first:, …) to `/blend`." in info


async def test_a_blend_of_two_pictures_needs_no_words(world: World, max_: Person) -> None:
    answer = await max_.slash("blend", first=upload(picture("red")), second=upload(picture("blue")))
    message = await max_.wait_for(answer.message, is_result)
    assert "**the picture · the picture**" in message.text
    info = whispered(await max_.click(message, "Info"))
    assert "/blend weights:1 1 size:" in info
    assert "Shell command" not in info

    await max_.submit(await max_.click(message, "Remix"), settings="seed=7")
    await max_.wait_for_message(lambda m: m.id > message.id and is_result(m))
    remix, blend = await world.jobs_of(max_)
    assert blend.request.prompts == remix.request.prompts


WRONG_BLENDS = (
    ({}, "two pictures, or one picture and a prompt"),
    ({"first": upload(picture())}, "two pictures, or one picture and a prompt"),
    ({"first": upload(picture()), "links": "a b c d"}, "4 pictures are the limit"),
    ({"first": upload(picture()), "links": "nonsense"}, "I cannot find a picture “nonsense” that you can see here"),
    ({"first": upload(picture()), "prompt": "owl:"}, "A weight is missing"),
    ({"first": upload(picture()), "prompt": "an owl", "weights": "1 2"}, "2 weights for 1 pictures"),
    ({"first": upload(picture()), "prompt": "an owl", "weights": "much"}, "A weight is a number"),
    ({"first": upload(picture()), "prompt": "an owl:0.5", "weights": "-0.5"}, "add up to zero"),
    ({"first": upload(b"<svg/>", "x.svg"), "prompt": "an owl"}, "image/svg+xml"),
    ({"first": upload(picture()), "prompt": "an owl", "more": "steps=x"}, "steps"),
)


async def test_a_wrong_blend_is_refused_in_a_sentence(world: World, max_: Person) -> None:
    for options, words in WRONG_BLENDS:
        assert words in (await said(max_, await max_.slash("blend", **options))).text
    assert [] == await world.jobs_of(max_)
    assert [] == held(world)


async def test_a_result_of_a_hidden_channel_cannot_be_blended(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(mo, "an owl", channel="gallery")
    await max_.slash("blend", links=f"{job_id(parent)}", prompt="fog")
    assert 1 == len(await world.jobs_of(max_))  # everybody sees the gallery

    hidden = world.channel("gallery")
    guild = world.site.world.guilds[hidden.guild_id or 0]
    hidden.overwrites[guild.id] = Overwrite(guild.id, 0, deny=Permission.VIEW_CHANNEL)
    hidden.overwrites[world.site.world.app.id] = Overwrite(world.site.world.app.id, 1, allow=Permission.VIEW_CHANNEL)
    world.site.channel_changed(hidden)
    answer = await max_.slash("blend", links=f"{job_id(parent)}", prompt="fog")
    text = (await said(max_, answer)).text
    assert "I cannot find a picture" in text and "that you can see here. Give a link to its message" in text


@pytest.mark.parametrize("how", ["attached", "link", "menu of a result", "menu of a message"])
async def test_a_description_has_four_prompts_whose_buttons_paint(
    world: World, max_: Person, mo: Person, how: str
) -> None:
    parent = await dreamt(max_, "an owl")
    match how:
        case "attached":
            answer = await mo.slash("describe", picture=upload(picture()))
        case "link":
            answer = await mo.slash("describe", link=link(world, parent))
        case "menu of a result":
            answer = await mo.use_on(parent, "Describe")
        case _:
            answer = await mo.use_on(posted(world, max_, upload(picture())), "Describe")
    message = await said(mo, answer)
    for name in ("Things:", "Colours:", "Styles:", "Cosines with the picture by primer-grader"):
        assert name in message.text
    buttons = sorted(message.buttons)
    assert buttons and set(buttons) <= {f"Paint {number}" for number in range(1, 5)}

    painted = await mo.click(message, buttons[0])
    await mo.wait_for(painted.message, is_result)
    await world.restart_bot()
    again = await max_.wait_for((await mo.click(message, buttons[-1])).message, is_result)

    prompts = [job.request.prompts[0].text for job in await world.jobs_of(mo)]
    assert prompts[1] == message.buttons[buttons[0]].removeprefix("dream:say:")
    assert prompts[0] in again.text
    assert not again.ephemeral


async def test_one_picture_is_needed(max_: Person) -> None:
    for command in ("describe", "explain"):
        for options in ({}, {"picture": upload(picture()), "link": "x"}):
            answer = await max_.slash(command, **options)
            assert "Attach a picture, or give a link" in (await said(max_, answer)).text


async def test_an_explanation_is_a_chart_with_its_numbers(world: World, max_: Person, mo: Person) -> None:
    parent = await dreamt(max_, "an owl:2 | a fox")
    message = await said(mo, await mo.slash("explain", link=link(world, parent)))
    assert "**1.** an owl · " in message.text
    assert "cosine" in message.text
    chart = open_own(message.files["explanation.png"])
    assert 640 == chart.width

    other = await said(mo, await mo.slash("explain", picture=upload(picture()), texts="a cat | zeitgeist"))
    assert "Not read: zeitgeist" in other.text
    assert chart.height > open_own(other.files["explanation.png"]).height


async def test_the_form_of_explain_begins_with_the_prompt_and_survives_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    parent = await dreamt(max_, "an owl:2 | a fox")
    opened = await mo.use_on(parent, "Explain")
    assert {"prompt": "an owl:2 | a fox"} == fields(opened.modal)
    await world.restart_bot()
    message = await said(mo, await mo.submit(opened))
    assert "**2.** a fox · " in message.text

    attached = await mo.use_on(posted(world, max_, upload(picture())), "Explain")
    await world.until(lambda: held(world), what="the attachment to be held")
    message = await said(mo, await mo.submit(attached, prompt="a cat | a dog"))
    assert "a cat" in message.text
    wrong = await mo.submit(attached, prompt="a cat | dog:")
    assert "A weight is missing" in (await said(mo, wrong)).text


async def test_without_texts_an_attached_picture_asks_for_some(max_: Person) -> None:
    answer = await max_.slash("explain", picture=upload(picture()))
    assert "Say which texts" in (await said(max_, answer)).text


async def test_a_blocked_person_gets_no_description(world: World, max_: Person, olive: Person) -> None:
    await olive.slash("admin block", user=str(max_.id), reason="spam")
    answer = await max_.slash("describe", picture=upload(picture()))
    assert "blocked you" in (await said(max_, answer)).text
