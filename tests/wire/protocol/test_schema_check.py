"""The schema checks find mistakes and name their place."""

from __future__ import annotations

import pytest

from bot.playground.schema_check import check_against, gateway_check
from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.record import Record
from tests.shared import shared
from tests.wire.protocol.acting import button, picture
from tests.wire.raw import RawBot


@pytest.fixture(autouse=True)
def _schemas() -> None:
    """Skips without Discord's schemas."""
    shared("discord", "openapi.json")


def findings(site: LocalDiscord) -> list[str]:
    return site.record.exchanges[-1].findings


async def test_a_valid_request_has_no_findings(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    body = {"content": "x", "components": [button("b")], "attachments": [{"id": 0, "filename": "a.png"}]}

    await raw.ask("POST", f"/channels/{studio.id}/messages", body, {"a.png": picture()})

    assert [] == findings(site)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"content": 7}, "content"),
        ({"embeds": [{"title": "t"}] * 11}, "embeds"),
        ({"embeds": [{"description": 3}]}, "embeds.0.description"),
        ({"components": [{"type": 1, "components": [{"type": 2, "style": 2, "custom_id": "b", "label": 5}]}]}, "label"),
        ({"content": "x", "allowed_mentions": {"parse": ["everybody"]}}, "allowed_mentions"),
    ],
)
async def test_a_wrong_body_is_found_with_its_place(
    raw: RawBot, site: LocalDiscord, studio: Channel, body: Json, where: str
) -> None:
    await raw.ask("POST", f"/channels/{studio.id}/messages", body)

    assert any(text.startswith("request") and where in text for text in findings(site)), findings(site)


async def test_a_body_of_wrong_types_is_refused_and_never_breaks_the_server(
    raw: RawBot, site: LocalDiscord, studio: Channel
) -> None:
    for body in ({"embeds": ["x"]}, {"components": 7}, {"attachments": [1]}, {"flags": "many"}, {"content": ["x"]}):
        reply = await raw.ask("POST", f"/channels/{studio.id}/messages", body)

        assert (400, 50035) == (reply.status, reply.code)
        assert findings(site)


async def test_unknown_routes_and_query_parameters_are_found(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    await raw.ask("GET", f"/channels/{studio.id}/messages?limit=1&offset=2")
    assert any("'offset' is not described" in text for text in findings(site))

    await raw.ask("GET", "/dreams")
    assert ["Discord's description of its API has no such route"] == findings(site)


def test_an_incomplete_event_is_found() -> None:
    judge = gateway_check(shared("discord", "gateway-schema.json"))

    assert ["event (whole): 'channel_id' is a required property"] == judge("MESSAGE_DELETE", {"id": "1"})
    assert [] == judge("MESSAGE_DELETE", {"id": "1", "channel_id": "2"})
    assert [] == judge("SOMETHING_ELSE", {})


def test_a_record_is_checked_by_the_schemas_of_a_folder() -> None:
    record = Record()

    check_against(shared("discord"), record)
    record.add_event("MESSAGE_DELETE", {"id": "1"})

    assert ["MESSAGE_DELETE: event (whole): 'channel_id' is a required property"] == record.findings()
