"""What happens, told to everybody who may know of it: the bot's gateway sessions and the people who look on."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol

from bot.playground.server.json_types import Json


class Intent(IntFlag):
    """docs: events/gateway.mdx, "List of Intents"."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES | Intent.MESSAGE_CONTENT
KNOWN_BITS = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25
"""All bits that the docs list; others give close code 4013."""


@dataclass(frozen=True)
class Event:
    """One happening, seen through the receiver's eyes: `render` gets its id and whether it may read content."""

    name: str
    render: Callable[[int, bool], Json]
    guild_id: int | None = None
    channel_id: int | None = None
    intent: int = 0
    """The intent that a bot needs; 0 for none."""
    only_for: int | None = None
    """The one person (or the bot's id) who may know of it; None for all who see the channel."""
    people_only: bool = False
    """Told to people's clients, never to bots."""


class Receiver(Protocol):
    """A gateway session or a person's eyes."""

    def hear(self, event: Event) -> None: ...


class Hub:
    """Hands every event to every receiver, in order; each decides by itself whether it concerns it."""

    def __init__(self) -> None:
        self._receivers: list[Receiver] = []

    def join(self, receiver: Receiver) -> Callable[[], None]:
        """Start listening; call the result to stop."""
        self._receivers.append(receiver)
        return lambda: self._receivers.remove(receiver) if receiver in self._receivers else None

    def publish(self, event: Event) -> None:
        for receiver in tuple(self._receivers):
            receiver.hear(event)


def fixed(data: Json) -> Callable[[int, bool], Json]:
    """A rendering that is the same for everybody."""
    return lambda _receiver, _content: data
