"""The form of the message commands that paint from a picture: as a start, or as a target to resemble.

The custom id names a job, or a held picture (see `bot.community.held_pictures`), so that a form that was opened before
a restart can be submitted after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import discord
from discord import ui

from bot.actions.create import ParentPicture, picture_of
from bot.community.picture_requests import (
    SIMILARITIES,
    USUAL_SIMILARITY,
    FormText,
    PictureRequest,
    weight_of,
)
from bot.models.job import JobRow, Kind
from bot.pictures.ranking import best
from bot.requests.format import unusual_ways, words_of
from bot.views.base import Press, chosen_index, custom_id, modal_values
from bot.views.remix_modal import FIELD, MODAL_SECONDS
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest

MOST_PICTURES = 25
"""Options that Discord allows in a menu."""


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


class PictureForm(ui.Modal):
    """Prompt, strength and settings; for a result with several pictures also which one."""

    def __init__(self, use: PictureUse, subject: JobRow | str) -> None:
        job = subject if isinstance(subject, JobRow) else None
        action, id_ = (use.action, job.id) if job else (use.held, str(subject))
        super().__init__(title=use.title, custom_id=custom_id(action, id_), timeout=MODAL_SECONDS)
        request = job.request if job and isinstance(job.request, DreamRequest) else None
        said = "Leave it empty to paint only towards the picture." if use.target else "What to paint from this picture."
        self.add_item(
            ui.Label(
                text="Prompt",
                description=said,
                component=ui.TextInput(
                    custom_id="prompt",
                    style=discord.TextStyle.paragraph,
                    default=(words_of(request)[0] or None) if request and not use.target else None,
                    max_length=FIELD,
                    required=not use.target,
                ),
            )
        )
        if job and len(job.pictures) > 1:
            self.add_item(ui.Label(text="Picture", component=_pictures(job)))
        self.add_item(_weight() if use.target else _similarity())
        self.add_item(
            ui.Label(
                text="Settings",
                description="For example size=256x384 steps=50 seed=7",
                component=ui.TextInput(
                    custom_id="settings",
                    default=_settings(request) if request else None,
                    max_length=FIELD,
                    required=False,
                ),
            )
        )


async def submit_start(press: Press, job_id: str, index: int | None) -> None:
    """Paint from a picture of a result. Anyone may, at their own cost."""
    await _submit(press, START, await press.job(job_id))


async def submit_target(press: Press, job_id: str, index: int | None) -> None:
    """Paint towards a picture of a result. Anyone may, at their own cost."""
    await _submit(press, TARGET, await press.job(job_id))


async def submit_held_start(press: Press, held_id: str, index: int | None) -> None:
    """Paint from the held picture of another message."""
    await _submit(press, START, await press.services.held_pictures.take(held_id, press.caller.user_id))


async def submit_held_target(press: Press, held_id: str, index: int | None) -> None:
    """Paint towards the held picture of another message."""
    await _submit(press, TARGET, await press.services.held_pictures.take(held_id, press.caller.user_id))


async def _submit(press: Press, use: PictureUse, subject: JobRow | str) -> None:
    values = modal_values(press.data)
    form = FormText(
        values.get("prompt", ""),
        values.get("settings", ""),
        similarity=values.get("similarity", USUAL_SIMILARITY),
        weight=values.get("weight", ""),
    )
    sha256, parent = subject if isinstance(subject, str) else "", None
    if isinstance(subject, JobRow):
        chosen = values.get("picture", "")
        picture = picture_of(subject, chosen_index(chosen) if chosen else None)
        sha256, parent = picture.sha256, ParentPicture(subject.id, picture.index)
    built = await _built(press, use, form, sha256)
    await press.services.job_actions.dream(
        built.request, press.caller, press.responder, kind=use.kind, parent=parent, applied=built.applied
    )
    if built.notes:
        await press.responder.send_private(" ".join(built.notes))


async def _built(press: Press, use: PictureUse, form: FormText, sha256: str) -> PictureRequest:
    requests, unavailable = press.services.picture_requests, press.services.jobs.unavailable
    if not use.target:
        return await requests.from_start(form, sha256, press.caller, unavailable)
    target = Prompt(image=sha256, weight=weight_of(form.weight or "1"))
    return await requests.towards(form, (target,), press.caller, unavailable)


def _pictures(job: JobRow) -> ui.Select[ui.View]:
    first = best(job.pictures).index
    options = [
        discord.SelectOption(value=str(one.index), label=f"Image {one.index + 1}", default=one.index == first)
        for one in job.pictures[:MOST_PICTURES]
    ]
    return ui.Select(custom_id="picture", options=options)


def _similarity() -> ui.Label[ui.View]:
    options = [
        discord.SelectOption(value=name, label=f"Keep {name} of the picture", default=name == USUAL_SIMILARITY)
        for name in SIMILARITIES
    ]
    return ui.Label(text="How much stays", component=ui.Select(custom_id="similarity", options=options))


def _weight() -> ui.Label[ui.View]:
    return ui.Label(
        text="Weight of the picture",
        description="1 weighs as much as one part of the prompt.",
        component=ui.TextInput(custom_id="weight", default="1", max_length=8, required=False),
    )


def _settings(request: DreamRequest) -> str:
    ways = {"size": f"{request.width}x{request.height}", **unusual_ways(request)}
    return " ".join(f"{key}={value}" for key, value in ways.items())
