"""Pictures from people, and pictures that must fit."""

from __future__ import annotations

import io

from PIL import Image

from bot.pictures.uploads import result_upload, snapshot_upload
from engine.images.pictures import snapshot, to_png


def png(colour: str, side: int = 64) -> bytes:
    return to_png(Image.new("RGB", (side, side), colour))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


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
