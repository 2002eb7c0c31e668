"""A grid's More menu, Delete's question, who asked for a result, and where moderators' decisions are told."""

from __future__ import annotations

from tests.wire.looks import deleted, dreamt, is_enlarged, is_result, whispered
from tests.wire.people import Person, Shown
from tests.wire.world import World


def rows(message: Shown) -> list[list[str]]:
    """The labels of buttons and menus, row by row."""
    return [
        [one.get("label") or one.get("placeholder") or "" for one in row["components"]]
        for row in message.state.components
    ]


async def take_reports(olive: Person) -> None:
    await olive.slash("settings server", report_channel=olive.world.channel("gallery").id)


async def test_a_grid_fits_its_buttons_in_two_rows_and_two_menus(max_: Person) -> None:
    grid = await dreamt(max_, "an owl", count=4)

    assert [
        ["U1", "U2", "U3", "U4", "Again"],
        ["V1", "V2", "V3", "V4", "Remix"],
        ["⭐ Star one image …"],
        ["More …"],
    ] == rows(grid)
    images = [f"Image {number}" for number in (1, 2, 3, 4)]
    assert [*images, "Vote", "Which is best?", "More like this", "Info", "Delete"] == list(grid.options)


async def test_the_more_menu_does_what_the_buttons_do(world: World, olive: Person, max_: Person, mo: Person) -> None:
    await take_reports(olive)
    grid = await dreamt(max_, "an owl", count=2, seed=1)
    assert ["Image 1", "Image 2", "Vote", "Which is best?", "More like this", "Info", "Delete", "Report"] == list(
        grid.options
    )

    ranking = whispered(await mo.click(grid, "Which is best?"))
    assert "matches the prompt best" in ranking
    assert "Scored by primer-grader" in ranking
    assert "Discord command" in whispered(await mo.click(grid, "Info"))
    assert "Thank you" in whispered(await mo.submit(await mo.click(grid, "Report"), reason="too dark"))
    await deleted(max_, grid)

    assert grid.gone


async def test_report_is_offered_only_where_reports_are_taken(olive: Person, max_: Person) -> None:
    before = await dreamt(max_, "an owl")
    await take_reports(olive)
    after = await dreamt(max_, "a fox")

    assert "Report" not in before.buttons
    assert "Report" in after.buttons


async def test_delete_asks_once_and_nothing_happens_until_it_is_confirmed(max_: Person) -> None:
    owl = await dreamt(max_, "an owl")

    asked = await max_.click(owl, "Delete")

    assert "Delete this picture?" == asked.modal["title"]
    assert "This deletes the message. The picture stays in its owner's history." in str(asked.modal["components"])
    assert not owl.gone
    await max_.submit(asked)
    await max_.wait_for(owl, lambda shown: shown.gone)


async def test_results_of_buttons_say_who_asked(world: World, max_: Person, mo: Person) -> None:
    owl = await dreamt(max_, "an owl")

    for button, begins in (
        ("Again", "Same prompt, new seed"),
        ("Variation", "Variation of"),
        ("Upscale", "Upscaled 4×"),
    ):
        answer = await mo.click(owl, button)
        shown = await mo.wait_for(answer.message, is_result)
        assert begins in shown.text
        assert f"by {max_.mention} · requested by {mo.mention}" in shown.text


async def test_upscaling_an_upscaled_picture_says_how_large_it_becomes(world: World, max_: Person) -> None:
    owl = await dreamt(max_, "an owl")
    large = await max_.wait_for((await max_.click(owl, "Upscale")).message, is_enlarged)
    assert "Upscaled 4× to 1024×1024" in large.text

    larger = await max_.wait_for((await max_.click(large, "Upscale")).message, is_enlarged)

    assert "Upscaled 4× to 4096×4096" in larger.text


async def test_a_moderators_deletion_is_told_to_moderators_only(
    world: World, olive: Person, max_: Person, mo: Person
) -> None:
    await take_reports(olive)
    owl = await dreamt(max_, "an owl")

    await olive.submit(await olive.click(owl, "Delete"))

    text = f"{olive.mention} deleted a picture by {max_.mention} in <#{world.channel('studio').id}>."
    await olive.wait_for_message(lambda shown: text in shown.text, channel="gallery")
    assert not any("deleted a picture" in shown.text for shown in max_.sees())


async def test_settings_and_log_show_channels_by_name(world: World, olive: Person) -> None:
    gallery = world.channel("gallery").id

    changed = await olive.slash("settings server", report_channel=gallery, add_channel=gallery)

    for text in (
        changed.message.text,
        whispered(await olive.slash("admin log")),
        whispered(await olive.slash("settings server")),
    ):
        assert f"<#{gallery}>" in text
        assert text.count(str(gallery)) == text.count(f"<#{gallery}>")
