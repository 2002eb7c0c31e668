"""The pages of `/help`."""

from __future__ import annotations

import re

from tests.wire.looks import dreamt
from tests.wire.people import Person
from tests.wire.world import World


async def test_words_are_shown_with_pictures_and_pages_turn(max_: Person) -> None:
    page = (await max_.slash("help words", group="food")).message
    assert page.ephemeral
    assert "Words: food, page 1 of " in page.text
    assert "apple" in page.text
    assert ["words.png"] == list(page.files)

    await max_.click(page, "Page 2")
    page = await max_.wait_for(page, lambda shown: "page 2 of" in shown.text)
    assert {"Page 1", "Page 3", "Nature"} <= set(page.buttons)
    assert "apple," not in page.text

    await max_.click(page, "Nature")
    page = await max_.wait_for(page, lambda shown: "Words: nature, page 1" in shown.text)
    assert page.files["words.png"]


async def test_the_first_steps_name_only_what_exists(world: World, max_: Person) -> None:
    said = (await max_.slash("help start")).message
    picture = await dreamt(max_, "an owl")

    assert said.ephemeral
    commands = {name.split()[0] for name in re.findall(r"`/([a-z ]+)", said.text)}
    assert {"dream", "compare", "find", "gallery", "history", "favorites", "quota"} <= commands
    assert commands <= {command.qualified_name for command in world.bot.tree.get_commands()}
    buttons = set(re.findall(r"\*\*([A-Z]\w+)\*\*", said.text)) - {"Vote"}
    assert {"Again", "Variation", "Remix", "Upscale"} == buttons
    assert buttons <= set(picture.buttons)


async def test_films_are_explained_with_the_host_s_limit(max_: Person) -> None:
    said = (await max_.slash("help films")).message

    assert said.ephemeral
    assert "/film prompt:an owl ^ a castle" in said.text and "At most 240 frames." in said.text


async def test_the_prompt_s_last_word_is_completed(max_: Person) -> None:
    offered = await max_.autocomplete("dream", "prompt", prompt="a blue dra")
    assert "a blue dragon" in [choice["value"] for choice in offered]
