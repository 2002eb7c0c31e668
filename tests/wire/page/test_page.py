"""The page's HTTP interface: the event stream and the acts of people."""

from __future__ import annotations

import asyncio
import json

import pytest

from bot.playground.server.actions.interactions import Interaction
from tests.wire.page.conftest import Browser
from tests.wire.protocol.acting import answer, button, hook, picture, register
from tests.wire.raw import RawBot

DEFER, MODAL = 5, 9


async def newest(raw: RawBot) -> Interaction:
    """The newest interaction."""
    return max(raw.site.interactions._by_id.values(), key=lambda interaction: interaction.id)


async def test_the_stream_begins_with_a_snapshot_for_the_person(browser: Browser, raw: RawBot) -> None:
    await register(raw)

    async with browser.stream("max") as stream:
        snapshot = await stream.next("snapshot")

    assert str(browser.ids["max"]) == snapshot["me"]
    assert {"olive": "owner", "max": "member", "mo": "moderator"} == {
        user["username"]: user["role"] for user in snapshot["users"] if "role" in user
    }
    names = [channel.get("name") or channel["recipients"][0]["username"] for channel in snapshot["channels"]]
    assert ["studio", "gallery", "quiet", "late-night", "owl studies", "Dreambot", "olive"] == names
    assert ["paint"] == [command["name"] for command in snapshot["commands"]]
    assert (True, "ready") == (snapshot["bot"]["online"], snapshot["engine"]["state"])
    assert snapshot["channel"] in snapshot["permissions"]


async def test_a_command_is_deferred_and_answered_in_the_stream(browser: Browser, raw: RawBot) -> None:
    await register(raw)
    async with browser.stream("max") as stream:
        used = {"type": "slash", "command": "paint", "options": {"prompt": "a fox"}, "nonce": "n1"}
        assert (200, {"ok": True}) == await browser.act("max", used, {"image": picture()})
        interaction = await newest(raw)
        await answer(raw, interaction, {"type": DEFER})
        thinking = await stream.next("message_create")
        done = await stream.next("interaction_done")
        body = {"embeds": [{"image": {"url": "attachment://a.png"}}]}
        await raw.ask("PATCH", hook(raw, interaction, "/messages/@original"), body, {"a.png": picture("blue")})
        shown = await stream.next("message_update")

    assert (128, "n1") == (thinking["flags"], done["nonce"])
    address = shown["embeds"][0]["image"]["proxy_url"]
    assert address.startswith("/cdn/attachments/")
    async with browser.session.get(browser.base + address) as file:
        assert (picture("blue"), "image/png") == (await file.read(), file.content_type)


async def test_a_missing_response_and_a_wrong_command_give_sentences(browser: Browser, raw: RawBot) -> None:
    await register(raw)
    async with browser.stream("max") as stream:
        await browser.act("max", {"type": "slash", "command": "paint", "options": {"prompt": "x"}, "nonce": "n2"})
        browser.site.clock.forward(3.1)
        failed = await stream.next("interaction_failed")

    status, body = await browser.act("max", {"type": "slash", "command": "paint", "options": {}})

    assert ("n2", "The application did not respond") == (failed["nonce"], failed["text"])
    assert (400, "/paint needs 'prompt'.") == (status, body["error"])


async def test_a_modal_is_shown_and_submitted(browser: Browser, raw: RawBot) -> None:
    line = await raw.identify()
    await register(raw)
    field = {"type": 18, "label": "Prompt", "component": {"type": 4, "style": 1, "custom_id": "p"}}
    async with browser.stream("max") as stream:
        await browser.act("max", {"type": "slash", "command": "paint", "options": {"prompt": "x"}})
        form = {"title": "Remix", "custom_id": "m", "components": [field]}
        await answer(raw, await newest(raw), {"type": MODAL, "data": form})
        shown = await stream.next("modal")
        await browser.act("max", {"type": "submit", "modal": shown["id"], "custom_id": "m", "values": {"p": "new"}})

    await line.event("INTERACTION_CREATE")
    sent = (await line.event("INTERACTION_CREATE"))["data"]
    assert ("Remix", "m") == (shown["title"], shown["custom_id"])
    assert "new" == sent["components"][0]["component"]["value"]


