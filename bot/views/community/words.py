"""What a picture says in words: the answers of `/describe` and `/explain`, and the buttons that paint a description.

A button's custom id contains its prompt, so that it works for ever.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

import discord
from discord import ButtonStyle, ui

from bot.community.picture_requests import FormText
from bot.community.words.actions import Asked
from bot.community.words.describe import Description, Seen
from bot.community.words.explain import MOST_TEXTS, Explanation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow
from bot.text import plain, shorten
from bot.views.base import PREFIX, Item, Press, view_of
from bot.views.forms import Modal, modal_values, submits
from engine.requests.prompts import format_prompts
from engine.requests.request import DreamRequest

ID = 100
"""Characters of a custom id."""
START = f"{PREFIX}:say:"
CHART = "explanation.png"
COLOUR = 0xF0B541
TEXT = 200
"""Characters of one text in an answer."""


class SayButton(Item[ui.Button[ui.View]], action="say"):
    """Paints a prompt with the presser's defaults. Anyone may, at their own cost."""

    rest = rf":(?P<text>.{{1,{ID - len(START)}}})"

    def __init__(self, text: str, number: int = 0) -> None:
        self.text = text
        label = f"Paint {number}" if number else "Paint"
        super().__init__(ui.Button(label=label, style=ButtonStyle.primary, custom_id=START + text))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        return cls(match["text"])

    async def act(self, press: Press) -> None:
        services = press.services
        built = await services.picture_requests.towards(FormText(self.text), (), press.caller)
        origin = press.caller.origin(applied=built.applied)
        await services.job_actions.dream(built.request, press.caller, press.responder, origin=origin)


class ExplainForm(Modal):
    """The texts to compare; for a result they begin as the parts of its prompt."""

    def __init__(self, subject: JobRow | str) -> None:
        job = subject if isinstance(subject, JobRow) else None
        super().__init__("Explain", *(("explain", job.id) if job else ("explainheld", str(subject))))
        request = job.request if job and isinstance(job.request, DreamRequest) else None
        parts = [part for part in request.prompts if part.text][:MOST_TEXTS] if request else []
        what = f"Up to {MOST_TEXTS} texts, separated by |. CLIP says how well each fits the picture."
        self.add_text("prompt", "Texts", what, format_prompts(parts), required=True, long=True)


@submits("explain", access=Access.COSTLY)
async def submit_explain(press: Press, job_id: str, index: int | None) -> None:
    asked = await press.services.picture_words.of_result(await press.job(job_id), index)
    await answer_explain(press, asked, modal_values(press.data).get("prompt", ""))


@submits("explainheld", access=Access.COSTLY)
async def submit_held_explain(press: Press, held_id: str, index: int | None) -> None:
    services = press.services
    sha256 = await services.held_pictures.take(held_id, press.caller.user_id)
    png = await services.store.attachments.read(sha256) or b""
    await answer_explain(press, Asked(png), modal_values(press.data).get("prompt", ""))


async def answer_describe(press: Press, asked: Asked) -> None:
    found = await press.services.picture_words.describe(asked, press.caller.user_id)
    await press.responder.send_private_payload(description_payload(found))


async def answer_explain(press: Press, asked: Asked, texts: str) -> None:
    found, chart = await press.services.picture_words.explain(asked, texts, press.caller.user_id)
    await press.responder.send_private_payload(explanation_payload(found, chart))


def description_payload(found: Description) -> EphemeralPayload:
    """The prompts with buttons, and the closest words of each kind."""
    lines = [f"**{number}.** {plain(one.text)} · {one.cosine:.3f}" for number, one in enumerate(found.prompts, 1)]
    embed = discord.Embed(title="What CLIP sees", colour=COLOUR, description="\n".join(lines))
    for name, words in (("Things", found.things), ("Colours", found.colours), ("Styles", found.styles)):
        embed.add_field(name=name, value=_listed(words), inline=False)
    embed.set_footer(text=f"Cosines with the picture by {found.perceptor}; the maximum is 1.")
    said = plain(found.note) if found.note else ""

    def buttons() -> ui.View:
        numbered = enumerate((one.text for one in found.prompts), 1)
        return view_of(*(SayButton(text, number) for number, text in numbered if len(START + text) <= ID))

    return EphemeralPayload(said, (embed,), buttons=buttons)


def explanation_payload(found: Explanation, chart: bytes) -> EphemeralPayload:
    """The chart, and its numbers as text."""
    lines = [
        f"**{number}.** {plain(shorten(fit.text, TEXT))} · {fit.share:.0%} · cosine {fit.cosine:.3f}"
        for number, fit in enumerate(found.fits, 1)
    ]
    if found.unread:
        lines.append(f"-# Not read: {plain(shorten(', '.join(found.unread), TEXT))}")
    lines.append(
        "-# Share: how CLIP would choose among these texts. Pull: how hard each part still changes the finished "
        "picture, as a share of all gradients."
    )
    embed = discord.Embed(title=f"How {found.perceptor} reads it", colour=COLOUR, description="\n".join(lines))
    embed.set_image(url=f"attachment://{CHART}")
    return EphemeralPayload(plain(found.note) if found.note else "", (embed,), ((CHART, chart),))


def _listed(words: Sequence[Seen]) -> str:
    return ", ".join(f"{plain(one.text)} {one.cosine:.2f}" for one in words) or "nothing"
