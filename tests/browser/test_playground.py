"""`python -m bot playground` with the real bot and an engine process, used in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, Page, expect

from engine.requests.request import METHODS
from tests.browser.conftest import PATIENCE, Watch, send
from tests.browser.real_playground import READY, enlarged, latest, opened, playing

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def playground(tmp_path_factory: pytest.TempPathFactory, context: BrowserContext) -> AsyncIterator[str]:
    """One playground with the fake engine for all tests of this file; *context* is first because it may skip."""
    async with playing(tmp_path_factory.mktemp("playground"), fake=True) as address:
        yield address


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Longer timeouts, because processes start and stop here."""
    expect.set_options(timeout=READY)
    yield
    expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, playground: str, watch: Watch) -> AsyncIterator[Page]:
    async with opened(context, playground, watch) as ready:
        yield ready


async def dream(page: Page, prompt: str) -> Locator:
    """Paint *prompt* and wait for the buttons of the result."""
    await send(page, f"/dream {prompt}")
    message = await latest(page, prompt)
    await expect(message.locator(".button", has_text="Remix")).to_be_visible()
    return message


async def test_a_dream_shows_progress_and_a_result(page: Page) -> None:
    await send(page, "/dream a fox in fog seed:7 count:2")
    message = await latest(page, "a fox in fog")
    await expect(message.locator(".reference")).to_have_text("Olive used /dream")
    await expect(message.locator(".button", has_text="Remix")).to_be_visible()
    await expect(message).to_contain_text("seeds 7–8")
    await message.locator(".picture").first.click()
    await expect(page.locator(".thumbnail").nth(1)).to_be_visible()  # at least one picture came before the last one
    await page.keyboard.press("Escape")


async def test_upscale_and_remix_post_new_images(page: Page) -> None:
    message = await dream(page, "an owl")
    await message.locator(".button", has_text="Upscale").click()
    await enlarged(page)
    await message.locator(".button", has_text="Remix").click()
    prompt = page.get_by_role("dialog").get_by_role("textbox", name="Prompt", exact=True)
    await expect(prompt).to_have_value("an owl")
    await prompt.fill("two owls")
    await page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    remix = await latest(page, "two owls")
    await expect(remix.locator(".button", has_text="Remix")).to_be_visible()
    await expect(remix).to_contain_text("Remix of")


async def test_cancel_stops_a_running_job(page: Page) -> None:
    await send(page, "/dream hang up the moon")
    message = await latest(page, "hang up the moon")
    await message.locator(".button", has_text="Cancel").click()
    await expect(message).to_contain_text("Cancelled. Nothing was charged.")


async def test_info_is_ephemeral(page: Page) -> None:
    message = await dream(page, "a lamp")
    await message.locator(".button", has_text="Info").click()
    note = page.locator(".message.ephemeral").last
    await expect(note).to_contain_text("Only you can see this")
    await expect(note.locator("pre, code").first).to_contain_text("/dream")
    await page.locator(".person", has_text="Max").click()
    await expect(page.locator(".person", has_text="Max").locator("input")).to_be_checked()
    await expect(message).to_be_visible()
    await expect(page.locator(".message.ephemeral")).to_have_count(0)


async def test_a_reaction_upscales(page: Page) -> None:
    message = await dream(page, "a green tree")
    await message.hover()
    await message.locator(".tools .react").click()
    await page.get_by_label("upscale", exact=True).click()
    await enlarged(page)


async def test_a_mistake_gets_an_ephemeral_sentence(page: Page) -> None:
    await send(page, "/dream castle:2 | fog: size:100x100")
    await expect(page.locator(".message.ephemeral").last).to_be_visible()
    await expect(page.locator(".message.ephemeral").last).not_to_contain_text("Something went wrong")


async def test_markup_in_a_prompt_stays_text(page: Page) -> None:
    evil = '<img src=x onerror="window.caught=1">'
    await dream(page, evil)
    assert await page.evaluate("window.caught") is None
    assert await page.locator("img[src=x]").count() == 0


async def test_autocomplete_comes_from_the_bot(page: Page) -> None:
    await page.fill("#line", "/dream a fox method:")
    await expect(page.locator("#composer-menu [role=option]")).to_have_count(len(METHODS))
    await page.fill("#line", "")


async def test_a_job_survives_a_restart_of_the_bot(page: Page) -> None:
    await send(page, "/dream slowly rising sun")
    message = await latest(page, "slowly rising sun")
    await expect(message).to_contain_text(re.compile(r"step \d of 8"))
    await page.get_by_role("button", name="Restart bot").click()
    await expect(page.locator("#bot-state")).to_have_attribute("data-lamp", "bad")
    await expect(page.locator("#bot-state")).to_have_attribute("data-lamp", "good")
    await expect(message.locator(".button", has_text="Remix")).to_be_visible()
    await message.locator(".button", has_text="Upscale").click()
    await enlarged(page)


async def test_a_job_survives_a_killed_engine(page: Page) -> None:
    await send(page, "/dream slowly sinking moon")
    message = await latest(page, "slowly sinking moon")
    await expect(message).to_contain_text(re.compile(r"step \d of 8"))
    await page.get_by_role("button", name="Kill engine").click()
    await expect(page.locator("#engine-state")).not_to_have_attribute("data-lamp", "good")
    await expect(page.locator("#engine-state")).to_have_attribute("data-lamp", "good")
    await expect(message.locator(".button", has_text="Remix")).to_be_visible()


async def test_no_request_of_the_bot_was_wrong(page: Page) -> None:
    """The last test of this file, so that it covers the requests of all others."""
    await page.click("#open-drawer")
    await expect(page.locator(".sent").first).to_be_visible()
    assert [] == await page.locator(".finding").all_inner_texts()
