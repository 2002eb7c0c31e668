"""The page shows stars, the gallery and a search as a member of a server sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import PHONE, Watch, send
from tests.browser.real_playground import latest, opened, playing

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def painted(page: Page, words: str) -> Locator:
    await send(page, f"/dream {words}")
    message = await latest(page, words)
    await expect(message.locator(".button", has_text="Star")).to_be_visible()
    return message


async def test_stars_gallery_and_search_can_be_used_on_the_page(
    context: BrowserContext, tmp_path: Path, watch: Watch
) -> None:
    async with playing(tmp_path, fake=True) as address, opened(context, address, watch) as page:
        for words in ("an owl", "a fox", "a castle"):
            message = await painted(page, words)
        await message.locator(".button", has_text="Star").click()
        await expect(page.locator(".message", has_text="Starred. 1 of 1000 stars used")).to_be_visible()

        await page.fill("#line", "/gallery order:newest")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Enter")
        gallery = await latest(page, "Gallery: newest, page 1")
        await expect(gallery.locator("img").first).to_be_visible()
        await page.screenshot(path=str(tmp_path / "gallery.png"))
        await gallery.locator("select").select_option(label="2. a fox")
        picture = await latest(page, "· job ")
        await expect(picture.locator(".button", has_text="More like this")).to_be_visible()
        similar = page.locator(".message", has_text="More like this, page 1")
        for tries in range(1, 60):  # the other pictures are embedded in the background
            await picture.locator(".button", has_text="More like this").click()
            nothing = page.locator(".message", has_text="Nothing found among the pictures")
            await expect(similar.or_(nothing.nth(tries - 1)).last).to_be_visible()
            if await similar.count():
                break
            await page.wait_for_timeout(500)
        await expect(similar.last).to_be_visible()

        await page.set_viewport_size(PHONE)
        await send(page, "/find words:owl")
        await expect(page.locator(".message", has_text="Found: “owl”, page 1")).to_be_visible()
        await page.screenshot(path=str(tmp_path / "find.png"))
