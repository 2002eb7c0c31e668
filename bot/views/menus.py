"""The menus under a result: show or upscale one image of a batch, or run one of the rarer actions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import discord

from bot.errors import Refused
from bot.interactions.handlers import Access
from bot.interactions.responder import AnyInteraction
from bot.models.comparison import Comparison
from bot.models.job import JobRow, PictureRow
from bot.pictures.ranking import independent_score, ordered
from bot.text import shorten
from bot.views.base import MOST_OPTIONS, IdMenu, JobButton, JobMenu, Press, chosen_index, value_of
from bot.views.community.challenges import EnterButton, WithdrawButton
from bot.views.community.picture_lists import SimilarButton
from bot.views.community.stars import StarMenu, StarOneButton
from bot.views.community.votes import VoteButton
from bot.views.info import InfoButton
from bot.views.report import ReportButton
from bot.views.result import AgainButton, DeleteButton, RankButton, RemixButton, RemixModal, has_choice, upscale

LABEL = 100
"""Characters of an option's label."""


class PickMenu(JobMenu, action="pick", placeholder="Show one image …"):
    """Shows one image of a batch in a message with all buttons. Anyone may."""

    async def chosen(self, press: Press, job: JobRow) -> None:
        await press.services.job_actions.pick(job, chosen_index(press.value), press.caller, press.responder)


class UpscaleMenu(JobMenu, action="enlarge", placeholder="Upscale one image …"):
    """Upscales one image of a batch. Anyone may, at their own cost."""

    def terms(self, interaction: AnyInteraction) -> tuple[bool, Access, bool]:
        return self.private, self.access, has_choice(interaction)

    async def chosen(self, press: Press, job: JobRow) -> None:
        await upscale(press, job, chosen_index(press.value))


class SeedMenu(JobMenu, action="useseed", placeholder="Use this seed …", private=True, modal=True):
    """Opens the Remix form with one seed of a comparison of seeds. Anyone may, at their own cost."""

    async def chosen(self, press: Press, job: JobRow) -> None:
        await press.services.job_actions.check_place(press.caller)
        await press.responder.open_modal(RemixModal(job, chosen_index(press.value)))


class MoreMenu(IdMenu, action="more", placeholder="More …"):
    """The rarer actions under a grid. A choice does what the button of the same name does."""

    kinds: ClassVar[dict[str, type[JobButton]]] = {
        kind.action: kind
        for kind in (
            AgainButton,
            RemixButton,
            StarOneButton,
            VoteButton,
            EnterButton,
            WithdrawButton,
            RankButton,
            SimilarButton,
            InfoButton,
            DeleteButton,
            ReportButton,
        )
    }

    def terms(self, interaction: AnyInteraction) -> tuple[bool, Access, bool]:
        kind = self.kinds.get(value_of(interaction))
        return kind(self.job_id).terms(interaction) if kind else super().terms(interaction)

    async def act(self, press: Press) -> None:
        if press.value not in self.kinds:
            raise Refused("This menu entry no longer exists.")
        await self.kinds[press.value](self.job_id).act(press)


def more_menu(job: JobRow, kinds: Iterable[type[JobButton]], row: int) -> MoreMenu:
    options = [discord.SelectOption(value=kind.action, label=kind.label) for kind in kinds]
    return MoreMenu(job.id, options, row)


def sheet_menus(job: JobRow) -> tuple[JobMenu, ...]:
    """The menus of a finished batch or comparison of two or more images, best first; one more for seeds."""
    menus: tuple[type[JobMenu], ...] = (PickMenu, UpscaleMenu, StarMenu)
    if isinstance(job.request, Comparison):
        labels = {one.index: f"{one.index + 1} · {job.request.ways[one.index].label}" for one in job.pictures}
        options = [discord.SelectOption(value=str(i), label=shorten(label, LABEL)) for i, label in labels.items()]
        menus = (*menus, SeedMenu) if job.request.has_seeds else menus
    else:
        order = ordered(job)
        options = [
            _option(job, picture, place if order.judged else 0)
            for place, picture in enumerate(order.pictures[:MOST_OPTIONS], 1)
        ]
    return tuple(menu(job.id, options, row) for row, menu in enumerate(menus))


def _option(job: JobRow, picture: PictureRow, place: int) -> discord.SelectOption:
    """*place*: 1 is the best, 0 if the images are not ranked."""
    score, seed = independent_score(job, picture), picture.facts.get("seed")
    facts = [
        {0: "", 1: "best"}.get(place, f"rank {place}"),
        f"CLIP {score:.3f}" if score is not None else "",
        f"seed {seed}" if seed is not None else "",
    ]
    label, description = f"Image {picture.index + 1}", " · ".join(filter(None, facts))
    return discord.SelectOption(value=str(picture.index), label=label, description=description or None)
