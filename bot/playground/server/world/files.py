"""Files and their signed, expiring URLs (docs: reference.mdx, "Signed Attachment CDN URLs")."""

import hashlib
import hmac
import mimetypes
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlsplit

from PIL import Image

from bot.playground.server.world.clock import Clock
from bot.playground.server.world.json_types import Json

LIFE = 24 * 3600.0
"""Seconds until a URL expires; Discord publishes no number (assumptions.md)."""
KEPT_BYTES = 512 * 2**20
"""Above this sum files without a message are deleted."""


@dataclass(frozen=True)
class StoredFile:
    """An uploaded file; *folder* is the channel's id, or the app's id for files of a command."""

    id: int
    folder: int
    filename: str
    data: bytes
    content_type: str
    ephemeral: bool = False
    description: str | None = None
    size: tuple[int, int] | None = None
    """Width and height of an image in pixels."""

    @property
    def path(self) -> str:
        root = "ephemeral-attachments" if self.ephemeral else "attachments"
        return f"/{root}/{self.folder}/{self.id}/{self.filename}"


class Files:
    """Stores files and signs their URLs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._unused: OrderedDict[str, None] = OrderedDict()
        self._bytes = 0

    def keep(self, file: StoredFile) -> StoredFile:
        self._files[file.path] = file
        self._bytes += len(file.data)
        return file

    def release(self, files: Iterable[StoredFile]) -> None:
        """Allow the deletion of these files, which happens above KEPT_BYTES (assumptions.md)."""
        self._unused.update((file.path, None) for file in files)
        while self._bytes > KEPT_BYTES and self._unused:
            gone = self._files.pop(self._unused.popitem(last=False)[0], None)
            self._bytes -= len(gone.data) if gone else 0

    def url(self, file: StoredFile, host: str = "cdn.discordapp.com") -> str:
        """A new URL, valid for LIFE seconds."""
        now = self._clock.now()
        expires, issued = f"{int(now + LIFE):x}", f"{int(now):x}"
        return f"https://{host}{file.path}?ex={expires}&is={issued}&hm={self._sign(file.path, expires, issued)}&"

    def find(self, path: str) -> StoredFile | None:
        """The file of a path without a signature, for the page."""
        return self._files.get(path)

    def by_url(self, url: str) -> StoredFile | None:
        """The file of a CDN URL, also of an expired one."""
        parts = urlsplit(url)
        ours = parts.hostname in ("cdn.discordapp.com", "media.discordapp.net")
        return self._files.get(parts.path) if ours else None

    def fetch(self, path: str, query: dict[str, str]) -> StoredFile | None:
        """The file; None if it was deleted, the signature is wrong or the URL has expired."""
        expires, issued, given = (query.get(key, "") for key in ("ex", "is", "hm"))
        if not hmac.compare_digest(given.encode(errors="replace"), self._sign(path, expires, issued).encode()):
            return None
        return self._files.get(path) if int(expires, 16) > self._clock.now() else None

    def payload(self, file: StoredFile) -> Json:
        """The attachment object (docs: resources/message.mdx, "Attachment Structure")."""
        payload: Json = {
            "id": str(file.id),
            "filename": file.filename,
            "size": len(file.data),
            "url": self.url(file),
            "proxy_url": self.url(file, "media.discordapp.net"),
            "content_type": file.content_type,
        }
        if file.size:
            payload |= {"width": file.size[0], "height": file.size[1]}
        if file.description is not None:
            payload["description"] = file.description
        return {**payload, "ephemeral": True} if file.ephemeral else payload

    def _sign(self, path: str, expires: str, issued: str) -> str:
        return hmac.new(self._key, f"{path}|{expires}|{issued}".encode(), hashlib.sha256).hexdigest()


def detect_type(data: bytes, filename: str) -> tuple[str, tuple[int, int] | None]:
    """Content type and size in pixels from the bytes; for other files the type by name and None."""
    try:
        with Image.open(BytesIO(data)) as picture:
            kind = Image.MIME.get(picture.format or "", "application/octet-stream")
            return kind, picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return mimetypes.guess_type(filename)[0] or "application/octet-stream", None


def safe_name(filename: str) -> str:
    """The file name with only letters, digits, ".", "-" and "_" (assumptions.md)."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", filename).strip("._") or "unknown"
