"""Attachments: fetched from Discord's CDN and decoded in a child process, few at once, in fair order."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import discord

from bot.errors import CoolingDown, ShuttingDown
from engine.errors import UnreadablePicture
from engine.images.decoder import CleanPicture, DecoderBusy, DecoderProcess, DecoderServer
from engine.images.foreign import MAX_BYTES, MAX_PIXELS
from engine.images.opening import NAMES, sniff

CDN = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""The only hosts that attachments are fetched from."""
KINDS = frozenset({"png", "jpeg", "webp", "gif", "tiff", "bmp", "x-ms-bmp", "avif", "heic", "heif"})
UNNAMED = frozenset({"", "application/octet-stream"})
"""Content types that do not name a format; the bytes decide."""
DOWNLOAD_SECONDS = 20.0
AT_ONCE = 2
"""Attachments of a lane that are read at the same time: one is fetched while another is decoded."""
SMALL_PIXELS, SMALL_BYTES = 1_850_000, 4 * 2**20
"""Attachments up to these limits have a separate lane and decoder, so that they never wait for large ones."""
SMALL_SHARE = 3
"""Small pictures are decoded within 1 / SMALL_SHARE of the decoder's limits."""
WAITING = 3
"""Attachments of one person that may wait."""
PERSON_SECONDS = 15.0
"""Decoding time that one person may use at once; it refills within a minute."""
REFUSED_SECONDS = 2.0
"""Charge for a refused picture on top of its decoding time."""
LARGE_NICE, CHARGED_NICE = 4, 15
"""Niceness at which large pictures are decoded, and those of a person who has used REFUSED_SECONDS or more."""
_REFILL = PERSON_SECONDS / 60


def check_attachment(attachment: discord.Attachment) -> None:
    """Raise UnreadablePicture for an attachment whose type, size or host, as Discord reports them, is not allowed."""
    kind = (attachment.content_type or "").partition(";")[0].strip().lower()
    if kind not in UNNAMED and (not kind.startswith("image/") or kind.removeprefix("image/") not in KINDS):
        raise UnreadablePicture(f"Attach a picture ({NAMES} or HEIC). This file is “{kind}”.")
    if attachment.size > MAX_BYTES:
        raise UnreadablePicture(
            f"The picture has {attachment.size / 2**20:.1f} MB; the limit is {MAX_BYTES / 2**20:.0f} MB."
        )
    pixels = (attachment.width or 0) * (attachment.height or 0)
    if kind != "image/jpeg" and pixels > MAX_PIXELS:
        raise UnreadablePicture(
            f"The picture is {attachment.width}×{attachment.height}; the limit is {MAX_PIXELS / 1e6:.0f} megapixels."
        )
    if urlsplit(attachment.url).hostname not in CDN:
        raise UnreadablePicture("I only fetch pictures that were attached in Discord.")


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    user_id: int
    number: int
    small: bool
    admitted: asyncio.Future[None] = field(default_factory=asyncio.Future)


