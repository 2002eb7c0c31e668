"""Images as they are uploaded to Discord, within its limit. Decoding and encoding run in threads."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from PIL import Image

from bot.pictures.contact_sheet import crossed, lettered_sheet, ranked_sheet, sheet_so_far, side_by_side
from bot.pictures.ranking import PictureOrder
from bot.retry import in_thread
from engine.images.opening import open_own
from engine.images.pictures import fit_to_bytes, grid, snapshot, to_png

THUMBNAIL_SIDE = 160
"""Pixels."""
Grid: TypeAlias = tuple[Sequence[str], Sequence[str]]
"""Labels of the rows and of the columns."""


@dataclass(frozen=True, slots=True)
class ImageUpload:
    """One file for Discord; *note* says how it was reduced, if it was."""

    name: str
    data: bytes
    note: str = ""


def fitted(name: str, png: bytes, limit: int) -> ImageUpload:
    """A PNG within *limit* bytes; *name* lacks the extension. Blocks."""
    data, extension, note = fit_to_bytes(png, limit)
    return ImageUpload(f"{name}.{extension}", data, note)


@in_thread
def result_upload(job_id: str, pngs: Sequence[bytes], limit: int) -> ImageUpload:
    """The picture of a finished job, or a grid of its pictures, within *limit* bytes. Needs at least one."""
    return fitted(job_id, pngs[0] if len(pngs) == 1 else to_png(grid([open_own(png) for png in pngs])), limit)


@in_thread
def without_record(upload: ImageUpload) -> ImageUpload:
    """The same picture without the record of how it was made, which a PNG of the engine holds."""
    if not upload.name.endswith(".png"):
        return upload
    return replace(upload, data=to_png(open_own(upload.data)))


@in_thread
def separate_uploads(job_id: str, pngs: Mapping[int, bytes], limit: int) -> tuple[ImageUpload, ...]:
    """Every picture as a file, by index; all together within *limit* bytes."""
    return tuple(fitted(f"{job_id}-{index + 1}", png, limit // len(pngs)) for index, png in pngs.items())


@in_thread
def batch_upload(job_id: str, thumbnails: Mapping[int, bytes], order: PictureOrder, limit: int) -> ImageUpload:
    """The contact sheet of a finished batch in *order*, within *limit* bytes."""
    indices = [picture.index for picture in order.pictures]
    return fitted(job_id, ranked_sheet(thumbnails, indices, judged=order.judged), limit)


@in_thread
def batch_so_far(job_id: str, thumbnails: Mapping[int, bytes], pictures: int) -> ImageUpload | None:
    """The contact sheet of a running batch of *pictures* pictures; None before the first."""
    if not thumbnails:
        return None
    return ImageUpload(f"{job_id}.webp", sheet_so_far(thumbnails, pictures))


@in_thread
def comparison_upload(
    job_id: str, thumbnails: Mapping[int, bytes], captions: Sequence[str], grid: Grid | None, limit: int
) -> ImageUpload | None:
    """The pictures of a comparison with captions, or in a *grid* with labels; None before the first."""
    if not thumbnails:
        return None
    return fitted(job_id, crossed(thumbnails, *grid) if grid else side_by_side(thumbnails, captions), limit)


@in_thread
def blind_upload(job_id: str, cells: Sequence[bytes | None], letters: Sequence[str], limit: int) -> ImageUpload:
    """The pictures of an open vote with their letters and without labels, within *limit* bytes."""
    return fitted(job_id, lettered_sheet(cells, letters), limit)


@in_thread
def thumbnail(name: str, png: bytes) -> ImageUpload:
    return ImageUpload(f"{name}.webp", snapshot(open_own(png), side=THUMBNAIL_SIDE))


@in_thread
def snapshot_upload(job_id: str, snapshots: Mapping[int, bytes], pictures: int) -> ImageUpload | None:
    """The newest previews: one picture, or a grid with dark cells for those not begun; None without any."""
    if not snapshots:
        return None
    if pictures == 1:
        data = next(iter(snapshots.values()))
        with Image.open(io.BytesIO(data)) as image:
            extension = (image.format or "webp").lower().replace("jpeg", "jpg")
        return ImageUpload(f"{job_id}.{extension}", data)
    known = {index: open_own(data) for index, data in snapshots.items()}
    blank = Image.new("RGB", next(iter(known.values())).size, (43, 45, 49))
    sheet = grid([known.get(index, blank) for index in range(pictures)])
    return ImageUpload(f"{job_id}.webp", snapshot(sheet, side=min(max(sheet.size), 512)))
