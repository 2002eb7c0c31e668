"""Films as they are uploaded to Discord, within its limit. Decoding and encoding run in threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from bot.errors import PictureGone
from bot.models.film import FilmRequest
from bot.models.job import PictureRow
from bot.pictures.uploads import ImageUpload
from bot.retry import failpoint, in_thread
from engine.images.opening import megabytes, open_own
from engine.images.pictures import snapshot
from engine.images.timelapse import check_kind, film_within

PREVIEW = 512
"""Most pixels of the longer side of a preview."""
GONE = "The film has expired."


@in_thread
def newest_frame(job_id: str, png: bytes) -> ImageUpload:
    """The preview of a film."""
    image = open_own(png)
    return ImageUpload(f"{job_id}.webp", snapshot(image, side=min(max(image.size), PREVIEW)))


@in_thread
def film_upload(job_id: str, request: FilmRequest, frames: Sequence[PictureRow], limit: int) -> ImageUpload:
    """The film of these *frames*, within *limit* bytes. Raises PictureGone, UnreadablePicture or InvalidRequest."""
    paths = [frame.path for frame in frames if frame.path is not None]
    if len(paths) < len(frames) or not paths:
        raise PictureGone(GONE)
    check_kind(request.file)
    data, (width, height) = film_within(lambda: map(_opened, paths), request.file, request.fps, limit)
    first = request.first
    note = f"The film was reduced to {width}×{height}, because {megabytes(limit)} is the limit here."
    return ImageUpload(f"{job_id}{request.file}", data, note if width < first.width // 2 * 2 else "")


def _opened(path: Path) -> Image.Image:
    failpoint("encoding")
    try:
        return open_own(path.read_bytes())
    except FileNotFoundError as error:
        raise PictureGone(GONE) from error
