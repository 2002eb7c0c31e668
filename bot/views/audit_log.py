"""The moderation log in pages. Its buttons hold the whole query, so they keep working after a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

from discord import ui

from bot.embeds.moderation import log_embed
from bot.errors import NotAllowed
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.audit import AuditFilter, LogPage
from bot.models.job import owner_of
from bot.services import Services
from bot.text import snowflake
from bot.views.base import PREFIX, Press, handle, view_of

_REST = r":(?P<entry>\d{1,18}):(?P<where>here|all):(?P<user>\d{0,20}):(?P<action>[a-z ]{0,30})"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of the log to show: of all servers, about one person, of one action."""

    everywhere: bool = False
    user_id: int | None = None
    action: str = ""


class LogOlderButton(ui.DynamicItem[ui.Button[ui.View]], template=rf"{PREFIX}:logolder{_REST}"):
    """Shows the page after the entry in the custom id."""

    action: ClassVar[str] = "logolder"
    label: ClassVar[str] = "Older"
    older: ClassVar[bool] = True

    def __init__(self, entry: int, query: LogQuery) -> None:
        self.entry = entry
        self.query = query
        where = "all" if query.everywhere else "here"
        custom_id = f"{PREFIX}:{self.action}:{entry}:{where}:{query.user_id or ''}:{query.action}"
        super().__init__(ui.Button(label=self.label, custom_id=custom_id))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        """Rebuild the button that was pressed."""
        user_id = snowflake(match["user"]) if match["user"] else None
        return cls(int(match["entry"]), LogQuery(match["where"] == "all", user_id, match["action"]))

    async def callback(self, interaction: AnyInteraction) -> None:
        """Turn the page, if the presser may still read the log."""
        await handle(interaction, self._turn, access=Access.OPEN, doing=f"the button {self.custom_id}")

    async def _turn(self, press: Press) -> None:
        payload = await log_payload(press.services, press.caller, self.query, self.entry, older=self.older)
        await press.responder.defer()
        await press.responder.replace(payload)


class LogNewerButton(LogOlderButton, template=rf"{PREFIX}:lognewer{_REST}"):
    """Shows the page before the entry in the custom id."""

    action = "lognewer"
    label = "Newer"
    older = False


async def log_payload(
    services: Services, caller: Invocation, query: LogQuery, beside: int | None = None, *, older: bool = True
) -> EphemeralPayload:
    """One page of the log. Raises NotAllowed unless the caller manages the server; all servers are for hosts only."""
    hosts = services.config.discord.owner_ids
    caller.check_manager(hosts)
    if query.everywhere and caller.user_id not in hosts:
        raise NotAllowed("Only the bot's hosts can decide for all servers.")
    wanted = AuditFilter(
        None if query.everywhere else caller.guild_id, query.action, owner_of(query.user_id) if query.user_id else ""
    )
    page = await services.moderation.log(wanted, beside, older=older)
    return EphemeralPayload("", (log_embed(page),), buttons=partial(_buttons, page, query))


def _buttons(page: LogPage, query: LogQuery) -> ui.View:
    return view_of(
        LogNewerButton(page.entries[0].id, query) if page.newer else None,
        LogOlderButton(page.entries[-1].id, query) if page.older else None,
    )
