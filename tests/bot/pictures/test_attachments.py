"""Attachments: what is fetched at all, in which order, and what one person may cost."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from PIL import Image

from bot.errors import CoolingDown, ShuttingDown
from bot.pictures import attachments
from bot.pictures.attachments import (
    CHARGED_NICE,
    LARGE_NICE,
    PERSON_SECONDS,
    WAITING,
    AttachmentReader,
    check_attachment,
)
from engine.errors import UnreadablePicture
from engine.images.decoder import BUSY, CleanPicture, DecoderBusy, DecoderServer
from engine.images.opening import open_own
from engine.images.pictures import to_png

PNG = to_png(Image.new("RGB", (64, 48), "orange"))
ANN, BOB, CID = 1, 2, 3


def attachment(data: bytes = PNG, **changes: Any) -> discord.Attachment:
    async def read() -> bytes:
        return data

    usual = {
        "content_type": "image/png",
        "size": 1000,
        "width": 64,
        "height": 64,
        "url": "https://cdn.discordapp.com/x",
        "read": read,
    }
    return cast(discord.Attachment, SimpleNamespace(**{**usual, **changes}))


class SlowDecoder:
    """A decoder that finishes when the test says so, and takes as long as the test's clock says."""

    cpu_seconds = 0.0

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def decode(self, data: bytes, *, pixels: int, alpha: bool) -> CleanPicture:
        return asyncio.run_coroutine_threadsafe(self.reader.finish(data), self.reader.loop).result()

    def close(self) -> None:
        self.reader.go.set()


