"""Only the browser that opened the printed address may use the page's server."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from bot.playground.page_server import Page
from bot.playground.server.actions.people import AttachedFile
from tests.wire.page.conftest import Browser, StillProcesses


async def test_it_listens_on_loopback_only(browser: Browser) -> None:
    assert browser.page._runner is not None
    assert [("127.0.0.1", browser.page.port)] == browser.page._runner.addresses


@pytest.mark.parametrize("path", ["/", "/static/js/app.js", "/api/requests", "/nowhere"])
async def test_every_response_has_the_strict_headers(browser: Browser, path: str) -> None:
    _, _, headers = await browser.get(path)

    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert ("nosniff", "no-store") == (headers["X-Content-Type-Options"], headers["Cache-Control"])


async def test_a_foreign_host_name_is_refused(browser: Browser) -> None:
    assert 421 == (await browser.get("/", Host=f"evil.example:{browser.page.port}"))[0]
    assert 200 == (await browser.get("/", Host=f"localhost:{browser.page.port}"))[0]


PLACES = [("GET", "/"), ("GET", "/?token=wrong"), ("GET", "/static/js/app.js"), ("GET", "/cdn/attachments/1/2/a.png"),
          ("GET", "/api/events"), ("GET", "/api/requests"), ("POST", "/api/act"), ("POST", "/api/control"),
          ("GET", "/api/requests?token={secret}")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PLACES)
async def test_without_the_cookie_everything_is_forbidden(browser: Browser, method: str, path: str) -> None:
    """Another user of this processes can reach the port and knows neither the secret nor the cookie."""
    secret = browser.page.url.partition("token=")[2]
    path, headers = path.format(secret=secret), {"Origin": browser.base}
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.request(method, browser.base + path, headers=headers, json={"do": "restart_bot"}) as response,
    ):
        text = await response.text()

    assert (403, []) == (response.status, browser.processes.wanted)
    assert "Open the complete address that the playground printed" in text
    assert secret not in text and "Set-Cookie" not in response.headers


async def test_the_printed_address_sets_an_httponly_strict_cookie(browser: Browser) -> None:
    async with aiohttp.ClientSession() as fresh, fresh.get(browser.page.url) as response:
        cookie = response.headers["Set-Cookie"]

    assert 200 == response.status
    assert f"dreambot-playground-{browser.page.port}=" in cookie
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


async def test_each_server_has_its_own_secret(browser: Browser) -> None:
    assert browser.page.url.partition("token=")[2] != Page(browser.site, StillProcesses()).url.partition("token=")[2]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_other_sites_cannot_act(browser: Browser, origin: str) -> None:
    status, _ = await browser.post("/api/control", {"do": "restart_bot"}, Origin=origin)

    assert (403, []) == (status, browser.processes.wanted)


async def test_an_act_without_an_origin_is_refused(browser: Browser) -> None:
    async with browser.session.post(f"{browser.base}/api/control", json={"do": "restart_bot"}) as response:
        assert 403 == response.status


async def test_other_sites_cannot_embed_anything(browser: Browser) -> None:
    assert 403 == (await browser.get("/api/requests", **{"Sec-Fetch-Site": "cross-site"}))[0]
    assert 200 == (await browser.get("/api/requests", **{"Sec-Fetch-Site": "same-origin"}))[0]


@pytest.mark.parametrize("path", ["/static/../page.py", "/static/%2e%2e/page.py", "/static//etc/passwd", "/static/x"])
async def test_only_the_pages_own_files_are_served(browser: Browser, path: str) -> None:
    assert 404 == (await browser.get(path))[0]


async def test_an_upload_that_is_not_an_image_is_served_as_a_download(browser: Browser) -> None:
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    message = browser.site.people.say(browser.ids["max"], browser.studio, "look", [AttachedFile("x.svg", script)])

    _, _, headers = await browser.get(f"/cdn{message.files[0].path}")

    assert "application/octet-stream" == headers["Content-Type"]
    assert "attachment" == headers["Content-Disposition"]
    assert headers["Content-Security-Policy"].startswith("sandbox")


async def test_only_the_three_people_can_act(browser: Browser) -> None:
    for user in (browser.ids["Dreambot"], 1, "x"):
        assert 400 == (await browser.get(f"/api/events?user={user}"))[0]


async def test_a_taken_port_raises_an_os_error(browser: Browser) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        page = Page(browser.site, StillProcesses())

        with pytest.raises(OSError, match="in use"):
            await page.start(taken.getsockname()[1])
