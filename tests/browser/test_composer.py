"""The composer: the slash menu, the form, the one-line form, and error sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import send
from tests.browser.fake_images import paint
from tests.browser.fake_server import FakeServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def slashes(world: FakeServer) -> list[dict[str, object]]:
    return [{"command": act["command"], **act["options"]} for act in world.acts if act["type"] == "slash"]


async def test_arrow_keys_move_in_the_slash_menu(page: Page, world: FakeServer) -> None:
    await page.keyboard.type("/qu")
    options = page.locator("#composer-menu [role=option]")
    await expect(options).to_have_count(2)
    await page.keyboard.press("ArrowDown")
    await expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_have_count(1)
    assert [{"command": "quota"}] == slashes(world)


async def test_escape_closes_the_menu_and_leaves_the_form(page: Page) -> None:
    await page.keyboard.type("/")
    await page.keyboard.press("Escape")
    await expect(page.locator("#composer-menu [role=listbox]")).to_be_hidden()
    await page.fill("#line", "/dream an owl seed:7")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    await expect(page.locator(".option-form")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#line")).to_have_value("/dream an owl seed:7")


async def test_enter_sends_a_command_without_required_options(page: Page, world: FakeServer) -> None:
    """The first Enter opens the form, the second one sends it; Esc leaves it."""
    await page.fill("#line", "/history")
    await page.press("#line", "Enter")
    await expect(page.locator(".command-name")).to_have_text("/history")
    await page.keyboard.press("Escape")
    await expect(page.locator(".command-name")).to_have_count(0)

    await page.fill("#line", "/history")
    await page.press("#line", "Enter")
    await expect(page.locator(".command-name")).to_be_visible()
    await page.keyboard.press("Enter")

    await expect(page.locator(".message .reference")).to_have_text("Ada used /history")
    assert ("slash", "history", {}) == tuple(world.acts[-1][key] for key in ("type", "command", "options"))


async def test_a_form_sends_the_values_of_its_chips(page: Page, world: FakeServer) -> None:
    await page.keyboard.type("/dream")
    await page.keyboard.press("Enter")
    await page.keyboard.type("a castle | fog:0.5")
    await page.click(".adder[data-option=seed]")
    await page.keyboard.type("7")
    await page.click(".adder[data-option=method]")
    await page.locator(".chip[data-option=method] select").select_option("pixels")
    await page.click(".adder[data-option=private]")
    await page.locator(".chip[data-option=seed] input").press("Enter")
    await expect(page.locator(".message")).to_have_count(1)
    expected = {"command": "dream", "prompt": "a castle | fog:0.5", "seed": 7, "method": "pixels", "private": True}
    assert [expected] == slashes(world)


async def test_autocomplete_shows_the_choices_of_the_bot(page: Page, world: FakeServer) -> None:
    await page.keyboard.type("/dream")
    await page.keyboard.press("Enter")
    await page.click(".adder[data-option=model]")
    await page.keyboard.type("lsun")
    await expect(page.locator(".chip [role=option]")).to_have_text(["lsun-bedroom"])
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator(".chip[data-option=model] input")).to_have_value("lsun-bedroom")


@pytest.mark.parametrize("typed", ["oil", "oil p", '"oil'])
async def test_a_suggestion_of_several_words_brings_its_quotes(page: Page, world: FakeServer, typed: str) -> None:
    await page.focus("#line")
    await page.keyboard.type(f"/dream a fox model:{typed}")
    await expect(page.locator("[role=option]")).to_have_text(["oil paint"])
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#line")).to_have_value('/dream a fox model:"oil paint" ')
    await page.keyboard.type("in fog")
    await expect(page.locator(".piece")).to_have_text(["prompt a fox in fog", "model oil paint"])
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_have_count(1)
    assert [{"command": "dream", "prompt": "a fox in fog", "model": "oil paint"}] == slashes(world)


async def test_a_suggestion_replaces_what_was_typed_while_the_next_ones_are_fetched(
    page: Page, world: FakeServer
) -> None:
    await page.focus("#line")
    await page.keyboard.type("/dream a fox model:oi")
    await expect(page.locator("[role=option]")).to_have_text(["oil paint"])
    world.held = True
    await page.keyboard.type("l")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")

    await expect(page.locator("#line")).to_have_value('/dream a fox model:"oil paint" ')
    world.held = False


async def test_a_missing_required_option_is_named(page: Page, world: FakeServer) -> None:
    await page.keyboard.type("/dream")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.locator(".composer-form .complaint")).to_have_text("/dream needs a prompt.")
    assert [] == slashes(world)


async def test_a_line_is_parsed_while_it_is_typed(page: Page, world: FakeServer) -> None:
    await page.fill("#line", "/dream a fox seed:7 count:2")
    await expect(page.locator(".piece")).to_have_text(["prompt a fox", "seed 7", "count 2"])
    await page.press("#line", "Enter")
    await expect(page.locator(".message")).to_have_count(1)
    assert [{"command": "dream", "prompt": "a fox", "seed": 7, "count": 2}] == slashes(world)


WRONG_LINES = {
    "/dream a fox seed:seven": "seed must be a whole number, not “seven”.",
    "/dream a fox count:9": "count must be at most 4, not 9.",
    "/dream a fox method:oil": "method must be one of clip_diffusion, pixels, not “oil”.",
    "/dream seed:7": "/dream needs a prompt.",
    "/queue now": "/queue takes no option “now”.",
    "/paint a fox": "There is no command /paint. Type / to see them all.",
}


async def test_a_wrong_line_shows_a_sentence(page: Page, world: FakeServer) -> None:
    for line, words in WRONG_LINES.items():
        await page.fill("#line", line)
        await page.press("#line", "Enter")
        await expect(page.locator("#complaint")).to_have_text(words)
    assert [] == slashes(world)


async def test_the_first_word_of_a_group_shows_its_commands(page: Page, world: FakeServer) -> None:
    await page.fill("#line", "/gallery")
    await page.press("#line", "Escape")  # closes the suggestions, which take Enter
    await page.press("#line", "Enter")
    await expect(page.locator("#complaint")).to_have_text("/gallery needs one more word: /gallery best.")
    assert [] == slashes(world)


async def test_options_of_a_line_complete_with_tab(page: Page) -> None:
    await page.fill("#line", "/dream a fox mod")
    await page.keyboard.press("Tab")
    await expect(page.locator("#line")).to_have_value("/dream a fox model:")
    await expect(page.locator("#composer-menu [role=option]")).to_have_text(
        ["primer", "adm-256", "lsun-bedroom", "oil paint"]
    )
    await page.keyboard.press("Tab")
    await expect(page.locator("#line")).to_have_value("/dream a fox model:primer ")


async def test_arrow_up_recalls_earlier_inputs(page: Page) -> None:
    await send(page, "/dream a fox seed:7")
    await expect(page.locator(".message")).to_have_count(1)
    await page.keyboard.press("ArrowUp")
    await expect(page.locator("#line")).to_have_value("/dream a fox seed:7")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#line")).to_have_value("")


async def test_a_chosen_image_is_sent_with_the_command(page: Page, world: FakeServer, tmp_path: Path) -> None:
    picture = tmp_path / "owl.png"
    picture.write_bytes(paint(1, size=32))
    await page.fill("#line", "/dream a fox")
    await page.keyboard.press("Tab")
    async with page.expect_file_chooser() as chooser:
        await page.click(".adder[data-option=image]")
    await (await chooser.value).set_files(picture)
    await expect(page.locator(".file-face")).to_have_text("owl.png")
    await page.locator(".option-main textarea").press("Enter")
    await expect(page.locator(".message")).to_have_count(1)
    assert [{"file:image": "owl.png"}] == [
        {k: v for k, v in act["files"].items() if k != "json"} for act in world.acts if act["type"] == "slash"
    ]


async def test_plain_text_is_sent_as_a_message(page: Page) -> None:
    await send(page, "what a fox!")
    await expect(page.locator(".message .prose")).to_have_text("what a fox!")
    await expect(page.locator(".message .author")).to_have_text("Ada")


async def test_a_slash_anywhere_starts_a_command(page: Page) -> None:
    await page.locator("#open-drawer").focus()
    await page.keyboard.press("/")
    await expect(page.locator("#line")).to_be_focused()
    await expect(page.locator("#composer-menu [role=option]")).to_have_count(5)
