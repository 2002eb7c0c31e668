"""Fixtures for tests of the page's server: a page without a bot, and an HTTP client in place of the browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.playground.page_server import Page
from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.fault_switches import FaultSwitch
from bot.playground.server.local import LocalDiscord
from bot.playground.server.tls import Authority
from bot.playground.server.world.json_types import Json
from tests.wire.raw import RawBot


class StillProcesses:
    """Processes that record the requests."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self.now: Json = {"online": True, "engine": {"state": "ready"}}

    @property
    def faults(self) -> tuple[FaultSwitch, ...]:
        return ()

    def state(self) -> Json:
        return self.now

    async def control(self, wanted: str) -> None:
        if wanted == "kill_bot":
            raise NotPossibleError("the bot is not running")
        self.wanted.append(wanted)


class Browser:
    """The requests of a page."""

    def __init__(
        self, site: LocalDiscord, page: Page, processes: StillProcesses, session: aiohttp.ClientSession
    ) -> None:
        self.site, self.page, self.processes, self.session = site, page, processes, session
        self.base = page.url.partition("/?")[0]
        self.ids = {user.username: user.id for user in site.world.users.values()}
        self.studio = site.world.channel_named("studio").id

    async def get(self, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
        async with self.session.get(self.base + path, headers=headers) as response:
            return response.status, await response.text(errors="replace"), response.headers

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        given = {"Origin": self.base, **headers}
        async with self.session.post(self.base + path, json=body, headers=given) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def act(self, user: str, body: Json, files: Mapping[str, bytes] | None = None) -> tuple[int, Json]:
        """One act in #studio, as the page sends it."""
        form = aiohttp.FormData({"json": json.dumps({"channel": str(self.studio), **body})})
        for name, data in (files or {}).items():
            form.add_field(f"file:{name}", data, filename=f"{name}.png", content_type="image/png")
        url = f"{self.base}/api/act?user={self.ids[user]}"
        async with self.session.post(url, data=form, headers={"Origin": self.base}) as response:
            return response.status, await response.json()

    @asynccontextmanager
    async def stream(self, user: str = "max") -> AsyncIterator[Stream]:
        async with self.session.get(f"{self.base}/api/events?user={self.ids[user]}") as response:
            yield Stream(response)


class Stream:
    """The server-sent events of one person."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, name: str = "") -> Json:
        """The next event, or the next one called *name*."""
        while True:
            event, data = await asyncio.wait_for(self._one(), 30)
            if name in ("", event):
                return data

    async def _one(self) -> tuple[str, Json]:
        lines: dict[str, str] = {}
        while line := (await self.response.content.readline()).decode().rstrip("\n"):
            key, _, value = line.partition(": ")
            lines[key] = value
        return (lines["event"], json.loads(lines["data"])) if "event" in lines else await self._one()


@pytest.fixture
async def browser(authority: Authority) -> AsyncIterator[Browser]:
    jar = aiohttp.CookieJar(unsafe=True)  # "unsafe": it keeps cookies of addresses without a name
    async with LocalDiscord(authority) as site, aiohttp.ClientSession(cookie_jar=jar) as session:
        processes = StillProcesses()
        page = Page(site, processes)
        await page.start()
        async with session.get(page.url) as response:
            assert 200 == response.status
        yield Browser(site, page, processes, session)
        await page.close()


@pytest.fixture
async def raw(browser: Browser) -> AsyncIterator[RawBot]:
    async with RawBot(browser.site) as raw:
        yield raw
