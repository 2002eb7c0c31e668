"""What all buttons have in common: a custom id that says everything, and errors that become words.

    dream:<action>:<job id>[:<picture index>]

discord.py gives a DynamicItem no error hook: what its callback raises is only logged, and the person reads
“interaction failed”. So every callback runs under the guard here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Self, TypeAlias

import discord
from discord import ui

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.error_reporting import report_errors
from bot.interactions.responder import InteractionResponder
from bot.models.job import JobRow
from bot.services import Services

AnyInteraction: TypeAlias = discord.Interaction[discord.Client]
PREFIX = "dream"


def template(action: str) -> str:
    """The pattern of one action's custom ids."""
    return rf"{PREFIX}:{action}:(?P<job>[0-9a-z]{{1,12}})(?::(?P<index>[0-9]{{1,2}}))?"


def custom_id(action: str, job_id: str, index: int | None = None) -> str:
    """``dream:up:7k2m9x0a1b:2``."""
    return f"{PREFIX}:{action}:{job_id}" + ("" if index is None else f":{index}")


def services_of(interaction: AnyInteraction) -> Services:
    """Return the services of the client that received *interaction*."""
    services: Services = interaction.client.services  # type: ignore[attr-defined]
    return services


async def guarded(
    interaction: AnyInteraction,
    work: Callable[[InteractionResponder], Awaitable[None]],
    *,
    private: bool = True,
    form: bool = False,
    doing: str = "",
) -> None:
    """Do *work* with the interaction's answer; whatever goes wrong is said to the one who acted."""
    responder = InteractionResponder.of(interaction, private=private, form=form)
    async with report_errors(responder, doing):
        with services_of(interaction).handlers.running():
            await work(responder)


async def find_job(interaction: AnyInteraction, job_id: str) -> JobRow:
    """The job of that id. Raises Refused."""
    job = await services_of(interaction).jobs.find(job_id)
    if job is None:
        raise Refused("I no longer know this picture; its records are gone.")
    return job


class IdButton(ui.DynamicItem[ui.Button[ui.View]], ABC, template=template("none")):
    """A button whose custom id names an id, and perhaps a number. Subclasses say what a press does."""

    action: ClassVar[str]
    label: ClassVar[str]
    numbered: ClassVar[str] = ""
    """The label's beginning where there is one such button per picture."""
    style: ClassVar[discord.ButtonStyle] = discord.ButtonStyle.secondary
    private: ClassVar[bool] = False
    """Only the one who presses will see what comes of it."""

    def __init__(self, job_id: str, index: int | None = None, row: int | None = None) -> None:
        self.job_id = job_id
        self.index = index
        label = self.label if index is None else f"{self.numbered or self.label} {index + 1}"
        super().__init__(
            ui.Button(label=label, style=self.style, custom_id=custom_id(self.action, job_id, index), row=row)
        )

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        """Rebuild the button from what Discord says was pressed."""
        index = match["index"]
        return cls(match["job"], None if index is None else int(index))

    async def callback(self, interaction: AnyInteraction) -> None:
        """Run `act`; whatever goes wrong is said to the one who pressed."""

        async def press(responder: InteractionResponder) -> None:
            await self.act(interaction, responder)

        doing = f"the button {self.custom_id}"
        await guarded(interaction, press, private=self.private, form=self.opens_form(interaction), doing=doing)

    def opens_form(self, interaction: AnyInteraction) -> bool:
        """Whether a form is meant to open, for which there is less time than for words."""
        return False

    @abstractmethod
    async def act(self, interaction: AnyInteraction, responder: InteractionResponder) -> None:
        """Do what the button says, and answer."""


class PressButton(IdButton, template=template("never")):
    """A button about one job, or about one picture of it."""

    async def act(self, interaction: AnyInteraction, responder: InteractionResponder) -> None:
        """Find the job, then `pressed`."""
        job = await find_job(interaction, self.job_id)
        await self.pressed(interaction, responder, Invocation.of_interaction(interaction), job)

    @abstractmethod
    async def pressed(
        self, interaction: AnyInteraction, responder: InteractionResponder, caller: Invocation, job: JobRow
    ) -> None:
        """Do what the button says, and answer."""
