"""What one person has made, and may have: their pages of history. Knows no Discord."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.embeds import best
from bot.jobs import JobRow, JobState, PictureRow, owner_of
from bot.store import Store, files

PAGE = 5
"""Jobs on one page."""


@dataclass(frozen=True, slots=True)
class Line:
    """One job on a page. *undelivered*: why its end could not be shown on Discord; empty where it could."""

    job: JobRow
    undelivered: str = ""

    @property
    def kept(self) -> PictureRow | None:
        """Its best picture that is still kept."""
        pictures = [picture for picture in self.job.pictures if picture.path is not None]
        return best(pictures) if pictures and self.job.state is JobState.DONE else None


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a person's history, newest first. *total*: all their jobs; *newer*, *older*: whether there are more."""

    lines: tuple[Line, ...] = field(default=())
    total: int = 0
    newer: bool = False
    older: bool = False


class Archive:
    """Reads and changes what belongs to a person. *clock* is unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def page(self, user_id: int, beside: str = "", *, older: bool = True) -> Page:
        """The newest jobs, or those next to the job *beside*; a place that is gone leads back to the newest."""
        owner, jobs = owner_of(user_id), self._store.jobs
        rows = await jobs.page(owner, PAGE, beside, older=older) or await jobs.page(owner, PAGE)
        if not rows:
            return Page()
        return Page(
            tuple([Line(job, await self._undelivered(job)) for job in rows]),
            await jobs.count_of(owner),
            newer=bool(await jobs.page(owner, 1, rows[0].id, older=False)),
            older=bool(await jobs.page(owner, 1, rows[-1].id)),
        )

    async def shown(self, job: JobRow) -> None:
        """The owner has seen what could not be delivered."""
        await self._store.deliveries.shown(job.id, self._clock())

    async def png(self, picture: PictureRow) -> bytes | None:
        """The picture's bytes, or None where its file is gone."""
        return await files.read(picture.path) if picture.path else None

    async def _undelivered(self, job: JobRow) -> str:
        delivery = await self._store.deliveries.find(job.id) if job.state.over else None
        return delivery.error if delivery and delivery.state == "undeliverable" else ""
