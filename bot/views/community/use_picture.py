"""The form of the message commands that paint from a picture: as a start, or as a target to resemble.

The custom id names a job, or a held picture (see `bot.community.held_pictures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import discord

from bot.actions.create import picture_of
from bot.community.defaults import Prepared
from bot.community.picture_requests import (
    SIMILARITIES,
    USUAL_SIMILARITY,
    FormText,
    weight_of,
)
from bot.models.job import JobRow, Kind
from bot.pictures.ranking import best
from bot.requests.format import unusual_ways, words_of
from bot.views.base import Press, chosen_index, picture_options
from bot.views.forms import Modal, modal_values, submits
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest


@dataclass(frozen=True, slots=True)
class PictureUse:
    """A message command that opens the form. *action* of the custom id for a job, *held* for a held picture."""

    title: str
    action: str
    held: str
    kind: Kind
    target: bool = False


START = PictureUse("Use as start", "start", "startheld", "init")
TARGET = PictureUse("Use as target", "target", "targetheld", "target", target=True)
REMIX = PictureUse("Remix", "start", "startheld", "init")
"""For an attached picture, whose prompt is unknown."""


class PictureForm(Modal):
    """Prompt, strength and settings; for a result with several pictures also which one."""

    def __init__(self, use: PictureUse, subject: JobRow | str) -> None:
        job = subject if isinstance(subject, JobRow) else None
        super().__init__(use.title, *((use.action, job.id) if job else (use.held, str(subject))))
        request = job.request if job and isinstance(job.request, DreamRequest) else None
        said = "Leave it empty to paint only towards the picture." if use.target else "What to paint from this picture."
        prompt = words_of(request)[0] if request and not use.target else ""
        self.add_text("prompt", "Prompt", said, prompt, required=not use.target, long=True)
        if job and len(job.pictures) > 1:
            self.add_menu("picture", "Picture", picture_options(job.pictures, best(job.pictures).index))
        if use.target:
            weight = "1 weighs as much as one part of the prompt."
            self.add_text("weight", "Weight of the picture", weight, "1", most=8)
        else:
            shares = [(name, f"Keep {name} of the picture", name == USUAL_SIMILARITY) for name in SIMILARITIES]
            options = [discord.SelectOption(value=name, label=text, default=usual) for name, text, usual in shares]
            self.add_menu("similarity", "How much stays", options)
        settings = _settings(request) if request else ""
        self.add_text("settings", "Settings", "For example size=256x384 steps=50 seed=7", settings)


async def _submit_result(use: PictureUse, press: Press, job_id: str, index: int | None) -> None:
    """Use a picture of a result. Anyone may, at their own cost."""
    job = await press.job(job_id)
    values = modal_values(press.data)
    chosen = values.get("picture", "")
    picture = picture_of(job, chosen_index(chosen) if chosen else None)
    await _submit(press, use, values, picture.sha256, job.id, picture.index)


async def _submit_held(use: PictureUse, press: Press, held_id: str, index: int | None) -> None:
    """Use the held picture of another message."""
    sha256 = await press.services.held_pictures.take(held_id, press.caller.user_id)
    await _submit(press, use, modal_values(press.data), sha256)


for _use in (START, TARGET):
    submits(_use.action, private=False)(partial(_submit_result, _use))
    submits(_use.held, private=False)(partial(_submit_held, _use))


async def _submit(
    press: Press, use: PictureUse, values: Mapping[str, str], sha256: str, job_id: str = "", index: int = 0
) -> None:
    form = FormText(
        values.get("prompt", ""),
        values.get("settings", ""),
        similarity=values.get("similarity", USUAL_SIMILARITY),
        weight=values.get("weight", ""),
    )
    built = await _built(press, use, form, sha256)
    origin = press.caller.origin(use.kind, job_id, index, built.applied)
    await press.services.job_actions.dream(
        built.request, press.caller, press.responder, origin=origin, notes=built.notes
    )


async def _built(press: Press, use: PictureUse, form: FormText, sha256: str) -> Prepared[DreamRequest]:
    requests = press.services.picture_requests
    if not use.target:
        return await requests.from_start(form, sha256, press.caller)
    target = Prompt(image=sha256, weight=weight_of(form.weight or "1"))
    return await requests.towards(form, (target,), press.caller)


def _settings(request: DreamRequest) -> str:
    ways = {"size": f"{request.width}x{request.height}", **unusual_ways(request)}
    return " ".join(f"{key}={value}" for key, value in ways.items())
