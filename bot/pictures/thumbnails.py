"""Small copies of pictures for sheets; the most recent ones stay in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from bot.pictures.contact_sheet import thumbnail
from bot.storage import files
from engine.errors import UnreadablePicture

REMEMBERED = 300
"""About 15 kB each."""


class Thumbnails:
    def __init__(self) -> None:
        self._known: OrderedDict[str, bytes] = OrderedDict()

    async def of(self, path: Path | None, sha256: str) -> bytes | None:
        """The thumbnail of a file, as WebP; None if the file is gone or damaged. Raises StoreError."""
        if (known := self._known.get(sha256)) is not None:
            self._known.move_to_end(sha256)
            return known
        png = await files.read(path)
        if png is None:
            return None
        try:
            small = await asyncio.to_thread(thumbnail, png)
        except UnreadablePicture:
            return None
        self._known[sha256] = small
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return small
