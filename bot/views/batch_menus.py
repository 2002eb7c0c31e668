"""The two menus under a finished batch or comparison: show one of its pictures by itself, enlarge one of them.

Of a batch the best stand first.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any, ClassVar, Self, cast

import discord
from discord import ui

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.responder import InteractionResponder
from bot.models.comparison import Comparison
from bot.models.job import JobRow, PictureRow
from bot.pictures.ranking import merit, ordered
from bot.text import shorten
from bot.views.base import AnyInteraction, custom_id, find_job, guarded, services_of, template
from bot.views.result import enlarge, has_choice

MOST = 25
"""Lines that Discord gives a menu."""
LABEL = 100
"""Characters of a line."""


class BatchMenu(ui.DynamicItem[ui.Select[ui.View]], template=template("never")):
    """One of the best pictures of a batch, to be chosen by its number."""

    action: ClassVar[str]
    invites: ClassVar[str]

    def __init__(self, job_id: str, lines: tuple[discord.SelectOption, ...] = (), row: int | None = None) -> None:
        self.job_id = job_id
        menu: ui.Select[ui.View] = ui.Select(
            custom_id=custom_id(self.action, job_id), placeholder=self.invites, options=list(lines), row=row
        )
        super().__init__(menu)

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        """What was chosen stands in the interaction."""
        return cls(match["job"])

    async def callback(self, interaction: AnyInteraction) -> None:
        """Find the picture that was chosen, then `chosen`."""
        values = cast(dict[str, Any], interaction.data or {}).get("values") or [""]

        async def choose(responder: InteractionResponder) -> None:
            job = await find_job(interaction, self.job_id)
            await self.chosen(
                interaction, responder, Invocation.of_interaction(interaction), job, _index(str(values[0]))
            )

        doing = f"the menu {self.action}"
        await guarded(interaction, choose, private=False, form=self.opens_form(interaction), doing=doing)

    def opens_form(self, interaction: AnyInteraction) -> bool:
        """Whether a form is meant to open, for which there is less time than for words."""
        return False

    @abstractmethod
    async def chosen(
        self,
        interaction: AnyInteraction,
        responder: InteractionResponder,
        caller: Invocation,
        job: JobRow,
        index: int,
    ) -> None:
        """Do what the menu says with that picture, and answer."""


class PickMenu(BatchMenu, template=template("pick")):
    """Show one picture by itself, with the usual buttons. Anybody may."""

    action = "pick"
    invites = "Show one of them …"

    async def chosen(
        self,
        interaction: AnyInteraction,
        responder: InteractionResponder,
        caller: Invocation,
        job: JobRow,
        index: int,
    ) -> None:
        """Show it to everybody."""
        await services_of(interaction).job_actions.pick(job, index, caller, responder)


class EnlargeMenu(BatchMenu, template=template("enlarge")):
    """Enlarge one picture. Anybody may, at their own cost."""

    action = "enlarge"
    invites = "Upscale one of them …"

    def opens_form(self, interaction: AnyInteraction) -> bool:
        """Where there is a choice."""
        return has_choice(interaction)

    async def chosen(
        self,
        interaction: AnyInteraction,
        responder: InteractionResponder,
        caller: Invocation,
        job: JobRow,
        index: int,
    ) -> None:
        """Order it, as the button does."""
        await enlarge(interaction, responder, caller, job, index)


def menus(job: JobRow) -> tuple[PickMenu, EnlargeMenu]:
    """Both menus for a finished batch or comparison of two pictures or more."""
    if isinstance(job.request, Comparison):
        ways = job.request.ways
        lines = tuple(_line(picture, 0, ways[picture.index].label) for picture in job.pictures)
        return PickMenu(job.id, lines, 0), EnlargeMenu(job.id, lines, 1)
    order = ordered(job)
    lines = tuple(_line(picture, place) for place, picture in enumerate(order.pictures[:MOST], 1))
    if not order.judged:
        lines = tuple(_line(picture, 0) for picture in order.pictures[:MOST])
    return PickMenu(job.id, lines, 0), EnlargeMenu(job.id, lines, 1)


def _line(picture: PictureRow, place: int, way: str = "") -> discord.SelectOption:
    """*place*: 1 = the best; 0 = nobody has judged. *way*: what it was painted by, in a comparison."""
    if way:
        return discord.SelectOption(value=str(picture.index), label=shorten(f"{picture.index + 1} · {way}", LABEL))
    value, seed = merit(picture), picture.facts.get("seed")
    facts = [{0: "", 1: "the best"}.get(place, f"place {place}"), f"CLIP {value:.3f}" if value is not None else ""]
    facts.append(f"seed {seed}" if seed is not None else "")
    description = " · ".join(filter(None, facts))
    return discord.SelectOption(
        value=str(picture.index), label=f"Picture {picture.index + 1}", description=description or None
    )


def _index(value: str) -> int:
    """Raises Refused: what is sent need not come from the menu."""
    if not (value.isascii() and value.isdecimal() and len(value) < 4):
        raise Refused("That menu names no picture; choose one again.")
    return int(value)
