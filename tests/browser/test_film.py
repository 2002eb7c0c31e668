"""A film in the page: question, newest frame, and a video that plays."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.browser.conftest import Watch, send
from tests.browser.real_playground import READY, opened, playing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="needs the extra “video”"),
]


async def test_a_film_is_asked_about_painted_and_played(context: BrowserContext, tmp_path: Path, watch: Watch) -> None:
    async with playing(tmp_path, fake=True) as address, opened(context, address, watch) as page:
        await send(page, "/film an owl ^ snow frames:4 file:.mp4")
        await page.locator(".button", has_text="Paint").click(timeout=READY)
        message = page.locator(".message", has_text="an owl ^ snow").last
        shown = message.filter(has_text="frame 3 of 4").filter(has=page.locator(".picture img"))
        await expect(shown).to_be_visible(timeout=READY)

        video = message.locator("video")
        await expect(video).to_have_count(1, timeout=READY)
        assert await video.evaluate(
            "async (film) => { await new Promise((ready) => film.readyState > 1 ? ready() : film.oncanplay = ready);"
            " return [film.videoWidth, film.videoHeight, Math.round(film.duration * 12)]; }"
        ) == [256, 256, 4]
        await expect(message.locator(".file")).to_contain_text(".mp4")
