"""A person's history, page by page."""

from __future__ import annotations

from bot.config.sections import RetentionSection
from bot.models.history import HistoryLine, HistoryPage
from bot.models.job import JobRow, owner_of
from bot.pictures.ranking import best
from bot.storage import Store
from engine.requests.request import UpscaleRequest

PAGE = 5
"""Jobs on one page."""


class HistoryActions:
    def __init__(self, store: Store, retention: RetentionSection) -> None:
        self._store = store
        self._retention = retention

    async def page(self, user_id: int, beside: str = "", *, older: bool = True) -> HistoryPage:
        """The newest jobs, or those next to the job *beside*; an unknown *beside* gives the newest."""
        owner, jobs = owner_of(user_id), self._store.jobs
        rows = await jobs.page(owner, PAGE, beside, older=older) or await jobs.page(owner, PAGE)
        stars, most = await self._store.stars.pictures_of(user_id), self._retention.keep_pictures
        if not rows:
            return HistoryPage(stars=stars, most_stars=most)
        starred = await self._store.stars.among(user_id, [job.id for job in rows])
        return HistoryPage(
            tuple([await self._line(job, starred[job.id]) for job in rows]),
            await jobs.count_of(owner),
            newer=bool(await jobs.page(owner, 1, rows[0].id, older=False)),
            older=bool(await jobs.page(owner, 1, rows[-1].id)),
            stars=stars,
            most_stars=most,
        )

    async def _line(self, job: JobRow, stars: int) -> HistoryLine:
        kept = best(job.stored) if job.on_disk else None
        delivery = await self._store.deliveries.find(job.id) if job.state.over else None
        undelivered = delivery.error if delivery and delivery.state == "undeliverable" else ""
        upscaled = isinstance(job.request, UpscaleRequest)
        indexed = await self._store.picture_index.find(job.id, 0, on_disk=False) if upscaled else None
        return HistoryLine(job, undelivered, stars, kept, indexed.words if indexed else "")
