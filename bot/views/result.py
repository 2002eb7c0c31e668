"""The buttons under a finished picture, and the modals Upscale, Remix and Delete.

A press of Upscale opens the modal only if more upscalers are installed than the bundled ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import ButtonStyle, ui

from bot.actions.create import FORM_SCALES, picture_of
from bot.errors import Refused
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow, PictureRow, Ranking
from bot.pictures.ranking import best
from bot.requests.derive import dream_of
from bot.requests.format import form_of
from bot.requests.parse import parse_remix
from bot.services import Services
from bot.text import listed
from bot.views.base import MOST_OPTIONS, JobButton, Press, view_of
from bot.views.forms import Modal, modal_values, submits
from engine.requests.upscaling import AUTO, BLEND, LEARNED, MILDER, SHIPPED, best_upscaler

STRENGTHS = (0.75, 0.5, 0.25)
"""Shares of the noise that blends of two nets remove."""


def is_choice(upscalers: Sequence[str]) -> bool:
    """Whether upscalers other than the bundled ones are installed."""
    return any(name not in SHIPPED for name in upscalers)


TOO_CLOSE = 0.003
"""Smaller differences of cosines are noise."""


class UpscaleModal(Modal):
    """A choice of *upscalers* and *scales* for *picture*. The first scale is the default."""

    def __init__(
        self, job: JobRow, index: int | None, picture: PictureRow, upscalers: Sequence[str], scales: Sequence[float]
    ) -> None:
        super().__init__("Upscale", "upform", job.id, index)
        best = best_upscaler(upscalers, scales[0])
        how = [discord.SelectOption(value=AUTO, label="Best available", description=best, default=True)]
        how += [
            discord.SelectOption(value=name, label=name, description=({**LEARNED, **SHIPPED}).get(name))
            for name in upscalers
        ]
        how += [
            discord.SelectOption(value=f"{name}{BLEND}{share}", label=f"{name}, {share:.0%} of the noise removed")
            for name, other in MILDER.items()
            if {name, other} <= set(upscalers)
            for share in STRENGTHS
        ]
        far = [
            discord.SelectOption(
                value=str(scale),
                label=f"{scale}×",
                description=f"{round(picture.width * scale)}×{round(picture.height * scale)}",
                default=scale == scales[0],
            )
            for scale in sorted(scales)
        ]
        self.add_menu("upscaler", "Upscaler", how[:MOST_OPTIONS])
        self.add_menu("scale", "Scale", far)


@submits("upform", private=False)
async def submit_upscale(press: Press, job_id: str, index: int | None) -> None:
    """Upscale as chosen. Anyone may, at their own cost. Raises Refused for a scale that was not offered."""
    values = modal_values(press.data)
    job = await press.job(job_id)
    upscaler, scale = values.get("upscaler", AUTO), values.get("scale", "")
    if scale not in map(str, FORM_SCALES):
        known = listed([f"{one}×" for one in FORM_SCALES], "or")
        raise Refused(f"The scale must be {known}; this form says “{scale[:20]}”.")
    chosen = "" if upscaler == AUTO else upscaler
    await press.services.job_actions.upscale(job, index, press.caller, press.responder, chosen, float(scale))


def has_choice(interaction: AnyInteraction) -> bool:
    """Whether `upscale` opens a modal first."""
    services: Services = interaction.client.services  # type: ignore[attr-defined]
    return is_choice(services.job_actions.upscalers)


async def upscale(press: Press, job: JobRow, index: int | None) -> None:
    """Upscale one picture. Where there is a choice of upscalers, open the modal."""
    actions = press.services.job_actions
    if is_choice(upscalers := actions.upscalers):
        await actions.check_place(press.caller)
        scales = actions.scales(job, index)
        await press.responder.open_modal(UpscaleModal(job, index, picture_of(job, index), upscalers, scales))
        return
    await actions.upscale(job, index, press.caller, press.responder)


class UpscaleButton(JobButton, action="up", label="Upscale", numbered="U", style=ButtonStyle.primary):
    """Upscales a picture. Anyone may, at their own cost."""

    def terms(self, interaction: AnyInteraction) -> tuple[bool, Access, bool]:
        return self.private, self.access, has_choice(interaction)

    async def pressed(self, press: Press, job: JobRow) -> None:
        await upscale(press, job, self.index)


class AgainButton(JobButton, action="again", label="Again"):
    """Same prompt, new seed."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.services.job_actions.again(job, press.caller, press.responder)