async def test_clicks_reactions_messages_and_deletions_reach_the_other_pages(browser: Browser, raw: RawBot) -> None:
    posted = await raw.ask(
        "POST", f"/channels/{browser.studio}/messages", {"content": "x", "components": [button("b")]}
    )
    message = {"message": posted.body["id"]}
    async with browser.stream("mo") as stream:
        await browser.act("max", {"type": "click", "custom_id": "b", **message})
        await browser.act("max", {"type": "react", "emoji": "👍", **message})
        reaction = await stream.next("reaction")
        await browser.act("max", {"type": "unreact", "emoji": "👍", **message})
        await browser.act("max", {"type": "say", "content": "hello"})
        said = await stream.next("message_create")
        await browser.act("mo", {"type": "delete", **message})
        deleted = await stream.next("message_delete")

    assert "b" == (await newest(raw)).data["custom_id"]
    assert [(1, False)] == [(each["count"], each["me"]) for each in reaction["reactions"]]
    assert ("hello", posted.body["id"]) == (said["content"], deleted["id"])


async def test_an_autocomplete_request_returns_the_choices(browser: Browser, raw: RawBot) -> None:
    await register(raw)
    line = await raw.identify()

    async def suggest() -> None:
        told = await line.event("INTERACTION_CREATE")
        interaction = raw.site.interactions.get(int(told["id"]))
        assert interaction is not None
        await answer(raw, interaction, {"type": 8, "data": {"choices": [{"name": "a fox", "value": "a fox"}]}})

    wish = {"type": "autocomplete", "command": "paint", "options": {"prompt": "a"}, "focused": "prompt"}
    (_, body), _ = await asyncio.gather(browser.act("max", wish), suggest())

    assert [{"name": "a fox", "value": "a fox"}] == body["choices"]


async def test_ephemeral_messages_are_shown_to_their_person_only(browser: Browser, raw: RawBot) -> None:
    await register(raw)
    await browser.act("max", {"type": "slash", "command": "paint", "options": {"prompt": "x"}})
    await answer(raw, await newest(raw), {"type": 4, "data": {"content": "psst", "flags": 64}})

    async with browser.stream("max") as mine, browser.stream("mo") as theirs:
        seen = [len((await stream.next("snapshot"))["messages"]) for stream in (mine, theirs)]

    assert [1, 0] == seen


async def test_the_requests_of_the_bot_are_listed_with_their_mistakes(browser: Browser, raw: RawBot) -> None:
    await raw.ask("POST", f"/channels/{browser.studio}/messages", {"content": "x"}, {"a.png": picture()})
    await raw.ask("POST", f"/channels/{browser.studio}/messages", {"content": "x" * 2001})

    body = json.loads((await browser.get("/api/requests?after=0"))[1])
    later = json.loads((await browser.get(f"/api/requests?after={body['last']}"))[1])

    first, second = body["entries"]
    assert ("POST", 200, []) == (first["method"], first["status"], first["findings"])
    assert [{"file": "a.png", "bytes": len(picture())}] == first["body"]["(files)"]
    assert ["refused: 50035 Invalid Form Body"] == second["findings"]
    assert [] == later["entries"]


