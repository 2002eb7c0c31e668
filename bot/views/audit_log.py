"""The moderation log in pages. Its buttons hold the whole query, so they keep working after a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from discord import ui

from bot.embeds.moderation import log_embed
from bot.errors import NotAllowed
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction
from bot.models.audit import AuditFilter
from bot.models.job import owner_of
from bot.services import Services
from bot.text import snowflake
from bot.views.base import PREFIX, Item, Press, view_of


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which part of the log to show: of all servers, about one person, of one action."""

    everywhere: bool = False
    user_id: int | None = None
    action: str = ""


class LogOlderButton(Item[ui.Button[ui.View]], action="logolder", label="Older", private=True, access=Access.OPEN):
    """Shows the page after the entry in the custom id, if the presser may still read the log."""

    rest = r":(?P<entry>\d{1,18}):(?P<where>here|all):(?P<user>\d{0,20}):(?P<deed>[a-z ]{0,30})"
    label: ClassVar[str]
    older: ClassVar[bool] = True

    def __init__(self, entry: int, query: LogQuery) -> None:
        self.entry = entry
        self.query = query
        where = "all" if query.everywhere else "here"
        named = f"{PREFIX}:{self.action}:{entry}:{where}:{query.user_id or ''}:{query.action}"
        super().__init__(ui.Button(label=self.label, custom_id=named))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        user_id = snowflake(match["user"]) if match["user"] else None
        return cls(int(match["entry"]), LogQuery(match["where"] == "all", user_id, match["deed"]))

    async def act(self, press: Press) -> None:
        payload = await log_payload(press.services, press.caller, self.query, self.entry, older=self.older)
        await press.responder.replace(payload)


class LogNewerButton(LogOlderButton, action="lognewer", label="Newer"):
    """Shows the page before the entry in the custom id."""

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

    def buttons() -> ui.View:
        return view_of(
            LogNewerButton(page.entries[0].id, query) if page.newer else None,
            LogOlderButton(page.entries[-1].id, query) if page.older else None,
        )

    return EphemeralPayload("", (log_embed(page),), buttons=buttons)
