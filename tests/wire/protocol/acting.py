"""Shortcuts of the protocol tests: commands to use, messages to look at."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from bot.playground.server.actions.interactions import Interaction
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from tests.wire.raw import RawBot, Reply

PAINT: Json = {
    "name": "paint",
    "description": "Paint",
    "options": [
        {"type": 3, "name": "prompt", "description": "What", "required": True, "autocomplete": True},
        {"type": 4, "name": "steps", "description": "How long", "min_value": 1, "max_value": 9},
        {"type": 11, "name": "image", "description": "From what"},
        {"type": 3, "name": "style", "description": "How", "choices": [{"name": "Oil", "value": "oil"}]},
    ],
}


def picture(color: str = "red", size: int = 24) -> bytes:
    """A PNG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), color).save(out, "PNG")
    return out.getvalue()


def button(custom_id: str, label: str = "Press", **more: Any) -> Json:
    """A row with one button."""
    return {"type": 1, "components": [{"type": 2, "style": 2, "label": label, "custom_id": custom_id, **more}]}


async def register(raw: RawBot, *commands: Json) -> list[Json]:
    """Register *commands*; returns the registered commands."""
    app = raw.site.world.app.id
    reply = await raw.ask("PUT", f"/applications/{app}/commands", list(commands or (PAINT,)))
    assert 200 == reply.status, reply.body
    registered: list[Json] = reply.body
    return registered


async def used(raw: RawBot, user: int, channel: Channel, **options: Any) -> Interaction:
    """Register /paint and use it."""
    await register(raw)
    return raw.site.people.slash(user, channel.id, "paint", {"prompt": "a fox", **options})


async def answer(raw: RawBot, interaction: Interaction, body: Json, files: dict[str, bytes] | None = None) -> Reply:
    """Send a callback."""
    path = f"/interactions/{interaction.id}/{interaction.token}/callback?with_response=1"
    return await raw.ask("POST", path, body, files)


def hook(raw: RawBot, interaction: Interaction, rest: str = "") -> str:
    """A path below the interaction's webhook."""
    return f"/webhooks/{raw.site.world.app.id}/{interaction.token}{rest}"
