"""The Upscale modal: choice of upscaler and scale, where more upscalers are installed than the bundled ones.

Where there is no choice, a press upscales at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import ui

from bot.errors import Refused
from bot.models.job import JobRow, PictureRow
from bot.text import listed
from bot.views.base import Press, custom_id, modal_values
from bot.views.remix_modal import MODAL_SECONDS
from engine.requests.request import AUTO, LEARNED, SHIPPED, best_upscaler

SCALES = (2, 3, 4, 8)
MOST = 24
"""Upscalers in the menu; Discord allows 25 options, and the first is “automatic”."""


def is_choice(upscalers: Sequence[str]) -> bool:
    """Whether upscalers other than the bundled ones are installed."""
    return any(name not in SHIPPED for name in upscalers)


class UpscaleModal(ui.Modal):
    """A choice of *upscalers* and *scales* for *picture*. The first scale is the default."""

    def __init__(
        self, job: JobRow, index: int | None, picture: PictureRow, upscalers: Sequence[str], scales: Sequence[int]
    ) -> None:
        super().__init__(title="Upscale", custom_id=custom_id("upform", job.id, index), timeout=MODAL_SECONDS)
        best = best_upscaler(upscalers, scales[0])
        how = [discord.SelectOption(value=AUTO, label="Best available", description=best, default=True)]
        how += [
            discord.SelectOption(value=name, label=name, description=({**LEARNED, **SHIPPED}).get(name))
            for name in upscalers[:MOST]
        ]
        far = [
            discord.SelectOption(
                value=str(scale),
                label=f"{scale}×",
                description=f"{picture.width * scale}×{picture.height * scale}",
                default=scale == scales[0],
            )
            for scale in sorted(scales)
        ]
        self.add_item(ui.Label(text="Upscaler", component=ui.Select(custom_id="upscaler", options=how)))
        self.add_item(ui.Label(text="Scale", component=ui.Select(custom_id="scale", options=far)))


async def submit_upscale(press: Press, job_id: str, index: int | None) -> None:
    """Upscale as chosen. Anyone may, at their own cost. Raises Refused for a scale that was not offered."""
    values = modal_values(press.data)
    job = await press.job(job_id)
    upscaler, scale = values.get("upscaler", AUTO), values.get("scale", "")
    if scale not in map(str, SCALES):
        raise Refused(
            f"The scale must be {listed([f'{one}×' for one in SCALES], 'or')}; this form says “{scale[:20]}”."
        )
    chosen = "" if upscaler == AUTO else upscaler
    await press.services.job_actions.upscale(job, index, press.caller, press.responder, chosen, int(scale))
