"""`/style`: saved for a server, used by anyone there, shown with pictures, deleted without breaking old results."""

from __future__ import annotations

from tests.wire.looks import child_of, dreamt, is_result, whispered
from tests.wire.people import Person
from tests.wire.test_defaults import bare, prompts_of
from tests.wire.world import World

WASH = {"name": "ink wash", "template": "{prompt}, ink | paper:0.5", "negative": "people", "options": "steps=12"}


async def test_a_saved_style_is_used_by_name_and_by_command_also_after_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    saved = await max_.slash("style save", **WASH)
    assert "saved the style “ink wash”: {prompt}, ink | paper:0.5" in bare(saved.message.content)
    await world.restart_bot()

    offered = await mo.autocomplete("dream", "style", prompt="an owl", style="ink")
    assert {"ink", "ink wash"} == {choice["value"] for choice in offered}
    shown = await dreamt(mo, "an owl | fog:-0.5", style="Ink Wash")
    assert [("an owl, ink", 1.0), ("fog", -0.5), ("paper", 0.5), ("people", -0.3)] == await prompts_of(world, mo)
    assert "style ink wash" in shown.text
    assert "12 steps" in shown.text
    assert "style ink wash" in whispered(await mo.click(shown, "Info"))
    used = await max_.slash("style use", name="ink wash", prompt="a fox")
    await max_.wait_for(used.message, is_result)
    assert ("a fox, ink", 1.0) == (await prompts_of(world, max_))[0]
    assert "ink wash** · 2 uses" in whispered(await max_.slash("style list"))


async def test_what_cannot_be_saved_is_said_and_lost_is_nothing(max_: Person, mo: Person) -> None:
    await max_.slash("style save", **WASH)

    async def refused(**changes: str) -> str:
        return whispered(await mo.slash("style save", **{**WASH, **changes}))

    assert "already has a style “ink wash”" in await refused(name="INK  wash")
    assert "every server has" in await refused(name="neon")
    assert "up to 32 letters" in await refused(name="@everyone")
    assert "“naked” is only allowed in 18+ channels" in await refused(name="other", template="a naked {prompt}")
    mature = await mo.slash("style save", **{**WASH, "name": "other", "template": "naked"}, channel="late-night")
    assert "is only allowed in 18+ channels" in whispered(mature)  # for it is listed in all of them
    assert "A style cannot set seed" in await refused(name="other", options="seed=7")
    assert "This style does not work: pixels has no option “eta”" in await refused(
        name="other", options="method=pixels eta=0.5"
    )
    assert "A weight is missing" in await refused(name="other", negative="fog:")
    assert "Unknown style “ink wsh”. Did you mean “ink wash”?" in whispered(
        await mo.slash("dream", prompt="an owl", style="ink wsh")
    )


async def test_the_list_shows_each_style_with_buttons_that_outlive_a_restart(
    world: World, max_: Person, mo: Person
) -> None:
    await max_.slash("style save", **WASH)
    page = (await mo.slash("style list")).message
    await world.restart_bot()

    await mo.click(page, "Page 2")
    page = await mo.wait_for(page, lambda shown: "Styles, page 2 of" in shown.text)
    await mo.click(page, "Page 1")
    page = await mo.wait_for(page, lambda shown: "Styles, page 1 of" in shown.text)
    await mo.click(page, "ink wash")
    page = await mo.wait_for(page, lambda shown: "Style: ink wash" in shown.text)
    assert f"By: {max_.mention}" in page.text
    assert {"Paint …", "Star", "Delete", "All styles"} == set(page.buttons)
    await mo.click(page, "Star")
    page = await mo.wait_for(page, lambda shown: "Stars: 1" in shown.text)
    form = await mo.click(page, "Paint …")
    await world.restart_bot()
    painted = await mo.submit(form, prompt="a fox")
    await mo.wait_for(painted.message, is_result)
    assert ("a fox, ink", 1.0) == (await prompts_of(world, mo))[0]
    mine = (await max_.slash("style list", name="ink wash")).message
    assert {"Paint …", "Delete", "All styles"} == set(mine.buttons)


async def test_authors_and_moderators_delete_and_old_results_keep_their_buttons(
    world: World, max_: Person, mo: Person, olive: Person
) -> None:
    await olive.slash("style save", **WASH)
    shown = await dreamt(mo, "an owl", style="ink wash")
    assert "Only its author or a moderator" in whispered(await max_.slash("style delete", name="ink wash"))
    assert [] == await max_.autocomplete("style delete", "name", name="")
    assert "come with the bot" in whispered(await mo.slash("style delete", name="ink"))
    page = (await mo.slash("style list", name="ink wash")).message

    await mo.click(page, "Delete")
    await mo.wait_for(page, lambda now: "“ink wash” is deleted" in now.text)

    assert "Unknown style" in whispered(await mo.slash("dream", prompt="an owl", style="ink wash"))
    assert "style ink wash" in whispered(await mo.click(shown, "Info"))
    await mo.click(shown, "Again")
    await child_of(mo, shown)
    assert ("an owl, ink", 1.0) == (await prompts_of(world, mo))[0]


async def test_a_deleted_default_style_is_said_and_skipped(world: World, max_: Person, mo: Person) -> None:
    await mo.slash("style save", **WASH)
    await mo.slash("settings channel", style="ink wash")
    await dreamt(max_, "an owl")
    await mo.slash("style delete", name="ink wash")

    answer = await max_.slash("dream", prompt="an owl")
    await max_.wait_for(answer.message, is_result)

    assert [("an owl", 1.0)] == await prompts_of(world, max_)
    assert "The default style “ink wash” of this channel was deleted" in answer.messages[-1].text


async def test_shipped_styles_are_shown_with_pictures_here_and_in_direct_messages(world: World, max_: Person) -> None:
    shown = await max_.wait_for((await max_.slash("help styles")).message, lambda m: m.files, what="the pictures")
    assert ["styles.png"] == list(shown.files)
    assert "trending on artstation" in shown.text
    ink = (await max_.slash("style list", name="ink")).message
    await max_.wait_for(ink, lambda m: m.files, what="the picture")
    assert ["styles.png"] == list(ink.files)
    oil = (await max_.slash("style list", name="oil on canvas")).message
    assert "For larger models" in oil.text
    direct = str(world.dm(max_).id)
    assert "ink" in whispered(await max_.slash("style list", channel=direct))
    assert "where I am a member" in whispered(await max_.slash("style save", channel=direct, **WASH))
    used = await max_.slash("style use", name="neon", prompt="an owl", channel=direct)
    await max_.wait_for(used.message, is_result)


async def test_a_blocked_person_saves_no_style(max_: Person, olive: Person) -> None:
    await olive.slash("admin block", user=str(max_.id), reason="spam")

    assert "has blocked you" in whispered(await max_.slash("style save", **WASH))
