"""Interactions: deadlines, callback types, tokens, follow-ups."""

from __future__ import annotations

import pytest

from bot.playground.server.actions.interactions import InteractionType
from bot.playground.server.actions.people import AttachedFile, NotPossibleError
from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import EPHEMERAL
from tests.wire.protocol.acting import PAINT, answer, button, hook, picture, register, used
from tests.wire.raw import RawBot

MESSAGE, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
FORM = {
    "title": "Remix",
    "custom_id": "remix",
    "components": [
        {"type": 18, "label": "Prompt", "component": {"type": 4, "style": 1, "custom_id": "p", "value": "old"}}
    ],
}


async def test_a_command_reaches_the_bot_with_member_and_channel(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    line = await raw.identify()

    await used(raw, max_id, studio, steps="3")
    told = await line.event("INTERACTION_CREATE")

    assert (2, "paint") == (told["type"], told["data"]["name"])
    assert [("prompt", "a fox"), ("steps", 3)] == [(o["name"], o["value"]) for o in told["data"]["options"]]
    assert str(max_id) == told["member"]["user"]["id"]
    assert (str(studio.id), 0, 10 * 2**20) == (told["channel"]["id"], told["context"], told["attachment_size_limit"])


async def test_a_response_names_command_and_user(raw: RawBot, studio: Channel, max_id: int) -> None:
    interaction = await used(raw, max_id, studio)

    reply = await answer(raw, interaction, {"type": MESSAGE, "data": {"content": "hello"}})

    message = reply.body["resource"]["message"]
    assert (20, "hello") == (message["type"], message["content"])
    assert ("paint", str(max_id)) == (message["interaction"]["name"], message["interaction_metadata"]["user"]["id"])


async def test_a_second_answer_is_refused(raw: RawBot, studio: Channel, max_id: int) -> None:
    interaction = await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": DEFER})

    again = await answer(raw, interaction, {"type": MESSAGE, "data": {"content": "twice"}})

    assert (400, 40060) == (again.status, again.code)


async def test_a_late_response_is_refused_and_the_person_sees_a_failure(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    interaction = await used(raw, max_id, studio)

    site.clock.forward(3.1)
    late = await answer(raw, interaction, {"type": DEFER})

    assert "The application did not respond" == interaction.outcome.result().failed
    assert (404, 10062) == (late.status, late.code)


async def test_filling_in_a_deferral_does_not_count_as_an_edit(raw: RawBot, studio: Channel, max_id: int) -> None:
    interaction = await used(raw, max_id, studio)
    deferred = await answer(raw, interaction, {"type": DEFER})
    assert interaction.original is not None
    waited = interaction.original.loading

    filled = await raw.ask("PATCH", hook(raw, interaction, "/messages/@original"), {"content": "done"})
    edited = await raw.ask("PATCH", hook(raw, interaction, "/messages/@original"), {"content": "better"})

    assert waited
    assert deferred.body["interaction"]["response_message_loading"]
    assert (0, None) == (filled.body["flags"], filled.body["edited_timestamp"])
    assert edited.body["edited_timestamp"]


async def test_the_first_follow_up_fills_a_deferral_in_without_its_ephemeral_flag(
    raw: RawBot, studio: Channel, max_id: int
) -> None:
    interaction = await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": DEFER})

    first = await raw.ask("POST", hook(raw, interaction), {"content": "one", "flags": EPHEMERAL})
    second = await raw.ask("POST", hook(raw, interaction), {"content": "two", "flags": EPHEMERAL})

    assert interaction.original is not None
    assert (str(interaction.original.id), 0) == (first.body["id"], first.body["flags"])
    assert EPHEMERAL == second.body["flags"]


async def test_a_token_expires_after_15_minutes_but_the_bot_token_still_edits(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    interaction = await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": MESSAGE, "data": {"content": "hello"}})
    assert interaction.original is not None

    site.clock.forward(15 * 60 + 1)
    late = await raw.ask("PATCH", hook(raw, interaction, "/messages/@original"), {"content": "late"})
    path = f"/channels/{studio.id}/messages/{interaction.original.id}"
    edited = await raw.ask("PATCH", path, {"content": "in time"})

    assert (401, 50027) == (late.status, late.code)
    assert (200, "in time") == (edited.status, edited.body["content"])


async def test_a_webhook_does_not_exist_before_the_first_response(raw: RawBot, studio: Channel, max_id: int) -> None:
    interaction = await used(raw, max_id, studio)

    early = await raw.ask("POST", hook(raw, interaction), {"content": "early"})

    assert (404, 10015) == (early.status, early.code)


async def test_an_ephemeral_response_is_invisible_to_channel_routes(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, mo_id: int
) -> None:
    line = await raw.identify()
    interaction = await used(raw, max_id, studio)
    reply = await answer(raw, interaction, {"type": MESSAGE, "data": {"content": "psst", "flags": EPHEMERAL}})
    site.people.say(max_id, studio.id, "aloud")

    path = f"/channels/{studio.id}/messages"
    found = await raw.ask("GET", f"{path}/{reply.body['resource']['message']['id']}")
    listed = await raw.ask("GET", path)

    assert ["psst", "aloud"] == [message.content for message in site.messages.seen_by(studio.id, max_id)]
    assert ["aloud"] == [message.content for message in site.messages.seen_by(studio.id, mo_id)]
    assert (404, 1) == (found.status, len(listed.body))
    assert str(max_id) == (await line.event("MESSAGE_CREATE"))["author"]["id"]


async def test_a_click_contains_the_message_and_can_change_it(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    line = await raw.identify()
    posted = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "old", "components": [button("b")]})
    message = site.messages.get(studio.id, int(posted.body["id"]))
    assert message is not None

    press = site.people.click(max_id, message, "b")
    told = await line.event("INTERACTION_CREATE")
    reply = await answer(raw, press, {"type": UPDATE, "data": {"content": "new", "components": []}})

    assert ("b", "old") == (told["data"]["custom_id"], told["message"]["content"])
    assert ("new", []) == (message.content, message.components)
    assert str(message.id) == reply.body["resource"]["message"]["id"]


async def test_a_deferred_update_leaves_the_message_and_original_means_it(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    posted = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "old", "components": [button("b")]})
    message = site.messages.get(studio.id, int(posted.body["id"]))
    assert message is not None

    press = site.people.click(max_id, message, "b")
    await answer(raw, press, {"type": DEFER_UPDATE})
    follow = await raw.ask("POST", hook(raw, press), {"content": "beside"})
    edited = await raw.ask("PATCH", hook(raw, press, "/messages/@original"), {"content": "changed"})

    assert str(message.id) == edited.body["id"]
    assert (19, str(message.id)) == (follow.body["type"], follow.body["message_reference"]["message_id"])


async def test_a_modal_opens_and_is_submitted(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    line = await raw.identify()
    interaction = await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": MODAL, "data": FORM})

    site.people.submit(max_id, interaction, {"p": "new"})
    await line.event("INTERACTION_CREATE")
    told = await line.event("INTERACTION_CREATE")

    assert (5, "remix") == (told["type"], told["data"]["custom_id"])
    assert "new" == told["data"]["components"][0]["component"]["value"]


async def test_required_fields_must_be_filled_in(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    interaction = await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": MODAL, "data": FORM})

    with pytest.raises(NotPossibleError, match="p must not be empty"):
        site.people.submit(max_id, interaction, {"p": ""})
    with pytest.raises(NotPossibleError, match="no field 'q'"):
        site.people.submit(max_id, interaction, {"q": "x"})


@pytest.mark.parametrize(("kind", "callback"), [("command", UPDATE), ("command", CHOICES), ("form", MODAL)])
async def test_a_callback_of_the_wrong_type_is_refused(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, kind: str, callback: int
) -> None:
    interaction = await used(raw, max_id, studio)
    if kind == "form":
        await answer(raw, interaction, {"type": MODAL, "data": FORM})
        interaction = site.people.submit(max_id, interaction, {})

    reply = await answer(raw, interaction, {"type": callback, "data": FORM})

    assert (400, 50035) == (reply.status, reply.code)


async def test_autocomplete_contains_the_typed_values(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    await register(raw)
    line = await raw.identify()

    asked = site.people.autocomplete(max_id, studio.id, "paint", {"prompt": "a f", "steps": "many"}, "prompt")
    told = await line.event("INTERACTION_CREATE")
    await answer(raw, asked, {"type": CHOICES, "data": {"choices": [{"name": "a fox", "value": "a fox"}]}})

    assert InteractionType.AUTOCOMPLETE == told["type"]
    assert [{"name": "prompt", "type": 3, "value": "a f", "focused": True}] == told["data"]["options"]
    assert "a fox" == asked.outcome.result().choices[0]["value"]


async def test_more_than_25_choices_are_refused(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    await register(raw)
    asked = site.people.autocomplete(max_id, studio.id, "paint", {}, "prompt")

    reply = await answer(
        raw, asked, {"type": CHOICES, "data": {"choices": [{"name": f"{n}", "value": "x"} for n in range(26)]}}
    )

    assert (400, 50035) == (reply.status, reply.code)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs 'prompt'"),
        ({"prompt": "x", "steps": 10}, "1 to 9, not 10"),
        ({"prompt": "x", "steps": "many"}, "not a number"),
        ({"prompt": "x", "style": "ink"}, "not offered"),
        ({"prompt": "x", "size": 3}, "no option 'size'"),
    ],
)
async def test_a_client_refuses_what_does_not_fit_the_command(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, options: dict[str, object], words: str
) -> None:
    await register(raw)

    with pytest.raises(NotPossibleError, match=words):
        site.people.slash(max_id, studio.id, "paint", options)


async def test_an_attachment_option_contains_an_expiring_url(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    await register(raw)
    line = await raw.identify()

    site.people.slash(max_id, studio.id, "paint", {"prompt": "x"}, {"image": AttachedFile("my photo.png", picture())})
    told = (await line.event("INTERACTION_CREATE"))["data"]
    attachment = told["resolved"]["attachments"][told["options"][1]["value"]]

    assert ("my_photo.png", 24, "image/png") == tuple(attachment[key] for key in ("filename", "width", "content_type"))
    assert "/ephemeral-attachments/" in attachment["url"]
    assert (200, picture()) == await raw.fetch(attachment["url"])


async def test_in_a_direct_message_there_is_a_user_without_a_member(
    raw: RawBot, site: LocalDiscord, max_id: int
) -> None:
    line = await raw.identify()
    dm = site.world.dm(max_id, site.world.app.id)
    assert dm is not None

    await used(raw, max_id, dm)
    told = await line.event("INTERACTION_CREATE")

    assert (1, str(max_id)) == (told["context"], told["user"]["id"])
    assert "guild_id" not in told and "member" not in told


async def test_a_user_installation_allows_five_follow_ups(raw: RawBot, site: LocalDiscord, max_id: int) -> None:
    line = await raw.identify()
    talk = site.world.dm(max_id, site.world.app.owner_id)
    assert talk is not None
    await register(raw, {**PAINT, "integration_types": [0, 1], "contexts": [0, 1, 2]})
    interaction = site.people.slash(max_id, talk.id, "paint", {"prompt": "a fox"})
    told = await line.event("INTERACTION_CREATE")
    await answer(raw, interaction, {"type": MESSAGE, "data": {"content": "hello"}})

    sent = [await raw.ask("POST", hook(raw, interaction), {"content": f"{n}"}) for n in range(6)]
    outside = await raw.ask("POST", f"/channels/{talk.id}/messages", {"content": "no"})

    assert (2, {"1": str(max_id)}) == (told["context"], told["authorizing_integration_owners"])
    assert [200] * 5 + [400] == [reply.status for reply in sent]
    assert (403, 50001) == (outside.status, outside.code)


async def test_a_user_menu_resolves_the_chosen_users(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, mo_id: int
) -> None:
    line = await raw.identify()
    menu = {"type": 1, "components": [{"type": 5, "custom_id": "who", "max_values": 2}]}
    posted = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "who?", "components": [menu]})
    message = site.messages.get(studio.id, int(posted.body["id"]))
    assert message is not None

    site.people.click(max_id, message, "who", [str(mo_id)])
    data = (await line.event("INTERACTION_CREATE"))["data"]

    assert [str(mo_id)] == data["values"]
    assert "mo" == data["resolved"]["users"][str(mo_id)]["username"]
    assert data["resolved"]["members"][str(mo_id)]["roles"]
    with pytest.raises(NotPossibleError, match="choose 1 to 2 values, not 0"):
        site.people.click(max_id, message, "who", [])


async def test_a_file_can_be_uploaded_in_a_modal(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    line = await raw.identify()
    interaction = await used(raw, max_id, studio)
    field = {"type": 18, "label": "Picture", "component": {"type": 19, "custom_id": "file"}}
    form = {"title": "T", "custom_id": "m", "components": [field]}
    await answer(raw, interaction, {"type": MODAL, "data": form})

    site.people.submit(max_id, interaction, {"file": AttachedFile("a.png", picture())})
    await line.event("INTERACTION_CREATE")
    data = (await line.event("INTERACTION_CREATE"))["data"]

    chosen = data["components"][0]["component"]["values"][0]
    assert (200, picture()) == await raw.fetch(data["resolved"]["attachments"][chosen]["url"])


EVERY_FIELD: list[Json] = [
    {"type": 4, "custom_id": "text", "style": 1},
    {"type": 3, "custom_id": "menu", "options": [{"label": w, "value": w} for w in "ab"], "max_values": 2},
    {"type": 5, "custom_id": "who"},
    {"type": 21, "custom_id": "one", "options": [{"label": w, "value": w} for w in "ab"]},
    {"type": 22, "custom_id": "some", "options": [{"label": w, "value": w, "default": w == "a"} for w in "ab"]},
]


def labelled(fields: list[Json]) -> Json:
    """A form with one label for each field."""
    parts = [{"type": 18, "label": field["custom_id"], "component": field} for field in fields]
    return {"title": "T", "custom_id": "m", "components": parts}


async def test_every_kind_of_field_can_be_filled_in(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    line, interaction = await raw.identify(), await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": MODAL, "data": labelled(EVERY_FIELD)})

    site.people.submit(max_id, interaction, {"text": "t", "menu": ["a", "b"], "who": [str(max_id)], "one": "b"})
    await line.event("INTERACTION_CREATE")
    sent = (await line.event("INTERACTION_CREATE"))["data"]

    values = [part["component"].get("values", part["component"].get("value")) for part in sent["components"]]
    assert ["t", ["a", "b"], [str(max_id)], "b", ["a"]] == values
    assert [str(max_id)] == list(sent["resolved"]["users"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"menu": []}, "menu must be chosen"),
        ({"menu": ["a", "c"]}, "menu: .* is not offered"),
        ({"who": ["1", "2"]}, "who: choose 1 to 1 values, not 2"),
        ({"one": "z"}, "one: .* is not offered"),
        ({"some": []}, "some must be chosen"),
    ],
)
async def test_a_modal_menu_accepts_offered_values_only(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, values: Json, words: str
) -> None:
    interaction = await used(raw, max_id, studio)
    await answer(raw, interaction, {"type": MODAL, "data": labelled(EVERY_FIELD)})
    good = {"text": "t", "menu": ["a"], "who": [str(max_id)], "one": "b"}

    with pytest.raises(NotPossibleError, match=words):
        site.people.submit(max_id, interaction, {**good, **values})


async def test_a_button_is_not_allowed_in_a_modal(raw: RawBot, studio: Channel, max_id: int) -> None:
    interaction = await used(raw, max_id, studio)
    field = {"type": 2, "style": 1, "label": "x", "custom_id": "b"}

    refused = await answer(raw, interaction, {"type": MODAL, "data": labelled([field])})

    assert (400, 50035) == (refused.status, refused.code)
