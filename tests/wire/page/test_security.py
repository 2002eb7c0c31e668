"""The page's server is for this machine's own page only."""

from __future__ import annotations

import socket

import pytest

from bot.playground.page_server import Page
from bot.playground.server.actions.people import Attached
from tests.wire.page.conftest import Browser, StillMachine


async def test_it_listens_on_loopback_only(browser: Browser) -> None:
    assert browser.page._engine_loop is not None
    assert [("127.0.0.1", browser.page.port)] == browser.page._engine_loop.addresses


@pytest.mark.parametrize("path", ["/", "/static/js/app.js", "/play/sent", "/nowhere"])
async def test_every_answer_carries_the_strict_headers(browser: Browser, path: str) -> None:
    _, _, headers = await browser.get(path)

    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert ("nosniff", "no-store") == (headers["X-Content-Type-Options"], headers["Cache-Control"])


async def test_another_name_for_this_machine_is_refused(browser: Browser) -> None:
    assert 421 == (await browser.get("/", Host=f"evil.example:{browser.page.port}"))[0]
    assert 200 == (await browser.get("/", Host=f"localhost:{browser.page.port}"))[0]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_other_sites_cannot_act(browser: Browser, origin: str) -> None:
    status, _ = await browser.post("/play/control", {"do": "restart_bot"}, Origin=origin)

    assert (403, []) == (status, browser.machine.wishes)


async def test_an_act_without_an_origin_is_refused(browser: Browser) -> None:
    async with browser.session.post(f"{browser.base}/play/control", json={"do": "restart_bot"}) as response:
        assert 403 == response.status


async def test_other_sites_cannot_embed_anything(browser: Browser) -> None:
    assert 403 == (await browser.get("/play/sent", **{"Sec-Fetch-Site": "cross-site"}))[0]
    assert 200 == (await browser.get("/play/sent", **{"Sec-Fetch-Site": "same-origin"}))[0]


@pytest.mark.parametrize("path", ["/static/../page.py", "/static/%2e%2e/page.py", "/static//etc/passwd", "/static/x"])
async def test_only_the_pages_own_files_are_served(browser: Browser, path: str) -> None:
    assert 404 == (await browser.get(path))[0]


async def test_an_upload_that_is_no_picture_is_never_shown_in_the_pages_name(browser: Browser) -> None:
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    message = browser.site.people.say(browser.ids["max"], browser.studio, "look", [Attached("x.svg", script)])

    _, _, headers = await browser.get(f"/cdn{message.files[0].path}")

    assert "application/octet-stream" == headers["Content-Type"]
    assert "attachment" == headers["Content-Disposition"]
    assert headers["Content-Security-Policy"].startswith("sandbox")


async def test_nobody_acts_as_the_bot_or_a_stranger(browser: Browser) -> None:
    for user in (browser.ids["Dreambot"], 1, "x"):
        assert 400 == (await browser.get(f"/play/events?user={user}"))[0]


async def test_a_taken_port_is_an_error_that_can_be_tried_around(browser: Browser) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        page = Page(browser.site, StillMachine())

        with pytest.raises(OSError, match="in use"):
            await page.start(taken.getsockname()[1])
