"""The welcome leads through experiments: compare, vote, find; each step works on the page as it is written there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import Watch, send
from tests.browser.real_playground import opened, playing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
    pytest.mark.slow,
]


async def test_the_welcome_leads_from_a_comparison_to_a_vote_and_a_search(
    context: BrowserContext, tmp_path: Path, watch: Watch
) -> None:
    async with playing(tmp_path, fake=True) as address, opened(context, address, watch) as page:
        steps = page.locator(".experiments li")
        await expect(steps.nth(0)).to_contain_text("Compare")
        await expect(steps.nth(1)).to_contain_text("Press Vote under the sheet")
        find = await steps.nth(2).locator(".example").inner_text()
        await steps.nth(0).locator(".example").click()
        await expect(page.locator("#line")).to_have_value("/compare a [red|blue] balloon in the sky")
        await page.keyboard.press("Escape")
        await page.press("#line", "Enter")

        sheet = page.locator(".message", has_text="seed").last
        await sheet.locator(".button", has_text="Vote").click()
        await page.locator(".button", has_text="10 minutes").click()
        vote = page.locator(".message", has_text="Press a letter to vote").last
        await expect(vote.locator(".picture img")).to_have_count(1)
        await vote.locator(".button", has_text="B").click()
        await expect(page.locator(".message").last).to_contain_text("You voted for B.")

        await send(page, find)
        await expect(page.locator(".message").last).to_contain_text("balloon")
        await expect(page.locator(".message").last.locator("img").first).to_be_visible()
