"""The form behind Remix: words and settings of a result, to be changed.

What is sent back arrives as an interaction that carries the custom id, whether or not this process has shown the form;
`bot.cogs.modal_events` reads it there. So the form works across a restart, and needs no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import discord
from discord import ui

from bot.models.job import JobRow
from bot.requests.derive import dream_of, form_of
from bot.views.base import custom_id

FORM_ID = re.compile(r"dream:form:(?P<job>[0-9a-z]{1,12})")
FIELD = 4000
"""Characters that Discord takes in a field: the parser is the one who measures, and says so in words."""
FORM_SECONDS = 900.0
"""How long discord.py remembers that a form was shown; nothing depends on it."""


class RemixForm(ui.Modal):
    """Prompt, negative prompt and settings of one result. Raises Refused for an enlarged picture."""

    def __init__(self, job: JobRow) -> None:
        prompt, negative, settings = form_of(dream_of(job))
        super().__init__(title="Remix", custom_id=custom_id("form", job.id), timeout=FORM_SECONDS)
        long = discord.TextStyle.paragraph
        self.add_item(
            ui.Label(
                text="Prompt",
                description="Parts are separated by |, and may end in a weight: castle:2 | fog | people:-0.5",
                component=ui.TextInput(custom_id="prompt", style=long, default=prompt, max_length=FIELD),
            )
        )
        self.add_item(
            ui.Label(
                text="Less of",
                description="What the picture should keep away from.",
                component=ui.TextInput(
                    custom_id="negative", default=negative or None, max_length=FIELD, required=False
                ),
            )
        )
        self.add_item(
            ui.Label(
                text="Settings",
                description="The seed is kept, so that you see what your words change. Remove it for a new one.",
                component=ui.TextInput(
                    custom_id="settings", style=long, default=settings, max_length=FIELD, required=False
                ),
            )
        )


def form_values(data: Mapping[str, Any]) -> dict[str, str]:
    """Custom id → text (or the first choice) of every field of a form that was sent, from the interaction's data."""
    return dict(_fields(data.get("components", [])))


def _fields(components: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for component in components:
        inner = component.get("components") or [component[key] for key in ("component",) if key in component]
        if inner:
            yield from _fields(inner)
        elif "custom_id" in component:
            chosen = component.get("values") or [""]
            yield component["custom_id"], str(component.get("value") or chosen[0])