class VariationButton(JobButton, action="vary", label="Variation", numbered="V"):
    """Paints on from a picture with a new seed."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        index = best(job.pictures).index if self.index is None and job.pictures else self.index or 0
        await press.services.job_actions.variation(job, index, press.caller, press.responder)


class RemixButton(JobButton, action="remix", label="Remix", private=True, modal=True):
    """Opens prompt and settings for editing. Anyone may, at their own cost."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await press.services.job_actions.check_place(press.caller)
        await press.responder.open_modal(RemixModal(job))


class RemixModal(Modal):
    """Prompt, negative prompt and settings, of one image of a comparison by its *index*.

    Raises Refused for an upscaled image.
    """

    def __init__(self, job: JobRow, index: int | None = None) -> None:
        prompt, negative, settings = form_of(dream_of(job, index))
        super().__init__("Remix", "form", job.id, index)
        parts = "Separate parts with |. A part may end in a weight: castle:2 | fog | people:-0.5"
        # a blend of pictures needs no words
        self.add_text("prompt", "Prompt", parts, prompt, required=bool(prompt), long=True)
        self.add_text("negative", "Negative prompt", "What the picture should avoid.", negative)
        same = "The same seed shows what your edit changes. Remove it for a random one."
        self.add_text("settings", "Settings", same, settings, long=True)


@submits("form", private=False)
async def submit_remix(press: Press, job_id: str, index: int | None) -> None:
    """Submit what was typed. Anyone may remix, at their own cost."""
    values = modal_values(press.data)
    job = await press.job(job_id)
    prompt, settings = values.get("prompt", ""), values.get("settings", "")
    request = parse_remix(job, prompt, values.get("negative", ""), settings, index)
    await press.services.job_actions.remix(job, request, press.caller, press.responder, index or 0)


class RankButton(JobButton, action="rank", label="Which is best?", private=True, access=Access.COSTLY):
    """Tells which picture matches the prompt best, with a button that upscales it."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        ranking = await press.services.clip_ranker.rank(job)
        first = ranking.order[0][0]
        payload = EphemeralPayload(ranking_text(ranking), buttons=lambda: view_of(UpscaleButton(job.id, first)))
        await press.responder.send_private_payload(payload)


class DeleteButton(
    JobButton, action="delete", label="Delete", private=True, modal=True, access=Access.OPEN | Access.BLIND
):
    """Deletes the message, after a question. For the owner and moderators.

    The question is a modal: its submission may delete this message even where the bot is a guest.
    """

    async def pressed(self, press: Press, job: JobRow) -> None:
        press.caller.check_owner(job)
        await press.responder.open_modal(DeleteModal(job))


class DeleteModal(Modal):
    """Asks whether to delete a message."""

    def __init__(self, job: JobRow) -> None:
        super().__init__("Delete this picture?", "erase", job.id)
        text = "This deletes the message. The picture stays in its owner's history."
        if not job.state.over:
            text = "This cancels the job and deletes its messages."
        self.add_item(ui.TextDisplay(text))


@submits("erase", access=Access.OPEN)
async def submit_delete(press: Press, job_id: str, index: int | None) -> None:
    """Delete the message from which the modal was opened."""
    job = await press.job(job_id, blind=True)
    if press.message is None:
        return
    delete = press.services.deletions.delete
    await press.responder.send_private(await delete(job, press.message.id, press.caller, press.responder.delete))


def ranking_text(ranking: Ranking) -> str:
    """The best picture and its lead, then all pictures, then the scoring model."""
    (first, value), (second, next_value) = ranking.order[:2]
    ahead = value - next_value
    verdict = f"Image {first + 1} matches the prompt best, {ahead:.3f} ahead of image {second + 1}."
    if ahead < TOO_CLOSE:
        verdict = f"Images {first + 1} and {second + 1} match the prompt equally well; choose by taste."
    places = [f"{place}. Image {index + 1} · {value:.3f}" for place, (index, value) in enumerate(ranking.order, 1)]
    who = ranking.note or f"Scored by {ranking.perceptor}, a separate model (max 1)."
    return "\n".join([f"**{verdict}**", *places, f"-# {who}"])
