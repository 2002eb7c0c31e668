"""The data of the fake server as Discord's JSON: people, channels, commands."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

PEOPLE: list[Json] = [
    {"id": "101", "username": "ada", "global_name": "Ada", "role": "owner"},
    {"id": "102", "username": "bela", "global_name": "Béla", "role": "member"},
    {"id": "103", "username": "cleo", "global_name": "Cleo", "role": "moderator"},
]
BOT: Json = {"id": "900", "username": "dreambot", "bot": True}

CHANNELS: list[Json] = [
    {"id": "1", "type": 0, "name": "dreams", "topic": "Paint here. Remix each other."},
    {"id": "2", "type": 0, "name": "announcements", "topic": "The bot may not post here."},
    {"id": "3", "type": 0, "name": "after-dark", "nsfw": True},
    {"id": "4", "type": 11, "name": "owl studies", "parent_id": "1"},
    {"id": "5", "type": 1, "recipients": [BOT]},
]

COMMANDS: list[Json] = [
    {
        "id": "700",
        "name": "dream",
        "type": 1,
        "description": "Paint a picture from words",
        "options": [
            {
                "type": 3,
                "name": "prompt",
                "description": "What to paint, as in: castle:2 | fog | people:-0.5",
                "required": True,
                "autocomplete": True,
            },
            {"type": 3, "name": "negative", "description": "What to keep out"},
            {"type": 11, "name": "image", "description": "A picture to begin with"},
            {
                "type": 3,
                "name": "method",
                "description": "How it is painted",
                "choices": [{"name": n, "value": n} for n in ("clip_diffusion", "pixels")],
            },
            {"type": 3, "name": "model", "description": "Which weights", "autocomplete": True},
            {"type": 3, "name": "size", "description": "Width x height, as in 256x256", "autocomplete": True},
            {
                "type": 4,
                "name": "steps",
                "description": "More is slower and cleaner",
                "min_value": 2,
                "max_value": 1000,
            },
            {
                "type": 4,
                "name": "seed",
                "description": "The same seed paints the same picture",
                "min_value": 0,
                "max_value": 4294967295,
            },
            {"type": 4, "name": "count", "description": "How many pictures", "min_value": 1, "max_value": 4},
            {"type": 5, "name": "private", "description": "Show it to me only"},
        ],
    },
    {"id": "701", "name": "queue", "type": 1, "description": "Who is next, and when", "options": []},
    {
        "id": "705",
        "name": "history",
        "type": 1,
        "description": "Your pictures",
        "options": [{"type": 5, "name": "kept", "description": "Only the saved ones"}],
    },
    {"id": "702", "name": "quota", "type": 1, "description": "What is left of today's allowance", "options": []},
    {"id": "704", "name": "Describe", "type": 3, "description": ""},
    {
        "id": "703",
        "name": "gallery",
        "type": 1,
        "description": "Pictures of this server",
        "options": [{"type": 1, "name": "best", "description": "The most loved ones", "options": []}],
    },
]

SUGGESTIONS = {
    "model": ["primer", "adm-256", "lsun-bedroom", "oil paint"],
    "size": ["256x256", "320x256", "256x320", "512x512"],
}


def button(label: str, custom_id: str, style: int = 2, *, disabled: bool = False, emoji: str = "") -> Json:
    """A button of an action row."""
    face = {"emoji": {"id": None, "name": emoji}} if emoji else {}
    return {"type": 2, "style": style, "label": label, "custom_id": custom_id, "disabled": disabled, **face}


def row(*components: Json) -> Json:
    """An action row."""
    return {"type": 1, "components": list(components)}


def remix_modal(job: str, prompt: str) -> Json:
    """The modal of the Remix button."""
    text = {"type": 4, "style": 2, "custom_id": "prompt", "value": prompt, "required": True, "max_length": 1000}
    steps = {"type": 4, "style": 1, "custom_id": "steps", "value": "25", "required": False, "max_length": 4}
    return {
        "id": f"modal-{job}",
        "custom_id": f"dream:remix:{job}",
        "title": "Remix this picture",
        "components": [
            {
                "type": 18,
                "label": "Prompt",
                "description": "Parts are separated by |, weights follow a colon",
                "component": text,
            },
            {"type": 18, "label": "Steps", "component": steps},
            {"type": 99, "custom_id": "future"},
        ],
    }
