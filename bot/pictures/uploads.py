"""Images as they are uploaded to Discord, within its limit. Decoding and encoding run in threads."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from bot.pictures.contact_sheet import ranked_sheet, sheet_so_far, side_by_side
from bot.pictures.ranking import Order
from engine.images.opening import open_own
from engine.images.pictures import fit_to_bytes, grid, snapshot, to_png

THUMBNAIL_SIDE = 160
"""Pixels."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file as it goes to Discord; *note* says what had to be done to it, or nothing."""

    name: str
    data: bytes
    note: str = ""


async def result_upload(job_id: str, pngs: Sequence[bytes], limit: int) -> Upload:
    """What a finished job shows: its picture, or all of them in one, within *limit* bytes. Needs at least one."""
    return await asyncio.to_thread(_result_upload, job_id, pngs, limit)


def _result_upload(job_id: str, pngs: Sequence[bytes], limit: int) -> Upload:
    png = pngs[0] if len(pngs) == 1 else to_png(grid([open_own(png) for png in pngs]))
    data, extension, note = fit_to_bytes(png, limit)
    return Upload(f"{job_id}.{extension}", data, note)


async def batch_upload(job_id: str, thumbnails: Mapping[int, bytes], order: Order, limit: int) -> Upload:
    """What a finished batch shows: all its pictures on one sheet in *order*, within *limit* bytes."""
    indices = [picture.index for picture in order.pictures]
    png = await asyncio.to_thread(ranked_sheet, thumbnails, indices, judged=order.judged)
    data, extension, note = await asyncio.to_thread(fit_to_bytes, png, limit)
    return Upload(f"{job_id}.{extension}", data, note)


async def batch_so_far(job_id: str, thumbnails: Mapping[int, bytes], pictures: int) -> Upload | None:
    """What a batch of so many *pictures* shows while it is painted; nothing before the first."""
    if not thumbnails:
        return None
    return Upload(f"{job_id}.webp", await asyncio.to_thread(sheet_so_far, thumbnails, pictures))


async def comparison_upload(
    job_id: str, thumbnails: Mapping[int, bytes], captions: Sequence[str], limit: int
) -> Upload | None:
    """What a comparison shows: its pictures side by side, each with its caption; nothing before the first."""
    if not thumbnails:
        return None
    png = await asyncio.to_thread(side_by_side, thumbnails, captions)
    data, extension, note = await asyncio.to_thread(fit_to_bytes, png, limit)
    return Upload(f"{job_id}.{extension}", data, note)


async def thumbnail(name: str, png: bytes) -> Upload:
    """A picture small enough to stand beside a line of text."""
    return await asyncio.to_thread(lambda: Upload(f"{name}.webp", snapshot(open_own(png), side=THUMBNAIL_SIDE)))


async def snapshot_upload(job_id: str, snapshots: Mapping[int, bytes], pictures: int) -> Upload | None:
    """The pictures as far as they are: one, or a grid with dark places for those that have not begun."""
    if not snapshots:
        return None
    return await asyncio.to_thread(_snapshot_upload, job_id, snapshots, pictures)


def _snapshot_upload(job_id: str, snapshots: Mapping[int, bytes], pictures: int) -> Upload:
    if pictures == 1:
        data = next(iter(snapshots.values()))
        with Image.open(io.BytesIO(data)) as image:
            extension = (image.format or "webp").lower().replace("jpeg", "jpg")
        return Upload(f"{job_id}.{extension}", data)
    known = {index: open_own(data) for index, data in snapshots.items()}
    blank = Image.new("RGB", next(iter(known.values())).size, (43, 45, 49))
    sheet = grid([known.get(index, blank) for index in range(pictures)])
    return Upload(f"{job_id}.webp", snapshot(sheet, side=min(max(sheet.size), 512)))
