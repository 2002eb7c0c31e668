"""The record of what moderators decided, in pages. What is looked at stands in the buttons, which outlive a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

from discord import ui

from bot.embeds.moderation import log_embed
from bot.errors import NotAllowed
from bot.interactions.context import Invocation
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import InteractionResponder
from bot.models.audit import AuditFilter, LogPage
from bot.models.job import owner_of
from bot.views.base import PREFIX, AnyInteraction, guarded, services_of

_REST = r":(?P<entry>\d{1,18}):(?P<where>here|all):(?P<user>\d{0,20}):(?P<action>[a-z ]{0,30})"


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody wants to see of the record: of all servers, of one person, of one kind of decision."""

    everywhere: bool = False
    user_id: int | None = None
    action: str = ""


class LogOlderButton(ui.DynamicItem[ui.Button[ui.View]], template=rf"{PREFIX}:logolder{_REST}"):
    """The page after the entry that it names."""

    action: ClassVar[str] = "logolder"
    label: ClassVar[str] = "Older"
    older: ClassVar[bool] = True

    def __init__(self, entry: int, look: Look) -> None:
        self.entry = entry
        self.look = look
        where = "all" if look.everywhere else "here"
        custom_id = f"{PREFIX}:{self.action}:{entry}:{where}:{look.user_id or ''}:{look.action}"
        super().__init__(ui.Button(label=self.label, custom_id=custom_id))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        """Rebuild the button from what Discord says was pressed."""
        user_id = int(match["user"]) if match["user"] else None
        return cls(int(match["entry"]), Look(match["where"] == "all", user_id, match["action"]))

    async def callback(self, interaction: AnyInteraction) -> None:
        """Turn the page, for people who may still read it."""

        async def turn(responder: InteractionResponder) -> None:
            sheet = await log_sheet(interaction, self.look, self.entry, older=self.older)
            await responder.defer()
            await responder.replace(sheet)

        await guarded(interaction, turn, doing=f"the button {self.custom_id}")


class LogNewerButton(LogOlderButton, template=rf"{PREFIX}:lognewer{_REST}"):
    """The page before it."""

    action = "lognewer"
    label = "Newer"
    older = False


async def log_sheet(
    interaction: AnyInteraction, look: Look, beside: int | None = None, *, older: bool = True
) -> EphemeralPayload:
    """A page of the record. Raises NotAllowed for people who may not manage the server, or are no hosts."""
    services, caller = services_of(interaction), Invocation.of_interaction(interaction)
    hosts = services.config.discord.owner_ids
    caller.check_manager(hosts)
    if look.everywhere and caller.user_id not in hosts:
        raise NotAllowed("Only a host decides for all servers.")
    wanted = AuditFilter(
        None if look.everywhere else caller.guild_id, look.action, owner_of(look.user_id) if look.user_id else ""
    )
    page = await services.moderation.log(wanted, beside, older=older)
    return EphemeralPayload("", (log_embed(page),), buttons=partial(_buttons, page, look))


def _buttons(page: LogPage, look: Look) -> ui.View:
    view = ui.View(timeout=None)
    if page.newer:
        view.add_item(LogNewerButton(page.entries[0].id, look))
    if page.older:
        view.add_item(LogOlderButton(page.entries[-1].id, look))
    return view
