"""Pictures from people, and pictures that must fit."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest
from PIL import Image

from bot.pictures.uploads import check_attachment, result_upload, snapshot_upload
from engine.errors import UnreadablePicture
from engine.images.pictures import snapshot, to_png


def attachment(**changes: Any) -> discord.Attachment:
    usual = {
        "content_type": "image/png",
        "size": 1000,
        "width": 64,
        "height": 64,
        "url": "https://cdn.discordapp.com/x",
    }
    return cast(discord.Attachment, SimpleNamespace(**{**usual, **changes}))


def png(colour: str, side: int = 64) -> bytes:
    return to_png(Image.new("RGB", (side, side), colour))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp", "image/gif", "IMAGE/PNG; charset=x"])
def test_pictures_are_welcome(kind: str) -> None:
    check_attachment(attachment(content_type=kind))


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("of the kind “text/html”", {"content_type": "text/html"}),
        ("of the kind “image/svg\\+xml”", {"content_type": "image/svg+xml"}),
        ("of the kind “unknown”", {"content_type": None}),
        ("has 40.0 MB; 32 MB is the most", {"size": 40 * 2**20}),
        ("is 20000×20000; 50 megapixels is the most", {"width": 20_000, "height": 20_000}),
        ("only fetch pictures that were attached in Discord", {"url": "https://evil.example/x.png"}),
        ("only fetch pictures that were attached in Discord", {"url": "https://cdn.discordapp.com.evil.example/x"}),
    ],
)
def test_what_cannot_be_a_picture_is_refused_before_it_is_fetched(words: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePicture, match=words):
        check_attachment(attachment(**changes))


async def test_one_picture_is_uploaded_as_it_is() -> None:
    upload = await result_upload("job", [png("red")], 10**6)

    assert ("job.png", png("red"), "") == (upload.name, upload.data, upload.note)


async def test_several_are_uploaded_as_one_grid_in_reading_order() -> None:
    upload = await result_upload("job", [png(colour) for colour in ("red", "lime", "blue", "white")], 10**6)

    sheet = opened(upload.data)
    corners = [(5, 5), (sheet.width - 5, 5), (5, sheet.height - 5), (sheet.width - 5, sheet.height - 5)]
    assert [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)] == [sheet.getpixel(corner) for corner in corners]


async def test_what_is_too_large_is_re_encoded_with_a_note() -> None:
    noise = to_png(Image.effect_noise((256, 256), 90).convert("RGB"))

    upload = await result_upload("job", [noise], 40_000)

    assert "job.webp" == upload.name
    assert len(upload.data) <= 40_000 < len(noise)
    assert upload.note.startswith("Re-encoded as WebP")


async def test_without_snapshots_there_is_nothing_to_show() -> None:
    assert await snapshot_upload("job", {}, 4) is None


async def test_a_single_snapshot_goes_as_it_is() -> None:
    data = snapshot(Image.new("RGB", (64, 64), "red"))

    upload = await snapshot_upload("job", {0: data}, 1)

    assert upload is not None
    assert ("job.webp", data) == (upload.name, upload.data)


async def test_pictures_that_have_not_begun_are_dark_places_in_the_grid() -> None:
    red = snapshot(Image.new("RGB", (64, 64), "red"))

    upload = await snapshot_upload("job", {1: red}, 4)

    assert upload is not None
    sheet = opened(upload.data).convert("RGB")
    assert sheet.getpixel((10, 10))[0] < 60  # type: ignore[index]
    assert 230 < sheet.getpixel((sheet.width - 10, 10))[0]  # type: ignore[index]