class Reader(AttachmentReader):
    """Keeps the order in which pictures are decoded; each takes *seconds*."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 1.0) -> None:
        super().__init__(pixels=10**6, ticks=lambda: self.now)
        self.now, self.seconds = 0.0, seconds
        self.loop, self.go = asyncio.get_running_loop(), asyncio.Event()
        self.order: list[bytes] = []
        self.nices: list[int] = []
        monkeypatch.setattr(attachments, "DecoderProcess", self.decoder)

    def decoder(self, server: DecoderServer, share: int, nice: int) -> SlowDecoder:
        self.nices.append(nice)
        return SlowDecoder(self)

    async def finish(self, data: bytes) -> CleanPicture:
        await self.go.wait()
        self.order.append(data)
        self.now += self.seconds
        return CleanPicture(data, (1, 1))

    def begin(self, user: int, name: str) -> asyncio.Task[CleanPicture]:
        return asyncio.create_task(self.read(attachment(PNG + name.encode()), user))

    @property
    def names(self) -> list[str]:
        return [data.removeprefix(PNG).decode() for data in self.order]


@pytest.mark.parametrize(
    "kind",
    ["image/png", "image/jpeg", "image/tiff", "image/heic", "IMAGE/PNG; charset=x", None, "application/octet-stream"],
)
def test_pictures_are_fetched_and_what_says_nothing_too(kind: str | None) -> None:
    check_attachment(attachment(content_type=kind))


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("This file is “text/html”", {"content_type": "text/html"}),
        ("This file is “image/svg\\+xml”", {"content_type": "image/svg+xml"}),
        ("has 40.0 MB; the limit is 32 MB", {"size": 40 * 2**20}),
        ("is 20000×20000; the limit is 50 megapixels", {"width": 20_000, "height": 20_000}),
        ("only fetch pictures that were attached in Discord", {"url": "https://evil.example/x.png"}),
        ("only fetch pictures that were attached in Discord", {"url": "https://cdn.discordapp.com.evil.example/x"}),
    ],
)
def test_what_cannot_be_a_picture_is_refused_before_it_is_fetched(words: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePicture, match=words):
        check_attachment(attachment(**changes))


@pytest.mark.parametrize("kind", [None, "application/octet-stream", "image/png"])
async def test_the_bytes_decide_what_it_is(kind: str | None) -> None:
    reader = AttachmentReader(pixels=10**6)

    picture = await reader.read(attachment(content_type=kind), ANN)

    assert ((64, 48), (64, 48)) == (picture.size, open_own(picture.png).size)
    with pytest.raises(UnreadablePicture, match="not a picture that can be opened"):
        await reader.read(attachment(b"<html>", content_type=kind), ANN)
    await reader.close()


async def test_who_has_used_the_least_time_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)
    floods = [reader.begin(user, f"{user}.{number}") for user in (ANN, BOB) for number in (1, 2)]
    await asyncio.sleep(0)
    late = reader.begin(CID, "3.1")
    await asyncio.sleep(0)
    reader.go.set()
    await asyncio.gather(*floods, late)

    assert ["1.1", "2.1", "3.1"] == reader.names[:3]
    assert {"1.2", "2.2"} == set(reader.names[3:])


async def test_one_person_has_one_picture_decoded_and_few_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)
    mine = [reader.begin(ANN, str(number)) for number in range(WAITING + 1)]
    await asyncio.sleep(0)

    with pytest.raises(CoolingDown, match="still being read"):
        await reader.read(attachment(), ANN)
    reader.go.set()
    await asyncio.gather(*mine)

    assert [str(number) for number in range(WAITING + 1)] == reader.names


async def test_who_has_used_much_time_waits_until_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, seconds=PERSON_SECONDS + 1)
    reader.go.set()
    await reader.read(attachment(), ANN)

    with pytest.raises(CoolingDown, match=r"please wait \d+ s"):
        await reader.read(attachment(), ANN)
    await reader.read(attachment(), BOB)
    reader.now += 10
    await reader.read(attachment(), ANN)


async def test_pictures_of_a_person_who_sent_bad_ones_get_a_low_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch, seconds=0.1)
    reader.go.set()

    async def refused(data: bytes) -> CleanPicture:
        raise UnreadablePicture("The picture is broken.")

    monkeypatch.setattr(reader, "finish", refused)
    with pytest.raises(UnreadablePicture):
        await reader.begin(ANN, "bad")
    monkeypatch.undo()
    monkeypatch.setattr(attachments, "DecoderProcess", reader.decoder)
    await reader.begin(ANN, "good")
    await reader.begin(BOB, "small")
    await reader.read(attachment(width=4000, height=3000), BOB)

    assert [0, CHARGED_NICE, 0, LARGE_NICE] == reader.nices


async def test_a_busy_machine_is_charged_as_time_and_not_as_a_bad_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)

    async def busy(data: bytes) -> CleanPicture:
        reader.now += 5.0
        raise DecoderBusy(BUSY)

    monkeypatch.setattr(reader, "finish", busy)
    with pytest.raises(DecoderBusy, match="try again"):
        await reader.begin(ANN, "harmless")

    assert 5.0 == reader.used(ANN)


async def test_a_cancelled_read_gives_its_place_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)
    tasks = [reader.begin(user, str(user)) for user in (ANN, BOB, CID)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[0].cancel()
    reader.go.set()

    assert (await tasks[2]).png.endswith(b"3")


async def test_closing_ends_what_is_decoded_and_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(monkeypatch)
    tasks = [reader.begin(user, str(user)) for user in (ANN, BOB, CID)]
    await asyncio.sleep(0)

    await reader.close()

    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[2], ShuttingDown)
    with pytest.raises(ShuttingDown):
        await reader.read(attachment(), ANN)


async def test_a_small_picture_never_waits_for_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    held, reader = asyncio.Event(), Reader(monkeypatch)

    async def finish(data: bytes) -> CleanPicture:
        if data.endswith(b"large"):
            await held.wait()
        return CleanPicture(data, (1, 1))

    monkeypatch.setattr(reader, "finish", finish)
    large = [
        asyncio.create_task(reader.read(attachment(PNG + b"large", width=4000, height=3000), user))
        for user in range(10, 20)
    ]
    await asyncio.sleep(0)

    assert (await reader.begin(ANN, "small")).png.endswith(b"small")
    held.set()
    await asyncio.gather(*large)
