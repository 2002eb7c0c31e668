"""Events and the bus that delivers them to the bot's gateway sessions and to the pages of people."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol

from bot.playground.server.world.json_types import Json


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
    """One event. `render` takes the receiver's user id and whether it may read message content."""

    name: str
    render: Callable[[int, bool], Json]
    guild_id: int | None = None
    channel_id: int | None = None
    intent: int = 0
    """The intent that a bot needs; 0 where it needs none."""
    only_for: int | None = None
    """The id of the one user (or the bot) that receives it; None for all who see the channel."""
    people_only: bool = False
    """Delivered to the clients of people, never to bots."""


class Receiver(Protocol):
    """A gateway session, or the event stream of a person's page."""

    def receive(self, event: Event) -> None: ...


class EventBus:
    """Delivers every event to every receiver, in order. Each receiver filters for itself."""

    def __init__(self) -> None:
        self._receivers: list[Receiver] = []

    def subscribe(self, receiver: Receiver) -> Callable[[], None]:
        """Start delivering events to *receiver*; the returned function stops it."""
        self._receivers.append(receiver)
        return lambda: self._receivers.remove(receiver) if receiver in self._receivers else None

    def publish(self, event: Event) -> None:
        for receiver in tuple(self._receivers):
            receiver.receive(event)


def fixed(data: Json) -> Callable[[int, bool], Json]:
    """A rendering that is the same for every receiver."""
    return lambda _receiver, _content: data
