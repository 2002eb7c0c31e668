"""Options, modals, menus and context commands of a real bot on the real local Discord, used in the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from bot.interactions.connector import local_connector
from bot.playground.page_server import Page as Server
from bot.playground.server.local import LocalDiscord
from tests.browser.component_bot import ComponentBot
from tests.browser.conftest import Watch, send
from tests.wire import schemas
from tests.wire.page.conftest import StillProcesses

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def address() -> AsyncIterator[str]:
    """The page of a local Discord with the component bot, with schema checks."""
    async with LocalDiscord() as site:
        schemas.check(site.record)
        server = Server(site, StillProcesses())
        await server.start()
        async with ComponentBot(local_connector(site.port, site.authority.pem)) as bot:
            running = asyncio.create_task(bot.start(site.world.app.token))
            while not (bot.is_ready() and site.commands.all()):
                await asyncio.sleep(0.01)
            yield server.url
            await bot.close()
            await asyncio.gather(running, return_exceptions=True)
        await server.close()
        assert [] == site.record.findings()


def newest(page: Page) -> Locator:
    return page.locator(".message").last


async def become(page: Page, name: str) -> None:
    await page.locator(".person", has_text=name).click()
    await expect(page.locator(".person", has_text=name).locator("input")).to_be_checked()


async def test_a_command_in_a_group_takes_people_roles_and_channels(page: Page) -> None:
    await become(page, "Mo")
    await page.keyboard.type("/adm")
    await expect(page.locator("#composer-menu [role=option]").first).to_contain_text("/admin limits allow")
    await page.keyboard.press("Enter")
    await page.locator(".chip[data-option=who] select").select_option(label="Max")
    await page.locator(".chip[data-option=amount] input").fill("3")
    await page.locator(".chip[data-option=unit] input").fill("pix")
    await page.locator(".chip [role=option]", has_text="pixels").click()
    await page.click(".adder[data-option=role]")
    await page.locator(".chip[data-option=role] select").select_option(label="Moderator")
    await page.click(".adder[data-option=where]")
    await page.locator(".chip[data-option=where] select").select_option(label="gallery")
    assert ["studio", "gallery", "quiet", "late-night"] == await page.locator(
        ".chip[data-option=where] option"
    ).all_text_contents()
    await page.locator(".chip[data-option=amount] input").press("Enter")
    await expect(newest(page)).to_contain_text("max 3 pixels Moderator gallery")


async def test_one_line_names_people_by_their_names(page: Page) -> None:
    await become(page, "Olive")
    await send(page, "/admin limits allow who:Mo amount:2 unit:minutes")
    await expect(newest(page)).to_contain_text("mo 2 minutes None None")


async def test_members_do_not_see_commands_for_moderators(page: Page) -> None:
    await become(page, "Max")
    await page.keyboard.type("/adm")
    await expect(page.locator("#composer-menu [role=option]")).to_have_count(0)


@pytest.mark.usefixtures("own_tab")
async def test_the_command_list_is_updated_for_another_person(page: Page) -> None:
    async def late(route: Route) -> None:
        await asyncio.sleep(0.5)
        await route.continue_()

    await page.route("**/api/events*", late)
    await become(page, "Max")
    await page.keyboard.type("/adm")
    await expect(page.locator("#composer-menu [role=option]").first).to_contain_text("/admin")
    await expect(page.locator("#composer-menu [role=option]")).to_have_count(0)


async def test_a_form_with_every_field_is_filled_in(page: Page) -> None:
    await become(page, "Max")
    await send(page, "/form")
    form = page.get_by_role("dialog", name="Every field")
    await form.get_by_label("Words").fill("a fox")
    await form.get_by_label("Colour").select_option("blue")
    await form.get_by_label("Who").select_option(label="Olive")
    await form.get_by_label("large").check()
    await form.get_by_label("fog").check()
    await form.get_by_label("rain").check()
    await form.get_by_role("button", name="Submit").click()
    await expect(newest(page)).to_contain_text("a fox blue olive large fog rain")


async def test_an_incomplete_modal_shows_what_is_missing(page: Page, watch: Watch) -> None:
    watch.forgive("400")  # the browser notes every refusal
    await send(page, "/form")
    form = page.get_by_role("dialog", name="Every field")
    await form.get_by_label("Words").fill("a fox")
    await form.get_by_label("Colour").select_option("blue")
    await form.get_by_label("Who").select_option(label="Olive")
    await form.get_by_role("button", name="Submit").click()
    await expect(form.get_by_role("alert")).to_contain_text("Size must be chosen", ignore_case=True)


async def test_user_and_role_menus_send_their_choices(page: Page) -> None:
    await send(page, "/menus")
    menus = newest(page)
    await menus.get_by_label("Somebody").select_option(label="Max")
    await expect(newest(page)).to_contain_text("chose max")
    first = page.locator(".message", has_text="choose")
    await first.get_by_label("Moderator").check()
    await first.get_by_role("button", name="Apply").click()
    await expect(newest(page)).to_contain_text("Moderator")


async def test_users_and_messages_have_context_commands(page: Page) -> None:
    await send(page, "hello there")
    said = page.locator(".message", has_text="hello there").first
    await said.get_by_role("button", name="Olive").click()
    await page.get_by_role("button", name="Who is this").click()
    await expect(newest(page)).to_contain_text("this is olive")
    await said.hover()
    await said.get_by_role("button", name="Commands for this message").click()
    await page.get_by_role("button", name="Quote").click()
    await expect(newest(page)).to_contain_text("“hello there”")


async def test_the_menu_of_a_message_opens_by_mouse_key_and_finger(page: Page) -> None:
    await send(page, "hello there")
    said = page.locator(".message", has_text="hello there").first
    menu = page.get_by_role("group", name="Commands for this message")
    for number, way in enumerate(("right-click", "key", "long press"), 1):
        match way:
            case "right-click":
                await said.locator(".prose").click(button="right")
            case "key":
                await said.focus()
                await page.keyboard.press("Shift+F10")
            case _:
                finger = {"pointerType": "touch", "bubbles": True, "clientX": 390, "clientY": 60}
                await said.dispatch_event("pointerdown", finger)
        await expect(menu.get_by_role("button", name="Quote")).to_be_focused()
        box = await menu.bounding_box()
        assert box and box["x"] >= 0 and box["y"] >= 0
        await page.keyboard.press("Enter")
        await expect(page.locator(".message .reference", has_text="used Quote")).to_have_count(number)
        await expect(newest(page)).to_contain_text("“hello there”")
        await expect(menu).to_have_count(0)


async def test_links_keep_the_browsers_own_menu(page: Page) -> None:
    await send(page, "hello there")
    await expect(page.locator(".message .prose").first).to_be_visible()
    assert await page.evaluate(
        """() => {
            const link = Object.assign(document.createElement("a"), { href: "#x", textContent: "x" });
            document.querySelector(".message .prose").append(link);
            return link.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true }));
        }"""
    )
    await expect(page.locator(".popover")).to_have_count(0)


async def test_an_age_restricted_channel_asks_once_and_has_its_own_commands(page: Page) -> None:
    await page.keyboard.type("/la")
    await expect(page.locator("#composer-menu [role=option]")).to_have_count(0)
    await page.locator(".channel", has_text="late-night").click()
    await expect(page.locator("#gate")).to_contain_text("late-night is age-restricted")
    await expect(page.locator("#composer")).to_be_hidden()
    await page.get_by_role("button", name="Back").click()
    await expect(page.locator("h1")).to_have_text("studio")
    await page.locator(".channel", has_text="late-night").click()
    await page.keyboard.press("Enter")  # the way in has the focus
    await expect(page.locator("#line")).to_be_focused()
    await send(page, "/late")
    await expect(newest(page)).to_contain_text("it is late")
    await page.reload()
    await page.locator(".channel", has_text="late-night").click()
    await expect(page.locator("#gate")).to_be_hidden()


async def test_commands_for_everyone_are_listed_first(page: Page) -> None:
    await become(page, "Olive")
    await page.keyboard.type("/")
    options = page.locator("#composer-menu .menu-name")
    await expect(options).to_have_text(["/form", "/menus", "/admin limits allow"])
