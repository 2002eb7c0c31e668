"""The form behind Upscale, where the engine has more upscalers than those that ship with it: which, and how far.

What is sent back arrives as an interaction that carries the custom id; `bot.cogs.modal_upscale` reads it there, also
after a
restart. Where there is nothing to choose, there is no form: one press enlarges.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import discord
from discord import ui

from bot.models.job import JobRow
from bot.views.base import custom_id
from bot.views.remix_modal import FORM_SECONDS
from engine.requests.request import AUTO, LEARNED, SHIPPED, best_upscaler

UPSCALE_ID = re.compile(r"dream:upform:(?P<job>[0-9a-z]{1,12})(?::(?P<index>[0-9]{1,2}))?")
WORDS = {2: "twice as large", 3: "three times", 4: "four times", 8: "eight times"}
MOST = 24
"""Discord shows 25 options at most, and one of them is the best of them."""


def is_choice(upscalers: Sequence[str]) -> bool:
    """Whether there is more than what always is."""
    return any(name not in SHIPPED for name in upscalers)


class UpscaleForm(ui.Modal):
    """Which of *upscalers*, and which of *scales*; the first of those is what is usual."""

    def __init__(self, job: JobRow, index: int | None, upscalers: Sequence[str], scales: Sequence[int]) -> None:
        super().__init__(title="Upscale", custom_id=custom_id("upform", job.id, index), timeout=FORM_SECONDS)
        best = best_upscaler(upscalers, scales[0])
        how = [discord.SelectOption(value=AUTO, label="The best here", description=best, default=True)]
        how += [
            discord.SelectOption(value=name, label=name, description=({**LEARNED, **SHIPPED}).get(name))
            for name in upscalers[:MOST]
        ]
        far = [
            discord.SelectOption(value=str(scale), label=WORDS[scale], default=scale == scales[0])
            for scale in sorted(scales)
        ]
        self.add_item(ui.Label(text="How", component=ui.Select(custom_id="upscaler", options=how)))
        self.add_item(ui.Label(text="How far", component=ui.Select(custom_id="scale", options=far)))
