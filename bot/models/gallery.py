"""Pictures as gallery, favourites and search list them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from bot.text import message_link

Order: TypeAlias = Literal["newest", "starred"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose pictures may be listed: those of *user_id*, and what *channels* of the server show.

    *restricted*: the list is shown in an age-restricted channel, so that it may hold adult content.
    """

    user_id: int
    server_id: int | None = None
    channels: tuple[int, ...] = ()
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class IndexedPicture:
    """A picture in the index. *stars*: given by others in its server; *message_id*: shows it in its channel.

    *hidden*: a blind vote hides its words and its owner from everyone but its owner.
    """

    id: int
    job_id: str
    index: int
    owner: int
    server_id: int | None
    channel_id: int
    mature: bool
    words: str
    path: Path | None
    sha256: str
    created_at: float
    spoiler: bool
    message_id: int | None
    stars: int = 0
    hidden: bool = False

    def seen_by(self, user_id: int) -> IndexedPicture:
        """The picture as this person may see it."""
        return replace(self, hidden=False) if self.owner == user_id else self

    @property
    def link(self) -> str:
        """The address of its message, or empty."""
        return message_link(self.server_id, self.channel_id, self.message_id)
