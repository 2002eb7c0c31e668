"""What one message shows: an embed, files, buttons. Kept as bytes and ids, so that it can be sent any number of times.

A `MessagePayload` is what a job's message shows; a `EphemeralPayload` is what one person alone is handed.

discord.File and discord.ui.View may be used once only (a second send of a File uploads nothing; a View sent twice can
unregister its buttons for the whole process), so both are made anew for every request.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass

import discord


@dataclass(frozen=True, slots=True)
class MessagePayload:
    """The whole of a message, ready to be sent, edited into place, and sent again."""

    embed: discord.Embed
    files: tuple[tuple[str, bytes], ...] = ()
    """Name and bytes."""
    buttons: Callable[[], discord.ui.View] | None = None

    def new_files(self) -> list[discord.File]:
        """Fresh files, for one request."""
        return [discord.File(io.BytesIO(data), name) for name, data in self.files]

    def new_view(self) -> discord.ui.View | None:
        """A fresh set of buttons, for one request."""
        return self.buttons() if self.buttons else None

    @property
    def fingerprint(self) -> str:
        """Equal for faces that look the same: an edit that changes nothing is not worth a request."""
        view = self.new_view()
        shown = json.dumps([self.embed.to_dict(), view.to_components() if view else []], sort_keys=True, default=str)
        digest = hashlib.blake2b(shown.encode(), digest_size=16)
        for name, data in self.files:
            digest.update(name.encode() + b"\0" + data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class EphemeralPayload:
    """The whole of an answer that one person alone sees."""

    words: str = ""
    embeds: tuple[discord.Embed, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    """Name and bytes."""
    buttons: Callable[[], discord.ui.View] | None = None

    def new_files(self) -> list[discord.File]:
        """Fresh files, for one request."""
        return [discord.File(io.BytesIO(data), name) for name, data in self.files]

    def new_view(self) -> discord.ui.View | None:
        """A fresh set of buttons, for one request; None where there is nothing to press."""
        view = self.buttons() if self.buttons else None
        return view if view and view.children else None
