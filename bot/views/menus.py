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
from bot.views.base import JobButton, JobMenu, Press, chosen_index, template
from bot.views.community.challenges import EnterButton, WithdrawButton
from bot.views.community.picture_lists import SimilarButton
from bot.views.community.stars import StarMenu, StarOneButton
from bot.views.community.votes import VoteButton
from bot.views.info import InfoButton
from bot.views.remix_modal import RemixModal
from bot.views.report import ReportButton
from bot.views.result import AgainButton, DeleteButton, RankButton, RemixButton, has_choice, upscale

MOST = 25
"""Options that Discord allows in a menu."""
LABEL = 100
"""Characters of an option's label."""


class PickMenu(JobMenu, template=template("pick")):
    """Shows one image of a batch in a message with all buttons. Anyone may."""

    action = "pick"
    placeholder = "Show one image …"

    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        return False

    async def chosen(self, press: Press, value: str) -> None:
        job = await press.job(self.job_id)
        await press.services.job_actions.pick(job, chosen_index(value), press.caller, press.responder)


class UpscaleMenu(JobMenu, template=template("enlarge")):
    """Upscales one image of a batch. Anyone may, at their own cost."""

    action = "enlarge"
    placeholder = "Upscale one image …"

    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        return has_choice(interaction)

    async def chosen(self, press: Press, value: str) -> None:
        await upscale(press, await press.job(self.job_id), chosen_index(value))


class SeedMenu(JobMenu, template=template("useseed")):
    """Opens the Remix form with one seed of a comparison of seeds. Anyone may, at their own cost."""

    action = "useseed"
    placeholder = "Use this seed …"

    def is_private(self, value: str) -> bool:
        return True

    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        return True

    async def chosen(self, press: Press, value: str) -> None:
        job = await press.job(self.job_id)
        press.caller.check_place()
        await press.responder.open_modal(RemixModal(job, chosen_index(value)))


class MoreMenu(JobMenu, template=template("more")):
    """The rarer actions under a grid. A choice does what the button of the same name does."""

    action = "more"
    placeholder = "More …"
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

    def is_private(self, value: str) -> bool:
        return value in self.kinds and self.kinds[value].private

    def access_for(self, value: str) -> Access:
        return self.kinds[value].access if value in self.kinds else Access.USUAL

    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        return value in self.kinds and self.kinds[value](self.job_id).opens_modal(interaction)

    async def chosen(self, press: Press, value: str) -> None:
        if value not in self.kinds:
            raise Refused("This menu entry no longer exists.")
        await self.kinds[value](self.job_id).act(press)


def more_menu(job: JobRow, kinds: Iterable[type[JobButton]], row: int) -> MoreMenu:
    """A menu with these actions."""
    options = [discord.SelectOption(value=kind.action, label=kind.label) for kind in kinds]
    return MoreMenu(job.id, options, row)


def sheet_menus(job: JobRow) -> tuple[JobMenu, ...]:
    """The menus of a finished batch or comparison of two or more images, best first; one more for seeds."""
    menus: tuple[type[JobMenu], ...] = (PickMenu, UpscaleMenu, StarMenu)
    if isinstance(job.request, Comparison):
        ways = job.request.ways
        options = [_way_option(picture, ways[picture.index].label) for picture in job.pictures]
        menus = (*menus, SeedMenu) if job.request.has_seeds else menus
    else:
        order = ordered(job)
        options = [
            _option(job, picture, place if order.judged else 0)
            for place, picture in enumerate(order.pictures[:MOST], 1)
        ]
    return tuple(menu(job.id, options, row) for row, menu in enumerate(menus))


def _way_option(picture: PictureRow, label: str) -> discord.SelectOption:
    return discord.SelectOption(value=str(picture.index), label=shorten(f"{picture.index + 1} · {label}", LABEL))


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
