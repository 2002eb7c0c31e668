"""The fake bot's responses to commands and buttons."""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import TYPE_CHECKING

from tests.browser.fake_data import BOT, COMMANDS, PEOPLE, Json, button, remix_modal, row
from tests.browser.fake_images import paint

if TYPE_CHECKING:
    from tests.browser.fake_server import FakeServer

STEPS = 25
NO_ANSWER = "The application did not respond."


async def play(world: FakeServer, user: str, body: Json) -> None:
    """Respond to an interaction of *user*."""
    if body["type"] == "slash":
        await _slash(world, user, body)
    elif body["type"] == "click":
        await _click(world, user, body)
    elif body["type"] == "context":
        world.tell("interaction_done", {"nonce": body["nonce"]}, user)
        said = world.messages[body["message"]]["content"]
        world.post(body["channel"], BOT, user, content=f"{body['command']}: {said}")
    else:
        world.tell("interaction_done", {"nonce": body["nonce"]}, user)
        await _dream(world, user, body["channel"], str(body["values"]["prompt"]), 1)


async def restart(world: FakeServer, *, whole: bool) -> None:
    """Restart the bot, or only the engine."""
    world.online, world.engine = not whole, "gone"
    world.tell("bot_state", {"online": world.online, "engine": {"state": "gone"}})
    await world.reach("gone")
    world.online, world.engine = True, "ready"
    world.tell("commands", {"commands": COMMANDS})
    world.tell("bot_state", {"online": True, "engine": {"state": "ready"}})


async def _slash(world: FakeServer, user: str, body: Json) -> None:
    nonce, channel, options = body["nonce"], body["channel"], body["options"]
    if options.get("prompt") == "silence":
        await asyncio.sleep(world.step)
        world.tell("interaction_failed", {"nonce": nonce, "text": NO_ANSWER}, user)
        return
    world.tell("interaction_done", {"nonce": nonce}, user)
    if body["command"] == "dream":
        await _dream(world, user, channel, options["prompt"], int(options.get("count", 1)))
    elif body["command"] == "queue":
        world.post(channel, BOT, **_used(user, "queue"), embeds=[_queue()])
    else:
        text = f"You have **87 of 100** units left.\nThe next day begins <t:{int(time.time()) + 3700}:R>."
        world.post(channel, BOT, user, **_used(user, body["command"]), content=text)


def _used(user: str, name: str) -> Json:
    person = next(each for each in PEOPLE if each["id"] == user)
    return {"interaction": {"id": "5", "type": 2, "name": name, "user": person}}


def _queue() -> Json:
    fields = [
        {"name": "1 · Ada", "value": "a fox in fog", "inline": True},
        {"name": "2 · Béla", "value": "castle:2 | fog", "inline": True},
        {"name": "Waiting", "value": f"about <t:{int(time.time()) + 95}:R>", "inline": True},
    ]
    return {"title": "The queue", "description": "Fair by cost between people.", "color": 0xF0B541, "fields": fields}


async def _dream(world: FakeServer, user: str, channel: str, prompt: str, count: int) -> None:
    message = world.post(channel, BOT, flags=128, **_used(user, "dream"))
    world.log("POST", "/interactions/{id}/{token}/callback", 200, {"type": 5})
    job, seed = f"j{message['id']}", zlib.crc32(prompt.encode()) % 9999
    await world.reach("thinking")
    cancel = [row(button("Cancel", f"dream:cancel:{job}", 4))]
    for step in range(0, STEPS + 1, 5):
        if job in world.cancelled:
            world.edit(message, content=f"Cancelled: {prompt}", embeds=[], attachments=[], components=[])
            return
        done = step * 12 // STEPS
        bar = "▰" * done + "▱" * (12 - done)
        line = f"{bar} step {step} of {STEPS} · ready <t:{int(time.time()) + STEPS - step}:R>"
        shot = world.picture(paint(seed, 0.05 + 0.9 * step / STEPS, 128), f"{job}.png", 128)
        embed = {"description": f"**{prompt}**\n\n{line}", "color": 0x4F7CAC, "image": shot}
        world.edit(message, embeds=[embed], components=cancel)
        world.log("PATCH", "/channels/{id}/messages/{id}", 200, {"embeds": [{"description": line}]})
        await world.reach(f"step {step}")
    _finish(world, message, job, prompt, seed, count)


def _finish(world: FakeServer, message: Json, job: str, prompt: str, seed: int, count: int) -> None:
    shots = [world.picture(paint(seed + n, 1.0, 256), f"{job}-{n}.png", 256) for n in range(count)]
    footer = f"seed {seed} · 256×256 · 25 steps · CLIP 0.31 · 4.2 s"
    embed: Json = {"description": f"**{prompt}**", "color": 0x3C9D7F, "footer": {"text": footer}}
    alone = {"embeds": [embed | {"image": shots[0]}]}
    several = {"embeds": [embed], "attachments": shots}
    ups = [button(f"Upscale {n + 1}" if count > 1 else "Upscale", f"dream:up:{job}:{n}", 1) for n in range(count)]
    more = [
        button("Again", f"dream:again:{job}", emoji="🔁"),
        button("Variation", f"dream:vary:{job}"),
        button("Remix", f"dream:remix:{job}"),
        button("Info", f"dream:info:{job}"),
        button("Delete", f"dream:delete:{job}", 4),
    ]
    world.edit(message, **(alone if count == 1 else several), components=[row(*ups), row(*more)])
    finding = "embeds/0/color: 3972479 is a made-up finding"
    world.log("PATCH", "/channels/{id}/messages/{id}", 200, {"embeds": [embed]}, (finding,))


async def _click(world: FakeServer, user: str, body: Json) -> None:
    action = body["custom_id"].split(":")[1]
    message = world.messages[body["message"]]
    job, nonce = body["custom_id"].split(":")[2], body["nonce"]
    words = "".join(embed.get("description", "") for embed in message["embeds"]) or message["content"]
    prompt = words.split("**")[1] if "**" in words else ""
    if action == "remix":
        world.tell("modal", {"nonce": nonce, **remix_modal(job, prompt)}, user)
        return
    if action == "vary":
        await asyncio.sleep(world.step)
        world.tell("interaction_failed", {"nonce": nonce, "text": NO_ANSWER}, user)
        return
    world.tell("interaction_done", {"nonce": nonce}, user)
    if action == "cancel":
        world.cancelled.add(job)
    elif action == "delete":
        world.remove(message["id"])
    elif action == "info":
        command = f"```\n/dream {prompt} seed:7\n```-# model primer · 25 steps"
        world.post(message["channel_id"], BOT, user, content=command)
    elif action == "again":
        await _dream(world, user, message["channel_id"], prompt, 1)
    else:
        await _upscale(world, message)


async def _upscale(world: FakeServer, message: Json) -> None:
    answer = world.post(message["channel_id"], BOT, flags=128, **world.answering(message["id"]))
    await asyncio.sleep(world.step * 3)
    world.edit(
        answer,
        content="1024 × 1024",
        attachments=[world.picture(paint(message_seed(message), 1, 1024), "big.png", 1024)],
    )


def message_seed(message: Json) -> int:
    """The seed in a finished message."""
    return int(message["embeds"][0]["footer"]["text"].split()[1])
