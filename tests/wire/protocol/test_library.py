"""The real discord.py on the local Discord: everything once, as a bot meets it."""

from __future__ import annotations

import discord
import pytest

from bot.interactions.connector import HOSTS, local_connector
from tests.wire import schemas
from tests.wire.people import upload
from tests.wire.protocol_bot import ProtocolBot, picture
from tests.wire.world import World


async def test_a_command_with_an_image_is_deferred_and_edited(protocol: World) -> None:
    answer = await protocol.max.slash("paint", prompt="a fox", steps=2, image=upload(picture("green")))
    thinking = answer.message.history[0]

    message = await protocol.max.wait_for(answer.message, lambda m: m.content == "done")

    assert 128 == thinking["flags"]
    assert picture("green") == protocol.bot.fetched
    assert ["1/2", "2/2", "done"] == [state["content"] for state in message.history[1:]]
    assert {"p.png": picture("red")} == message.files
    assert "a fox" in message.text


async def test_a_button_works_and_still_works_after_a_restart_of_the_bot(protocol: World) -> None:
    message = (await protocol.max.slash("paint", prompt="a fox")).message
    await protocol.max.wait_for(message, lambda m: m.buttons)

    first = await protocol.mo.click(message, "Again 7")
    await protocol.until(lambda: first.messages)
    await protocol.restart_bot()
    second = await protocol.max.click(message, "Again 7")
    await protocol.until(lambda: second.messages)

    assert ["again 7", "again 7"] == [m.content for m in protocol.mo.sees() if m.id != message.id]


async def test_a_modal_is_opened_submitted_and_answered(protocol: World) -> None:
    opened = await protocol.max.slash("form")

    answer = await protocol.max.submit(opened, prompt="a new fox")

    assert "Remix" == opened.modal["title"]
    assert "remixed a new fox" == answer.message.content


async def test_autocomplete_returns_choices(protocol: World) -> None:
    choices = await protocol.max.autocomplete("paint", "prompt", prompt="an owl")

    assert [{"name": "an owl in fog", "value": "an owl in fog"}] == choices


async def test_an_ephemeral_response_is_for_one_person(protocol: World) -> None:
    answer = await protocol.max.slash("whisper")

    assert answer.message.ephemeral
    assert [] == protocol.mo.sees()


async def test_a_layout_view_shows_its_image(protocol: World) -> None:
    answer = await protocol.max.slash("layout")

    assert "a gallery" == answer.message.text
    assert [picture()] == answer.message.pictures


async def test_a_second_answer_is_refused(protocol: World) -> None:
    protocol.allow("40060")

    answer = await protocol.max.slash("twice")

    await protocol.until(lambda: len(answer.messages) == 2)
    assert "refused 40060" == answer.messages[1].content


async def test_a_missing_response_is_shown_as_a_failure(protocol: World) -> None:
    asked = protocol.site.people.slash(protocol.max.id, protocol.channel("studio").id, "silent")

    protocol.forward(3.1)

    assert "The application did not respond" == (await asked.outcome).failed


async def test_reactions_during_a_broken_connection_reach_the_bot(protocol: World) -> None:
    message = protocol.max.say("look")
    protocol.max.react(message, "👍")
    await protocol.until(lambda: protocol.bot.reactions == ["👍"])

    protocol.site.gateway.cut()
    protocol.max.react(message, "❌")

    await protocol.until(lambda: protocol.bot.reactions == ["👍", "❌"])
    assert protocol.bot.resumed.is_set()


async def test_a_rate_limited_upload_is_sent_again_completely(protocol: World) -> None:
    protocol.faults.rate_limited("PATCH /webhooks", 0.02)

    answer = await protocol.max.slash("paint", prompt="a fox", steps=1)
    await protocol.max.wait_for(answer.message, lambda m: m.content == "done")

    sizes = [exchange.files[0][2] for exchange in protocol.site.record.exchanges if exchange.method == "PATCH"]
    assert [len(picture("blue")), len(picture("blue")), len(picture("red"))] == sizes


async def test_only_hosts_of_discord_are_resolved(protocol: World) -> None:
    await protocol.max.slash("whisper")

    assert {"discord.com", "gateway.discord.gg"} <= protocol.asked <= set(HOSTS)


async def test_a_wrong_token_is_a_login_failure(protocol: World) -> None:
    protocol.allow("401")
    async with ProtocolBot(local_connector(protocol.site.port, protocol.site.authority.pem)) as stranger:
        with pytest.raises(discord.LoginFailure):
            await stranger.start("wrong")


async def test_a_disallowed_privileged_intent_is_refused(protocol: World) -> None:
    intents = discord.Intents(guilds=True, message_content=True)
    connector = local_connector(protocol.site.port, protocol.site.authority.pem)
    async with ProtocolBot(connector, intents) as curious:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await curious.start(protocol.site.world.app.token)


def test_the_schemas_are_present_or_the_test_is_skipped() -> None:
    if not schemas.present():
        pytest.skip("Discord's schemas are not in a folder “shared” beside the checkout: exchanges go unjudged")
    assert (schemas.FOLDER / "openapi.json").stat().st_size > 100_000
