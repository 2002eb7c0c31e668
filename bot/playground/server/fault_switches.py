"""Switches for trouble, for people who want to see how a bot copes. Each says what it does, and does it."""

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Trouble:
    """One switch. With *once* it happens when it is pressed and is off again at once."""

    id: str
    label: str
    help: str
    switch: Switch
    once: bool = False


class Troubles:
    """All switches and which of them are on; *more* are those of whoever runs the bot."""

    def __init__(self, site: LocalDiscord, *more: Trouble) -> None:
        self._site = site
        self._all = {**ALL, **{trouble.id: trouble for trouble in more}}
        self._on: set[str] = set()

    def listed(self) -> list[Json]:
        """All of them for the page, which draws those that happen *once* as buttons."""
        return [
            {"id": t.id, "label": t.label, "help": t.help, "once": t.once, "on": t.id in self._on}
            for t in self._all.values()
        ]

    def set(self, trouble_id: str, on: bool) -> None:
        """Raises KeyError for a switch that does not exist."""
        trouble = self._all[trouble_id]
        if trouble.once:
            if on:
                trouble.switch(self._site, True)
            return
        if on != (trouble_id in self._on):
            trouble.switch(self._site, on)
            self._on ^= {trouble_id}


def _fault(fault: Callable[[], Fault]) -> Switch:
    """A switch that adds a fault and takes it away again."""
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
    site.interactions.token_seconds = SHORT_TOKENS if on else 15 * 60.0


def _no_speaking(site: LocalDiscord, on: bool) -> None:
    """In the first channel the bot may neither write nor attach files."""
    me = site.world.app.id
    studio = site.world.channels_of(next(iter(site.world.guilds.values())))[0]
    if on:
        studio.overwrites[me] = Overwrite(me, 1, deny=Permission.SEND_MESSAGES | Permission.ATTACH_FILES)
    else:
        studio.overwrites.pop(me, None)
    site.channel_changed(studio)


def _delete_newest(site: LocalDiscord, on: bool) -> None:
    """Somebody deletes what the bot wrote last."""
    mine = [m for c in site.world.channels for m in site.messages.of(c) if m.author_id == site.world.app.id]
    if mine:
        site.posting.delete(max(mine, key=lambda message: message.id))


ALL = {
    trouble.id: trouble
    for trouble in (
        Trouble("slow", "Slow network", f"Every answer takes {SLOW_SECONDS} s longer.",
                _fault(lambda: Fault("", delay=SLOW_SECONDS, times=-1))),
        Trouble("errors", "Server errors", "Every third request is answered with 502.",
                _fault(lambda: Fault("", 502, {"message": "502: Bad Gateway", "code": 0}, times=-1, every=3))),
        Trouble("rate_limits", "Tight rate limits", "Buckets as small as others have seen them, with 429.",
                _rate_limits),
        Trouble("tokens", "Short-lived tokens", f"An interaction ends after {SHORT_TOKENS} s, not 15 minutes.",
                _short_tokens),
        Trouble("permissions", "Bot may not write", "In the first channel the bot loses the right to write.",
                _no_speaking),
        Trouble("delete", "Delete its last message", "As a moderator would, while it is being painted.",
                _delete_newest, once=True),
        Trouble("cut", "Break the connection", "The gateway's line breaks; the bot resumes.",
                lambda site, _: site.gateway.cut(), once=True),
        Trouble("reconnect", "Ask to reconnect", "The gateway asks the bot to come again (opcode 7).",
                lambda site, _: site.gateway.ask_to_reconnect(), once=True),
        Trouble("invalidate", "Forget its session", "The bot must identify anew (opcode 9).",
                lambda site, _: site.gateway.invalidate(), once=True),
    )
}  # fmt: skip
