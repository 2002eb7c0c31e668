"""From `/dream` to a picture."""

from __future__ import annotations

import io

from PIL import Image

from tests.wire.looks import dreamt, is_painting, is_result, whispered
from tests.wire.people import Person, upload
from tests.wire.world import World


async def test_a_dream_is_one_message_that_ends_as_a_picture(max_: Person) -> None:
    message = await dreamt(max_, "a fox in fog", seed=7)

    assert [message.id] == [shown.id for shown in max_.sees()]
    assert ["Upscale", "Variation", "Again", "Remix", "Star", "Info", "More like this", "Delete"] == list(
        message.buttons
    )
    assert "**a fox in fog**" in message.text
    assert "seed 7 · 256×256 · 15 steps · clip_diffusion · primer · " in message.text
    assert "CLIP" not in message.text


async def test_the_picture_can_be_watched_while_it_forms(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")

    message = await max_.wait_for(answer.message, is_painting)

    assert ["Cancel"] == list(message.buttons)
    assert [f"{world.services.jobs.registry.running()[0].id}.webp"] == list(message.files)


async def test_every_look_of_the_message_has_at_most_one_picture(max_: Person) -> None:
    message = await dreamt(max_, "slowly an owl")

    pictures = [sum("image" in embed for embed in look["embeds"]) for look in message.history]
    assert {0, 1} == set(pictures)
    assert [] == [look["attachments"] for look in message.history if look["attachments"]]


async def test_the_answer_shows_the_prompt_as_it_was_understood(max_: Person) -> None:
    message = await dreamt(max_, "castle:2 | fog | people:-0.5")

    assert "**castle ×2 · fog · people ×−0.5**" in message.text


async def test_the_answer_shows_when_a_prompt_changes(max_: Person) -> None:
    message = await dreamt(max_, "0: a seed | 40%: a tree:2", negative="fog")

    assert "**fog ×−0.3 · at first: a seed · from 40%: a tree ×2**" in message.text


async def test_words_that_the_small_model_lacks_are_named(max_: Person) -> None:
    message = await dreamt(max_, "a cyberpunk owl")

    assert "I don’t know “cyberpunk”" in message.text


async def test_a_prompt_without_a_known_word_is_answered_to_its_author_at_once(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="a cyberpunk dragn")

    assert answer.message.ephemeral
    assert "I don’t know “cyberpunk” and “dragn”; closest: dragon" in answer.message.text
    assert "`/help words` shows the known words." in answer.message.text
    assert [] == await world.jobs_of(max_)


async def test_several_pictures_come_as_one_grid_with_buttons_for_each(max_: Person) -> None:
    message = await dreamt(max_, "an owl", count=3, seed=1)

    assert ["U1", "U2", "U3", "Again", "V1", "V2", "V3", "Remix"] == list(message.buttons)
    images = [f"Image {number}" for number in (1, 2, 3)]
    rare = ["Vote", "Which is best?", "More like this", "Info", "Delete"]
    assert [*images, *rare] == list(message.options)
    assert "seeds 1–3" in message.text
    assert 256 * 2 < Image.open(io.BytesIO(message.pictures[0])).width < 256 * 2 + 20


async def test_a_mention_in_a_prompt_pings_no_one(max_: Person, olive: Person) -> None:
    message = await dreamt(max_, f"{olive.mention} and @everyone")

    assert ([], False) == (message.raw["mentions"], message.raw["mention_everyone"])


async def test_an_attached_picture_is_what_painting_starts_from(world: World, max_: Person) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(picture, "PNG")

    answer = await max_.slash("dream", prompt="an owl", steps=20, image=upload(picture.getvalue(), "my owl.png"))
    await max_.wait_for(answer.message, is_result)

    [job] = await world.jobs_of(max_)
    assert 64 == len(job.request.images[0])
    assert 10 == job.request.options.skip_steps


async def test_an_attachment_that_is_no_picture_is_refused_in_words(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", image=upload(b"\x89PNG\r\n\x1a\nnot really"))

    assert "The picture is broken or incomplete: it cannot be decoded." == whispered(answer)
    assert [] == await world.jobs_of(max_)


async def test_methods_models_sizes_and_options_are_offered_while_typing(max_: Person) -> None:
    async def offered(option: str, typed: str, **others: str) -> list[str]:
        given = {"prompt": "an owl", **others, option: typed}
        return [choice["value"] for choice in await max_.autocomplete("dream", option, **given)]

    assert ["pixel_art", "pixels"] == sorted(await offered("method", "pix"))
    assert "primer" == (await offered("model", "p"))[0]
    assert "256x256" == (await offered("size", "2"))[0]
    assert ["eta=0.5 tv_scale="] == [value.rstrip("0123456789.") for value in await offered("more", "eta=0.5 tv")]
    assert ["learning_rate="] == [v.rstrip("0123456789.") for v in await offered("more", "lea", method="pixels")]


async def test_an_icon_is_what_painting_starts_from(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", steps=20, icon="owl size=0.5", target_icon="robot")
    await max_.wait_for(answer.message, is_result)

    [job] = await world.jobs_of(max_)
    assert ("icon:owl size=0.5", 10) == (job.request.init_icon, job.request.options.skip_steps)
    assert 2 == len(set(job.request.images))
    assert "owl" in [choice["value"] for choice in await max_.autocomplete("dream", "icon", prompt="a", icon="ow")]


async def test_an_unknown_icon_is_refused_in_words(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="an owl", icon="fa-robott")

    assert "Unknown icon “fa-robott”; similar: " in whispered(answer)
    assert [] == await world.jobs_of(max_)
