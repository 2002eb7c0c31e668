"""Messages by channel."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.playground.server.world.entities import World
from bot.playground.server.world.files import Files, StoredFile
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.mentions import Mentions

EPHEMERAL, LOADING = 1 << 6, 1 << 7
HAS_THREAD = 1 << 5
NORMAL, REPLY, SLASH, CONTEXT_MENU = 0, 19, 20, 23
"""docs: resources/message.mdx, "Message Types" and "Message Flags"."""


@dataclass
class Message:
    """A message as the server stores it."""

    id: int
    channel_id: int
    guild_id: int | None
    author_id: int
    created_at: float
    type: int = NORMAL
    content: str = ""
    flags: int = 0
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    files: list[StoredFile] = field(default_factory=list)
    mentions: Mentions = field(default_factory=Mentions)
    reactions: dict[str, list[int]] = field(default_factory=dict)
    """Emoji ("👍" or "name:id") → user ids, in order."""
    edited_at: float | None = None
    nonce: str | int | None = None
    metadata: Json | None = None
    """`interaction_metadata`, where an interaction made this message."""
    command: str = ""
    reference: int | None = None
    visible_to: int | None = None
    """The id of the user who sees an ephemeral message."""
    by_webhook: bool = False
    tts: bool = False
    pinned: bool = False
    old_edits: list[float] = field(default_factory=list)

    @property
    def ephemeral(self) -> bool:
        return self.visible_to is not None

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)


class Messages:
    """All messages by channel, oldest first."""

    def __init__(self, world: World, files: Files) -> None:
        self._world = world
        self._files = files
        self._channels: dict[int, dict[int, Message]] = {}

    def add(self, message: Message) -> Message:
        self._channels.setdefault(message.channel_id, {})[message.id] = message
        if not message.ephemeral:
            self._world.channels[message.channel_id].last_message_id = message.id
        return message

    def get(self, channel_id: int, message_id: int) -> Message | None:
        return self._channels.get(channel_id, {}).get(message_id)

    def remove(self, message: Message) -> None:
        self._channels[message.channel_id].pop(message.id, None)
        self._files.release(message.files)

    def of(self, channel_id: int) -> Iterator[Message]:
        """Newest first."""
        yield from reversed(tuple(self._channels.get(channel_id, {}).values()))

    def seen_by(self, channel_id: int, person: int) -> list[Message]:
        """Oldest first, with the ephemeral messages of *person*."""
        found = [message for message in self.of(channel_id) if message.visible_to in (None, person)]
        return found[::-1]

    def by_nonce(self, channel_id: int, author_id: int, nonce: str | int, since: float) -> Message | None:
        """The author's message with this nonce since *since* (docs: resources/message.mdx, enforce_nonce)."""
        for message in self.of(channel_id):
            if message.created_at < since:
                return None
            if message.author_id == author_id and message.nonce is not None and str(message.nonce) == str(nonce):
                return message
        return None
