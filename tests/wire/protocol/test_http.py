"""HTTP's rules: who may ask, how often, unknown routes, faults, files of the CDN."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from bot.interactions.connector import Link, connector_from_file, read_link
from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel
from tests.wire.protocol.acting import picture
from tests.wire.raw import API, RawBot


async def test_the_content_type_is_exactly_json(raw: RawBot) -> None:
    reply = await raw.ask("GET", "/users/@me")

    assert "application/json" == reply.headers["Content-Type"]
    assert "Dreambot" == reply.body["username"]


async def test_an_unknown_route_answers_501_with_its_name(raw: RawBot) -> None:
    reply = await raw.ask("GET", "/users/@me/connections")

    assert 501 == reply.status
    assert "GET /users/@me/connections" in reply.body["message"]


async def test_a_wrong_token_and_a_missing_user_agent_are_refused(raw: RawBot) -> None:
    raw.headers = {**raw.headers, "Authorization": "Bot wrong"}
    wrong = await raw.ask("GET", "/users/@me")
    raw.headers = {"Authorization": f"Bot {raw.site.world.app.token}", "User-Agent": "curl/8"}
    rude = await raw.ask("GET", "/users/@me")

    assert (401, 0) == (wrong.status, wrong.code)
    assert (403, 40333) == (rude.status, rude.code)


async def test_broken_json_is_refused(raw: RawBot, studio: Channel) -> None:
    url = f"{API}/channels/{studio.id}/messages"
    headers = {**raw.headers, "Content-Type": "application/json"}

    async with raw.session.post(url, headers=headers, data=b"{") as response:
        assert (400, 50109) == (response.status, (await response.json())["code"])


async def test_every_response_names_its_bucket(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    site.limits.realistic()
    gallery = site.world.channel_named("gallery")

    one = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "x"})
    two = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "x"})
    elsewhere = await raw.ask("POST", f"/channels/{gallery.id}/messages", {"content": "x"})

    remaining = [reply.headers["X-RateLimit-Remaining"] for reply in (one, two, elsewhere)]
    assert ["4", "3", "4"] == remaining
    assert one.headers["X-RateLimit-Bucket"] == elsewhere.headers["X-RateLimit-Bucket"]


async def test_an_empty_bucket_answers_429_until_its_reset(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    site.limits.realistic()
    path = f"/channels/{studio.id}/messages"

    replies = [await raw.ask("POST", path, {"content": "x"}) for _ in range(6)]
    site.clock.forward(replies[-1].body["retry_after"] + 0.01)

    assert [200] * 5 + [429] == [reply.status for reply in replies]
    assert ("user", "Via") == (
        replies[-1].headers["X-RateLimit-Scope"],
        next(k for k in replies[-1].headers if k == "Via"),
    )
    assert 200 == (await raw.ask("POST", path, {"content": "x"})).status
    assert 1 == site.limits.invalid


async def test_the_global_limit_counts_all_requests(raw: RawBot, site: LocalDiscord) -> None:
    site.limits.global_per_second = 3

    replies = [await raw.ask("GET", "/users/@me") for _ in range(4)]

    assert [200, 200, 200, 429] == [reply.status for reply in replies]
    assert (True, "global") == (replies[-1].body["global"], replies[-1].headers["X-RateLimit-Scope"])


async def test_too_many_invalid_requests_lead_to_a_plain_text_ban(raw: RawBot, site: LocalDiscord) -> None:
    site.limits.invalid_allowed = 2
    token, raw.headers = raw.headers, {**raw.headers, "Authorization": "Bot wrong"}
    for _ in range(2):
        await raw.ask("GET", "/users/@me")

    async with raw.session.get(f"{API}/users/@me", headers=token) as response:
        assert (429, "error code: 1015") == (response.status, await response.text())
        assert "Via" not in response.headers
    site.clock.forward(601)
    raw.headers = token
    assert 200 == (await raw.ask("GET", "/users/@me")).status


async def test_faults_apply_in_order_and_once(raw: RawBot, site: LocalDiscord) -> None:
    site.faults.rate_limited("GET /users", 0.01)
    site.faults.server_error("GET /users", 502)
    site.faults.refuse("POST", 403, 20009, "Explicit content cannot be sent to the desired recipient(s)")

    replies = [await raw.ask("GET", "/users/@me") for _ in range(3)]

    assert [429, 502, 200] == [reply.status for reply in replies]
    assert [True, True, False] == [exchange.injected for exchange in site.record.exchanges]


async def test_a_response_can_be_lost_after_the_request(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    site.faults.server_error("POST /channels", 500, after=True)

    reply = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "there"})

    assert 500 == reply.status
    assert ["there"] == [message.content for message in site.messages.of(studio.id)]


async def test_file_urls_are_signed_and_expire(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    reply = await raw.ask("POST", f"/channels/{studio.id}/messages", {}, {"a.png": picture()})
    url = reply.body["attachments"][0]["url"]

    fresh = await raw.fetch(url)
    forged = await raw.fetch(url.replace("hm=", "hm=0"))
    bare = await raw.fetch(url.split("?")[0])
    site.clock.forward(25 * 3600)

    assert (200, picture()) == fresh
    assert [404, 404, 404] == [forged[0], bare[0], (await raw.fetch(url))[0]]
    again = await raw.ask("GET", f"/channels/{studio.id}/messages/{reply.body['id']}")
    assert 200 == (await raw.fetch(again.body["attachments"][0]["url"]))[0]


async def test_a_signature_with_foreign_letters_is_wrong(raw: RawBot, studio: Channel) -> None:
    reply = await raw.ask("POST", f"/channels/{studio.id}/messages", {}, {"a.png": picture()})
    url = reply.body["attachments"][0]["url"]

    assert 404 == (await raw.fetch(url.replace("hm=", "hm=%C3%A4")))[0]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[" * 100_000),
        ("application/json", b"\xff"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Transfer-Encoding: odd\r\n\r\nx\r\n--b--\r\n"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_with_50109(
    raw: RawBot, studio: Channel, kind: str, body: bytes
) -> None:
    headers = {**raw.headers, "Content-Type": kind}
    url = f"{API}/channels/{studio.id}/messages"

    async with raw.session.post(url, headers=headers, data=body) as response:
        answer = await response.json()

    assert (400, 50109) == (response.status, answer["code"])


async def test_no_other_host_can_be_reached(raw: RawBot) -> None:
    with pytest.raises(aiohttp.ClientConnectorError):
        await raw.session.get("https://example.org/")


async def test_the_record_contains_no_tokens(raw: RawBot, site: LocalDiscord) -> None:
    await raw.ask("POST", f"/webhooks/{site.world.app.id}/a-very-secret-token", {"content": "x"})

    assert f"/webhooks/{site.world.app.id}/…" == site.record.exchanges[-1].path


async def test_the_link_file_is_private_and_connects(raw: RawBot, site: LocalDiscord, tmp_path: Path) -> None:
    path = tmp_path / "link.json"
    Link(site.port, site.authority.pem, site.world.app.token).write(path)

    async with aiohttp.ClientSession(connector=connector_from_file(path)) as session:
        response = await session.get(f"{API}/gateway", headers=raw.headers)
        answer = await response.json()

    assert "wss://gateway.discord.gg" == answer["url"]
    assert 0o600 == path.stat().st_mode & 0o777
    assert site.world.app.token not in repr(read_link(path))
