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
async def served() -> AsyncIterator[tuple[FakeServer, str]]:
    """A fake server and its address. All tests share them, so that Chromium keeps the compiled modules of the page."""
    world = FakeServer()
    async with serve(world) as address:
        yield world, address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def context(browser: Browser, served: tuple[FakeServer, str]) -> AsyncIterator[BrowserContext]:
    async with await browser.new_context(viewport=DESKTOP, color_scheme="light") as opened:
        await (await opened.new_page()).goto(f"{served[1]}/static/favicon.svg")  # keeps the process that they share
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tab(context: BrowserContext) -> Page:
    """A tab for all tests that leave its settings alone; starting one costs as much as loading the page."""
    return await context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def world(served: tuple[FakeServer, str]) -> FakeServer:
    """The fake server's state, empty and with short steps."""
    served[0].reset(step=0.06)
    return served[0]


@pytest_asyncio.fixture(loop_scope="session")
async def address(world: FakeServer, served: tuple[FakeServer, str]) -> str:
    return served[1]


class Watch:
    """Records console errors, uncaught exceptions and requested hosts of a page."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.forgiven: list[str] = []
        self._listeners = {"console": self._console, "pageerror": self._uncaught, "request": self._request}

    def forgive(self, part: str) -> None:
        """Allow console errors that contain *part*."""
        self.forgiven.append(part)

    def follow(self, page: Page) -> None:
        """Start to record *page*."""
        for event, listener in self._listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]

    def leave(self, page: Page) -> None:
        """Stop to record *page*."""
        for event, listener in self._listeners.items():
            page.remove_listener(event, listener)

    def check(self) -> None:
        """Raises AssertionError for each recorded error and foreign host."""
        left = [each for each in self.complaints if not any(part in each for part in self.forgiven)]
        assert left == []
        assert self.hosts <= {"127.0.0.1"}

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _uncaught(self, error: Exception) -> None:
        self.complaints.append(f"uncaught: {error}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or request.url)


@pytest_asyncio.fixture(loop_scope="session")
async def watch() -> AsyncIterator[Watch]:
    watched = Watch()
    yield watched
    watched.check()


@pytest.fixture
def own_tab() -> None:
    """Gives `page` a tab that is closed afterwards; for tests that change the settings of a tab."""


@pytest_asyncio.fixture(loop_scope="session")
async def page(
    context: BrowserContext, tab: Page, address: str, watch: Watch, request: pytest.FixtureRequest
) -> AsyncIterator[Page]:
    """The page, opened as the first person; what it stored is gone afterwards."""
    opened = await context.new_page() if "own_tab" in request.fixturenames else tab
    opened.set_default_timeout(PATIENCE)
    watch.follow(opened)
    await opened.goto(address)
    await opened.wait_for_selector(".person")
    yield opened
    await opened.evaluate("sessionStorage.clear(); localStorage.clear()")
    await opened.goto("about:blank")
    watch.leave(opened)
    if opened is not tab:
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
