"""⭐: star a picture, or one of several by its number; remove the star again."""

from __future__ import annotations

from collections.abc import Collection

from discord import ui

from bot.errors import PictureGone
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.models.job import JobRow
from bot.views.base import JobButton, JobMenu, Press, chosen_index, picture_options, view_of


class StarButton(JobButton, action="star", label="Star", same=True, emoji="⭐", private=True, access=Access.BLIND):
    """Stars a picture for the presser; without an index the best one."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await star(press, job, () if self.index is None else (self.index,))


class UnstarButton(
    JobButton, action="unstar", label="Unstar", same=True, private=True, access=Access.OPEN | Access.BLIND
):
    """Removes the presser's star from a picture; without an index from all pictures of the job."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        text = await press.services.favorites.unstar(job, self.index, press.caller.user_id)
        await press.responder.send_private(text)


class SaveButton(StarButton, action="keep", label="Save"):
    """The former Save: stars all pictures of the job."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        await star(press, job, [picture.index for picture in job.stored])


class UnsaveButton(UnstarButton, action="letgo", label="Unsave"):
    """The former Unsave."""


class StarMenu(JobMenu, action="stars", placeholder="⭐ Star one image …", private=True, access=Access.BLIND):
    """Stars one of several pictures by its number."""

    async def chosen(self, press: Press, job: JobRow) -> None:
        await star(press, job, (chosen_index(press.value),))


class StarOneButton(JobButton, action="starone", label="⭐ Star one …", private=True, access=Access.BLIND):
    """Asks which picture of a grid to star."""

    async def pressed(self, press: Press, job: JobRow) -> None:
        if not job.on_disk:
            raise PictureGone("These pictures have expired. Only Discord has a copy, so they cannot be starred.")
        await press.responder.send_private_payload(EphemeralPayload("", buttons=lambda: view_of(star_menu(job))))


def star_buttons(job_id: str, index: int) -> ui.View:
    return view_of(StarButton(job_id, index))


def star_menu(job: JobRow, row: int | None = None) -> StarMenu:
    """A menu of the pictures that are still on disk."""
    return StarMenu(job.id, picture_options(job.stored), row)


async def star(press: Press, job: JobRow, indices: Collection[int]) -> None:
    """Star these pictures and say so to the presser, with a button that undoes it."""
    text = await press.services.favorites.star(job, indices, press.caller)
    index = next(iter(indices)) if len(indices) == 1 else None
    undo = EphemeralPayload(text, buttons=lambda: view_of(UnstarButton(job.id, index)))
    await press.responder.send_private_payload(undo)
