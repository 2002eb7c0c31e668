"""Fixtures: a headless Chromium, the fake server, and a page without console errors or foreign requests."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.browser.fake_http import serve
from tests.browser.fake_server import FakeServer

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",
]
"""The last one lets all pages of the fake server share a process; starting one takes as much time as loading a page."""
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 375, "height": 780}
PATIENCE = 30_000
"""Timeout in milliseconds, also for a busy machine."""
expect.set_options(timeout=PATIENCE)


def chromium() -> str:
    """The path of the system's Chromium. Without one the test fails in CI and is skipped elsewhere."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    remedy = "No Chromium was found. On Debian or Ubuntu: sudo apt install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(remedy)
    pytest.skip(remedy)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """One for all pages of fake servers. What a page stores is gone with its tab or belongs to its server's port."""
    async with await browser.new_context(viewport=DESKTOP, color_scheme="light") as opened, serve(FakeServer()) as kept:
        await (await opened.new_page()).goto(f"{kept}/static/favicon.svg")  # keeps the process that they share
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def world() -> FakeServer:
    """The fake server's state, with short steps."""
    return FakeServer(step=0.06)


@pytest_asyncio.fixture(loop_scope="session")
async def address(world: FakeServer) -> AsyncIterator[str]:
    async with serve(world) as served:
        yield served


class Watch:
    """Records console errors, uncaught exceptions and requested hosts of a page."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.forgiven: list[str] = []

    def forgive(self, part: str) -> None:
        """Allow console errors that contain *part*."""
        self.forgiven.append(part)

    def follow(self, page: Page) -> None:
        """Start to record *page*."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._request)

    def check(self) -> None:
        """Raises AssertionError for each recorded error and foreign host."""
        left = [each for each in self.complaints if not any(part in each for part in self.forgiven)]
        assert left == []
        assert self.hosts <= {"127.0.0.1"}

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or request.url)


@pytest_asyncio.fixture(loop_scope="session")
async def watch() -> AsyncIterator[Watch]:
    watched = Watch()
    yield watched
    watched.check()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, address: str, watch: Watch) -> AsyncIterator[Page]:
    """The page in a new tab, opened as the first person."""
    opened = await context.new_page()
    opened.set_default_timeout(PATIENCE)
    watch.follow(opened)
    await opened.goto(address)
    await opened.wait_for_selector(".person")
    yield opened
    await opened.close()


async def shot(page: Page, name: str) -> None:
    """Save a screenshot in the folder `DREAMBOT_PICTURES`, if it is set (`make pictures`)."""
    folder = os.environ.get("DREAMBOT_PICTURES")
    if folder:
        taken = Image.open(io.BytesIO(await page.screenshot(animations="disabled"))).convert("RGB")
        taken.save(ROOT / folder / f"playground-{name}.webp", quality=92, method=6)


async def send(page: Page, line: str) -> None:
    """Type *line* and send it."""
    await page.fill("#line", line)
    await page.press("#line", "Enter")
