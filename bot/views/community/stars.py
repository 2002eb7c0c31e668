"""⭐: star a picture, or one of several by its number; remove the star again."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import discord
from discord import ui

from bot.errors import PictureGone
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.job import JobRow
from bot.views.base import JobButton, JobMenu, Press, chosen_index, template, view_of

MOST = 25
"""Options that Discord allows in a menu."""


class StarButton(JobButton, template=template("star")):
    """Stars a picture for the presser; without an index the best one."""

    action = "star"
    access = Access.BLIND
    label = "Star"
    private = True
    same = True
    emoji = "⭐"

    async def pressed(self, press: Press, job: JobRow) -> None:
        await star(press, job, () if self.index is None else (self.index,))


class UnstarButton(JobButton, template=template("unstar")):
    """Removes the presser's star from a picture; without an index from all pictures of the job."""

    action = "unstar"
    access = Access.OPEN | Access.BLIND
    label = "Unstar"
    private = True
    same = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        text = await press.services.favorites.unstar(job, self.index, press.caller.user_id)
        await press.responder.send_private(text)


class SaveButton(StarButton, template=template("keep")):
    """The former Save: stars all pictures of the job."""

    action = "keep"
    label = "Save"

    async def pressed(self, press: Press, job: JobRow) -> None:
        await star(press, job, [picture.index for picture in job.pictures if picture.path is not None])


class UnsaveButton(UnstarButton, template=template("letgo")):
    """The former Unsave."""

    action = "letgo"
    label = "Unsave"


class StarMenu(JobMenu, template=template("stars")):
    """Stars one of several pictures by its number."""

    action = "stars"
    placeholder = "⭐ Star one image …"

    def is_private(self, value: str) -> bool:
        return True

    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        return False

    async def chosen(self, press: Press, value: str) -> None:
        await star(press, await press.job(self.job_id, blind=True), (chosen_index(value),))


class StarOneButton(JobButton, template=template("starone")):
    """Asks which picture of a grid to star."""

    action = "starone"
    access = Access.BLIND
    label = "⭐ Star one …"
    private = True

    async def pressed(self, press: Press, job: JobRow) -> None:
        if not job.on_disk:
            raise PictureGone("These pictures have expired. Only Discord has a copy, so they cannot be starred.")
        await press.responder.send_private_payload(EphemeralPayload("", buttons=partial(_menu, job)))


def star_buttons(job_id: str, index: int) -> ui.View:
    """The buttons of a starboard entry."""
    return view_of(StarButton(job_id, index))


def star_menu(job: JobRow, row: int | None = None) -> StarMenu:
    """A menu of the pictures that are still on disk."""
    options = [
        discord.SelectOption(value=str(picture.index), label=f"Image {picture.index + 1}")
        for picture in job.pictures
        if picture.path is not None
    ]
    return StarMenu(job.id, options[:MOST], row)


async def star(press: Press, job: JobRow, indices: Collection[int]) -> None:
    """Star these pictures and say so to the presser, with a button that undoes it."""
    text = await press.services.favorites.star(job, indices, press.caller)
    index = next(iter(indices)) if len(indices) == 1 else None
    await press.responder.send_private_payload(EphemeralPayload(text, buttons=partial(_undo, job.id, index)))


def _undo(job_id: str, index: int | None) -> ui.View:
    return view_of(UnstarButton(job_id, index))


def _menu(job: JobRow) -> ui.View:
    return view_of(star_menu(job))
