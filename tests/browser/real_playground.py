"""`python -m bot playground` as a process, and helpers for its page."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.bot.core import free_port
from tests.browser.conftest import ROOT, Watch

READY = 60_000
"""Timeout in milliseconds for starts of processes."""
FAKE = f"""#!/bin/sh
cd {ROOT}
DREAMBOT_FAKE_STEP=0.12 exec {sys.executable} -m tests.fake_engine
"""
CONFIG = """
[delivery]
edit_seconds = 0.2
press_seconds = 0.2

[queue]
cooldown_seconds = 0.0
costly_seconds = 0.0

[playground]
port = {port}
"""


@asynccontextmanager
async def playing(folder: Path, *, fake: bool) -> AsyncIterator[str]:
    """Run the playground and yield the printed address."""
    config = folder / "config.toml"
    config.write_text(CONFIG.format(port=free_port()))
    if fake:
        child = folder / "fake-python"
        child.write_text(FAKE)
        child.chmod(0o755)
        config.write_text(f'{config.read_text()}\n[engine]\npython = "{child}"\n')
    command = [sys.executable, "-m", "bot", "playground", "--config", str(config)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE)
    try:
        yield await asyncio.wait_for(printed_address(process), 60)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)


async def printed_address(process: asyncio.subprocess.Process) -> str:
    """The first address in the output."""
    assert process.stdout
    async for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+/\S*", line.decode()):
            return found[0]
    raise AssertionError("the playground ended without an address")


@asynccontextmanager
async def opened(context: BrowserContext, address: str, watch: Watch) -> AsyncIterator[Page]:
    """The page in a new tab, once bot and engine are ready."""
    page = await context.new_page()
    page.set_default_timeout(READY)
    watch.follow(page)
    await page.goto(address)
    await expect(page.locator("#bot-state")).to_have_attribute("data-lamp", "good", timeout=READY)
    await expect(page.locator("#engine-state")).to_have_attribute("data-lamp", "good", timeout=READY)
    yield page
    await page.close()


async def latest(page: Page, words: str) -> Locator:
    """The newest message with *words*, located by id because later messages may quote it."""
    found = page.locator(".message", has_text=words).last
    number = await found.get_attribute("data-id")
    return page.locator(f'.message[data-id="{number}"]')


async def enlarged(page: Page) -> None:
    """Wait for an upscaled image at the end of the list."""
    await expect(page.locator(".message").last).to_contain_text("Upscaled 4×")
    await expect(page.locator(".message").last.locator(".picture img")).to_have_count(1)
