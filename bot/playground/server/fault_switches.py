"""The page's switches that inject faults."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot.playground.server.actions.interactions import TOKEN_SECONDS
from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.gateway.identify_limit import WINDOW
from bot.playground.server.local import LocalDiscord
from bot.playground.server.rest.faults import Fault
from bot.playground.server.rest.rate_limits import GLOBAL_PER_SECOND, ROOMY
from bot.playground.server.world.entities import Overwrite
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import Permission

Switch = Callable[[LocalDiscord, bool], None]
SLOW_SECONDS = 1.5
SHORT_TOKENS = 2.0
AFTERMATH_SECONDS = 60.0
"""For so long after a fault the bot's requests may be refused because of it."""


@dataclass(frozen=True)
class FaultSwitch:
    """One switch. *once* makes it a button that injects the fault a single time."""

    id: str
    label: str
    help: str
    switch: Switch
    once: bool = False


class FaultSwitches:
    """All switches and which of them are on; *more* are the switches for the bot's process."""

    def __init__(self, site: LocalDiscord, *more: FaultSwitch) -> None:
        self._site = site
        self._all = {**ALL, **{switch.id: switch for switch in more}}
        self._on: set[str] = set()

    def listed(self) -> list[Json]:
        """All switches as the page reads them."""
        return [
            {"id": s.id, "label": s.label, "help": s.help, "once": s.once, "on": s.id in self._on}
            for s in self._all.values()
        ]

    def set(self, switch_id: str, on: bool) -> None:
        """Turn a switch; `Record.faults_until` tells which refusals it explains. Raises NotPossibleError."""
        switch = self._all.get(switch_id)
        if switch is None:
            raise NotPossibleError(f"there is no fault switch {switch_id!r}; there are {sorted(self._all)}")
        if switch.once:
            if on:
                switch.switch(self._site, True)
        elif on != (switch_id in self._on):
            switch.switch(self._site, on)
            self._on ^= {switch_id}
        self._site.record.faults_until = math.inf if self._on else self._site.clock.now() + AFTERMATH_SECONDS


def _fault(fault: Callable[[], Fault]) -> Switch:
    """A switch that adds a fault and removes it."""
    added: list[Fault] = []

    def switch(site: LocalDiscord, on: bool) -> None:
        if on:
            added.append(site.faults.add(fault()))
        else:
            site.faults.remove(added.pop())

    return switch


def _rate_limits(site: LocalDiscord, on: bool) -> None:
    site.gateway.identifies.window = WINDOW if on else 0.0
    if on:
        site.limits.realistic()
    else:
        site.limits.allowances, site.limits.global_per_second = dict(ROOMY), GLOBAL_PER_SECOND * 100


def _short_tokens(site: LocalDiscord, on: bool) -> None:
    site.interactions.token_seconds = SHORT_TOKENS if on else TOKEN_SECONDS


def _no_speaking(site: LocalDiscord, on: bool) -> None:
    """Deny the bot SEND_MESSAGES and ATTACH_FILES in the first channel."""
    me = site.world.app.id
    studio = site.world.channels_of(next(iter(site.world.guilds.values())))[0]
    if on:
        studio.overwrites[me] = Overwrite(me, 1, deny=Permission.SEND_MESSAGES | Permission.ATTACH_FILES)
    else:
        studio.overwrites.pop(me, None)
    site.channel_changed(studio)


def _delete_newest(site: LocalDiscord, on: bool) -> None:
    """Delete the bot's newest message."""
    mine = [m for c in site.world.channels for m in site.messages.of(c) if m.author_id == site.world.app.id]
    if mine:
        site.posting.delete(max(mine, key=lambda message: message.id))


ALL = {
    switch.id: switch
    for switch in (
        FaultSwitch("slow", "Slow network", f"Delays every response by {SLOW_SECONDS} s.",
                    _fault(lambda: Fault("", delay=SLOW_SECONDS, times=-1))),
        FaultSwitch("errors", "Server errors", "Answers every third request with 502.",
                    _fault(lambda: Fault("", 502, {"message": "502: Bad Gateway", "code": 0}, times=-1, every=3))),
        FaultSwitch("rate_limits", "Tight rate limits", "Enforces limits as strict as Discord's, with status 429.",
                    _rate_limits),
        FaultSwitch("tokens", "Short-lived tokens", f"Interaction tokens expire after {SHORT_TOKENS:.0f} s.",
                    _short_tokens),
        FaultSwitch("permissions", "No write permission", "The bot may not write in the first channel.",
                    _no_speaking),
        FaultSwitch("delete", "Delete its last message", "As a moderator would, even while it is painting.",
                    _delete_newest, once=True),
        FaultSwitch("cut", "Drop the connection", "Breaks the gateway connection; the bot resumes.",
                    lambda site, _: site.gateway.cut(), once=True),
        FaultSwitch("reconnect", "Request a reconnect", "Sends opcode 7; the bot reconnects.",
                    lambda site, _: site.gateway.ask_to_reconnect(), once=True),
        FaultSwitch("invalidate", "Invalidate the session", "Sends opcode 9; the bot must identify again.",
                    lambda site, _: site.gateway.invalidate(), once=True),
    )
}  # fmt: skip