class AttachmentReader:
    """Reads attachments, one at a time per person, in two lanes. The person who used the least time comes first.

    *pixels*: of the clean PNG, at most about that many. *ticks* is in seconds.
    """

    def __init__(self, pixels: int, ticks: Callable[[], float] = time.monotonic) -> None:
        self._pixels = pixels
        self._ticks = ticks
        self._numbers = itertools.count()
        self._tickets: list[_Ticket] = []
        self._admitted: dict[int, bool] = {}
        """Person → whether the attachment is small."""
        self._used: dict[int, tuple[float, float]] = {}
        """Person → (seconds, when): decoding time used by then, minus the refill."""
        self._decoding = {True: asyncio.Lock(), False: asyncio.Lock()}
        self._server = DecoderServer()
        self._decoders: set[DecoderProcess] = set()
        self._closing = False

    async def read(self, attachment: discord.Attachment, user_id: int, *, alpha: bool = False) -> CleanPicture:
        """Fetch and decode. Raises UnreadablePicture, CoolingDown (too much decoding time used), ShuttingDown."""
        check_attachment(attachment)
        small = _is_small(attachment)
        async with self._turn(user_id, small):
            data = await _fetch(attachment)
            if not sniff(data):
                raise UnreadablePicture(f"This file is not a picture that can be opened; {NAMES} and HEIC can.")
            async with self._decoding[small]:
                return await self._decode(data, user_id, alpha, small)

    async def close(self) -> None:
        """End the decoder processes; waiting reads raise ShuttingDown, before anything is awaited."""
        self._closing = True
        for decoder in self._decoders:
            decoder.close()
        for ticket in self._tickets:
            if not ticket.admitted.done():
                ticket.admitted.set_exception(_shutting_down())
        self._tickets.clear()
        await asyncio.to_thread(self._server.close)

    def used(self, user_id: int) -> float:
        """Seconds of decoding time that this person has used, minus the refill."""
        seconds, at = self._used.get(user_id, (0.0, 0.0))
        return max(0.0, seconds - (self._ticks() - at) * _REFILL)

    async def _decode(self, data: bytes, user_id: int, alpha: bool, small: bool) -> CleanPicture:
        if self._closing:
            raise _shutting_down()
        nice = CHARGED_NICE if self.used(user_id) >= REFUSED_SECONDS else 0 if small else LARGE_NICE
        decoder, begun = DecoderProcess(self._server, SMALL_SHARE if small else 1, nice), self._ticks()
        self._decoders.add(decoder)
        busy = False
        try:
            return await asyncio.to_thread(decoder.decode, data, pixels=self._pixels, alpha=alpha)
        except UnreadablePicture as error:
            if self._closing:
                raise _shutting_down() from None
            busy = isinstance(error, DecoderBusy)
            self._charge(user_id, 0.0 if busy else REFUSED_SECONDS)
            raise
        except asyncio.CancelledError:
            decoder.close()
            raise
        finally:
            self._decoders.discard(decoder)
            waited = self._ticks() - begun  # by all who want the same decoder
            self._charge(user_id, waited if busy else decoder.cpu_seconds or waited)

    def _charge(self, user_id: int, seconds: float) -> None:
        self._used[user_id] = (self.used(user_id) + seconds, self._ticks())
        for other in [one for one in self._used if not self.used(one)]:
            del self._used[other]

    @asynccontextmanager
    async def _turn(self, user_id: int, small: bool) -> AsyncIterator[None]:
        if self._closing:
            raise _shutting_down()
        if self.used(user_id) > PERSON_SECONDS:
            seconds = round((self.used(user_id) - PERSON_SECONDS) / _REFILL) + 1
            raise CoolingDown(
                f"Your pictures took a long time to decode; please wait {seconds} s before you send another."
            )
        if Counter(ticket.user_id for ticket in self._tickets)[user_id] >= WAITING:
            raise CoolingDown("Your earlier pictures are still being read; please wait for them.")
        ticket = _Ticket(user_id, next(self._numbers), small)
        self._tickets.append(ticket)
        self._admit()
        try:
            await ticket.admitted
            yield
        finally:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
            elif not ticket.admitted.cancelled() and ticket.admitted.exception() is None:
                self._admitted.pop(user_id, None)
            self._admit()

    def _admit(self) -> None:
        for ticket in sorted(self._tickets, key=lambda one: (self.used(one.user_id), one.number)):
            room = Counter(self._admitted.values())[ticket.small] < AT_ONCE
            if room and ticket.user_id not in self._admitted and not ticket.admitted.done():
                self._tickets.remove(ticket)
                self._admitted[ticket.user_id] = ticket.small
                ticket.admitted.set_result(None)


async def _fetch(attachment: discord.Attachment) -> bytes:
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS):
            return await attachment.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise UnreadablePicture("I could not download the attachment from Discord. Please attach it again.") from error


def _is_small(attachment: discord.Attachment) -> bool:
    pixels = (attachment.width or 0) * (attachment.height or 0)
    return 0 < pixels <= SMALL_PIXELS and attachment.size <= SMALL_BYTES


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("The bot is restarting. Please try again in a minute.")