async def test_refusals_caused_by_a_fault_switch_are_not_counted(browser: Browser, raw: RawBot) -> None:
    """The badge counts `findings`; `note` says what the visitor's own switch did."""
    for switch in ("errors", "permissions"):
        await browser.post("/api/control", {"do": "fault", "id": switch, "on": True})
    for _ in range(3):
        await raw.ask("POST", f"/channels/{browser.studio}/messages", {"content": "x"})
    for switch in ("errors", "permissions"):
        await browser.post("/api/control", {"do": "fault", "id": switch, "on": False})
    browser.site.clock.forward(61)
    await raw.ask("POST", f"/channels/{browser.studio}/messages", {"content": "x" * 2001})

    entries = json.loads((await browser.get("/api/requests?after=0"))[1])["entries"]

    assert [[], [], [], ["refused: 50035 Invalid Form Body"]] == [entry["findings"] for entry in entries]
    refused = "Refused because of a fault that you switched on: 50013 Missing Permissions"
    assert [refused, refused, "Injected: 0 502: Bad Gateway", ""] == [entry["note"] for entry in entries]


async def test_a_one_time_fault_explains_the_refusals_of_the_next_minute(browser: Browser, raw: RawBot) -> None:
    posted = await raw.ask("POST", f"/channels/{browser.studio}/messages", {"content": "x"})
    path = f"/channels/{browser.studio}/messages/{posted.body['id']}"
    await browser.post("/api/control", {"do": "fault", "id": "delete", "on": True})

    await raw.ask("PATCH", path, {"content": "y"})
    browser.site.clock.forward(61)
    await raw.ask("PATCH", path, {"content": "z"})

    entries = json.loads((await browser.get("/api/requests?after=0"))[1])["entries"]
    assert [0, 0, 1] == [len(entry["findings"]) for entry in entries]


async def test_processes_can_be_restarted_and_killed(browser: Browser) -> None:
    done = await browser.post("/api/control", {"do": "restart_bot"})
    refused = await browser.post("/api/control", {"do": "kill_bot"})

    assert (200, ["restart_bot"]) == (done[0], browser.processes.wanted)
    assert (400, {"error": "The bot is not running."}) == refused


async def test_a_state_change_is_sent_to_the_page(browser: Browser) -> None:
    async with browser.stream() as stream:
        await stream.next("snapshot")
        browser.processes.now = {"online": False, "engine": {"state": "gone"}}
        browser.page.send_state()

        assert {"online": False, "engine": {"state": "gone"}} == await stream.next("bot_state")


async def test_fault_switches_turn_on_and_off(browser: Browser, raw: RawBot) -> None:
    async with browser.stream() as stream:
        await stream.next("snapshot")
        await browser.post("/api/control", {"do": "fault", "id": "errors", "on": True})
        told = await stream.next("faults")
    hit = [(await raw.ask("GET", "/users/@me")).status for _ in range(3)]
    await browser.post("/api/control", {"do": "fault", "id": "errors", "on": False})
    spared = [(await raw.ask("GET", "/users/@me")).status for _ in range(3)]

    assert ["errors"] == [switch["id"] for switch in told["faults"] if switch["on"]]
    assert [200, 200, 502] == hit
    assert [200] * 3 == spared


async def test_a_change_of_permissions_sends_a_new_snapshot(browser: Browser, raw: RawBot) -> None:
    async with browser.stream() as stream:
        await stream.next("snapshot")
        await browser.post("/api/control", {"do": "fault", "id": "permissions", "on": True})
        await stream.next("snapshot")
    refused = await raw.ask("POST", f"/channels/{browser.studio}/messages", {"content": "x"})

    assert (403, 50013) == (refused.status, refused.code)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"type": "dance"}, "The request cannot be read: Input tag 'dance'"),
        ({"type": "click", "message": "1", "custom_id": "b"}, "This message no longer exists."),
        ({"type": "say"}, "The request cannot be read: say.content: Field required."),
        ({"type": "say", "content": "x", "channel": "7"}, "You cannot see this channel."),
    ],
)
async def test_impossible_acts_are_refused_with_a_sentence(browser: Browser, body: dict[str, str], words: str) -> None:
    status, answered = await browser.act("max", body)

    assert 400 == status
    assert answered["error"].startswith(words)
