"""Delivery: whatever Discord answers in between, there is one final message."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from bot.playground.server.world.permissions import Permission
from bot.storage import Store
from tests.wire.looks import begun, dreamt, is_painting, is_result
from tests.wire.people import Person
from tests.wire.world import World

PATCH = r"PATCH .*/channels/\d+/messages/"
POST = r"POST .*/channels/\d+/messages$"


async def test_a_message_deleted_while_painting_is_followed_by_one_new_message(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    first = await max_.wait_for(answer.message, is_painting)
    world.allow("10008")

    world.delete_behind(first)

    second = await max_.wait_for_message(is_result)
    assert first.id != second.id
    assert [second.id] == [message.id for message in max_.sees()]
    assert "nonce" in next(e for e in reversed(world.site.record.exchanges) if e.method == "POST").body
    answer = await max_.click(second, "Again")
    await max_.wait_for(answer.message, is_result)


async def test_a_job_longer_than_the_interactions_token_is_delivered_all_the_same(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    message = await max_.wait_for(answer.message, is_painting)

    world.forward(16 * 60)

    await max_.wait_for(message, is_result)
    assert [] == [e for e in world.site.record.exchanges if e.route.startswith("/webhooks")]


async def test_a_long_wait_ends_with_one_short_reply_that_pings_the_owner(world: World, max_: Person) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl")
    message = await max_.wait_for(answer.message, is_painting)

    world.forward(61)

    ping = await max_.wait_for_message(lambda m: "ready." in m.content)
    assert f"{max_.mention} your picture is ready." == ping.content
    assert [str(max_.id)] == [user["id"] for user in ping.raw["mentions"]]
    assert str(message.id) == ping.raw["message_reference"]["message_id"]


async def test_a_short_wait_ends_without_a_ping(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl")
    await dreamt(max_, "a fox")

    assert [] == [message for message in max_.sees() if message.raw["mentions"]]


async def test_an_end_before_the_first_subscriber_is_told_to_it(world: World, max_: Person) -> None:
    delivery = world.services.delivery
    [
        unsubscribe() for unsubscribe in delivery._unsubscribe
    ]  # as in the moment between the first command and Discord's word that all is ready
    message = (await max_.slash("dream", prompt="an owl")).message
    async with asyncio.timeout(10):
        while not (await world.jobs_of(max_))[0].state.over:
            await asyncio.sleep(0.01)

    await delivery.resume()

    await max_.wait_for(message, is_result)


async def test_what_is_asked_for_while_the_bot_leaves_is_told_by_the_next(world: World, max_: Person) -> None:
    leaving = world.services.delivery
    await leaving.close()

    message = (await max_.slash("dream", prompt="an owl")).message
    assert {} == leaving._updaters, "nobody would be left to carry it, and the database is about to be closed"
    await world.restart_bot()

    await max_.wait_for(message, is_result)


async def test_a_delivery_that_is_closed_while_it_starts_begins_nothing(
    world: World, max_: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = world.services.delivery
    await dreamt(max_, "an owl")
    await delivery.close()
    delivery._closing = False
    monkeypatch.setattr(delivery, "resume", delivery.close)  # as if the bot were told to leave in that moment

    await delivery.start()

    assert not any(task.get_name() == "delivery sweep" for task in asyncio.all_tasks())


async def test_a_message_too_old_to_be_edited_is_replaced(world: World, max_: Person) -> None:
    first = await begun(max_, "slowly an owl")
    world.allow("30046")

    world.site.limits.old_edits = 0
    world.forward(3700)

    second = await max_.wait_for_message(is_result)

    assert first.id != second.id
    await world.until(lambda: first.gone, what="the old message to go")


async def test_a_picture_over_the_upload_limit_is_re_encoded_with_a_note(world: World, max_: Person) -> None:
    message = await dreamt(max_, "an owl")
    [job] = await world.jobs_of(max_)
    await world.stop_bot()
    Image.linear_gradient("L").resize((1900, 1900)).convert("RGB").save(job.pictures[0].path, compress_level=0)
    async with await Store.open(world.folder) as store, store.transaction() as session:
        await session.run("UPDATE deliveries SET state = 'pending', closed_at = NULL")

    await world.start_bot()

    await max_.wait_for(message, lambda m: "Re-encoded as WebP" in m.text)
    [(name, data)] = message.files.items()
    assert f"{job.id}.webp" == name
    assert len(data) < 10 * 2**20 < job.pictures[0].path.stat().st_size
    assert (1900, 1900) == Image.open(io.BytesIO(data)).size
    info = (await max_.click(message, "Info")).message
    told = (
        "This file: WebP, because the PNG is too large for Discord. It lost some quality and has no replay record. "
        "The PNG is stored by the bot; Upscale and Variation use it."
    )
    assert told in info.text


async def test_a_busy_discord_is_waited_for(world: World, max_: Person) -> None:
    message = await begun(max_, "an owl")
    world.faults.server_error(PATCH, 503, times=2)
    world.faults.rate_limited(PATCH, 0.05)

    await max_.wait_for(message, is_result)


async def test_an_end_that_arrived_although_the_answer_got_lost_is_said_once(world: World, max_: Person) -> None:
    first = await begun(max_, "slowly an owl")
    world.allow("10008")
    world.delete_behind(first)
    world.faults.server_error(POST, 503, after=True)

    await max_.wait_for_message(is_result)

    await world.until(lambda: world.faults.hits == 1, what="the lost answer")
    await dreamt(max_, "a fox")
    assert 2 == len([message for message in max_.sees() if is_result(message)])


async def test_where_the_bot_may_no_longer_write_the_picture_comes_directly(world: World, max_: Person) -> None:
    message = await begun(max_, "slowly an owl")
    world.allow("50001", "50013", "10062", "50027", "could not be delivered")

    world.take_permission(Permission.VIEW_CHANNEL)
    world.expire_tokens()

    direct = await max_.wait_for_message(is_result, channel="dm")
    assert "I could not post this in the channel where you asked, so here it is." == direct.content
    assert not is_result(message)


async def test_an_answer_that_came_too_late_is_a_message_all_the_same(world: World, max_: Person) -> None:
    world.faults.refuse(r"POST .*/callback", 404, 10062, "Unknown interaction")
    world.allow("10062")

    await world.site.people.slash(max_.id, world.channel("studio").id, "dream", {"prompt": "an owl"}).outcome

    message = await max_.wait_for_message(is_result)
    assert [message.id] == [shown.id for shown in max_.sees()]


async def test_many_waiting_jobs_do_not_flood_the_channel(world: World, max_: Person, mo: Person) -> None:
    before = len(world.site.record.exchanges)
    for person in (max_, mo):
        for n in range(3):
            await person.slash("dream", prompt=f"owl {n}")

    await world.until(lambda: sum(map(is_result, max_.sees())) == 6, what="six pictures")

    edits = [e for e in list(world.site.record.exchanges)[before:] if e.method == "PATCH"]
    assert len(edits) < 6 * 12


@pytest.mark.bot(queue={"per_user": 3})
async def test_the_place_in_the_queue_is_kept_up_to_date(world: World, max_: Person) -> None:
    running = await begun(max_, "hang an owl")
    second = (await max_.slash("dream", prompt="a fox")).message
    third = (await max_.slash("dream", prompt="a cat")).message
    assert "Number 2 of 2 in the queue" in third.text

    await max_.click(second, "Cancel")

    await max_.wait_for(third, lambda m: "Next in line" in m.text)
    assert "Getting ready" in running.text
