"""A tour with the real engine; it takes the screenshots of docs/playground.md (`make pictures`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE, PHONE, ROOT, Watch, send, shot
from tests.browser.real_playground import READY, enlarged, latest, opened, playing

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

WEIGHTS = [ROOT / "engine" / "primer" / "weights" / f"{name}.safetensors" for name in ("diffusion", "upscaler", "clip")]
PROMPT = "a sailboat on the sea at sunset"


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Longer timeouts, because the engine paints here."""
    expect.set_options(timeout=2 * READY)
    yield
    expect.set_options(timeout=PATIENCE)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(path.is_file() for path in WEIGHTS), reason="the small model's weights are not in this checkout"
)
async def test_a_tour_from_the_slash_menu_to_an_upscaled_image(
    context: BrowserContext, tmp_path: Path, watch: Watch
) -> None:
    async with playing(tmp_path, fake=False) as address, opened(context, address, watch) as page:
        await menu_and_form(page)
        await paint(page)
        await fault_in_the_dark(page)
        await page.set_viewport_size(PHONE)
        await page.emulate_media(color_scheme="light")
        message = await latest(page, PROMPT)
        await message.scroll_into_view_if_needed()
        await shot(page, "phone")
        await message.locator(".button", has_text="Upscale").click()
        await enlarged(page)
        await expect(page.locator(".message").last).to_contain_text("1024×1024")


async def menu_and_form(page: Page) -> None:
    """The command list and a form."""
    await page.locator("#line").press_sequentially("/")
    await expect(page.locator("#composer-menu [role=option]").first).to_be_visible()
    await shot(page, "menu")
    await page.fill("#line", f"/dream {PROMPT} seed:7")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    await page.click(".adder[data-option=size]")
    await page.keyboard.type("256x256")
    await page.locator(".chip [role=option]", has_text="256x256 usual").click()
    await shot(page, "form")


async def paint(page: Page) -> None:
    """A result and its earlier states."""
    await page.locator(".command-name").click()
    async with page.expect_response(lambda response: ".png" in response.url) as finished:
        await send(page, f"/dream {PROMPT} seed:7")
    await (await finished.value).finished()  # previews are WebP
    message = await latest(page, PROMPT)
    await expect(message.locator(".button", has_text="Remix")).to_be_visible()
    await expect(message.locator(".picture img")).to_have_count(1)
    await shot(page, "result")
    await message.locator(".picture").click()
    await expect(page.locator(".thumbnail").nth(1)).to_be_visible()
    await shot(page, "history")
    await page.keyboard.press("Escape")


async def fault_in_the_dark(page: Page) -> None:
    """The drawer with two fault switches on, in the dark theme."""
    await page.emulate_media(color_scheme="dark")
    await page.click("#open-drawer")
    await page.locator("#faults summary").click()
    for fault in ("slow", "disk"):
        await page.locator(f"[data-fault={fault}]").check()
    await expect(page.locator("#fault-count")).to_have_text("2 on")
    await shot(page, "faults")
    for fault in ("slow", "disk"):
        await page.locator(f"[data-fault={fault}]").uncheck()
    await page.locator("#faults summary").click()
    await page.click("#close-drawer")
