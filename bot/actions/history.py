"""Pages of a person's history, and which jobs a person may see."""

from __future__ import annotations

from collections.abc import Callable

from bot.config.sections import RetentionSection
from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.models.history import HistoryLine, HistoryPage
from bot.models.job import JobRow, JobState, PictureRow, owner_of
from bot.pictures.ranking import best
from bot.storage import Store, files

PAGE = 5
"""Jobs on one page."""


class HistoryActions:
    """*clock* is unix seconds."""

    def __init__(self, store: Store, retention: RetentionSection, clock: Callable[[], float]) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock

    async def page(self, user_id: int, beside: str = "", *, older: bool = True) -> HistoryPage:
        """The newest jobs, or those next to the job *beside*; an unknown *beside* gives the newest."""
        owner, jobs = owner_of(user_id), self._store.jobs
        rows = await jobs.page(owner, PAGE, beside, older=older) or await jobs.page(owner, PAGE)
        stars, most = await self._store.stars.pictures_of(user_id), self._retention.keep_pictures
        if not rows:
            return HistoryPage(stars=stars, most_stars=most)
        return HistoryPage(
            await self._lines(user_id, rows),
            await jobs.count_of(owner),
            newer=bool(await jobs.page(owner, 1, rows[0].id, older=False)),
            older=bool(await jobs.page(owner, 1, rows[-1].id)),
            stars=stars,
            most_stars=most,
        )

    async def visible(self, job_id: str, caller: Invocation) -> JobRow:
        """Return the job, if the caller may see it: their own, a starred one, or one that they can read here.

        They can read it if it is shown in this channel, or in another channel of this server that they can read.

        A custom id can be forged, so every button, menu and modal asks. Raises Refused; an unknown job reads the same.
        """
        job = await self._store.jobs.find(job_id)
        if job is None or not await self._may_see(job, caller):
            raise Refused("This picture is not available here. It may have been deleted.")
        return job

    async def _may_see(self, job: JobRow, caller: Invocation) -> bool:
        if job.owned_by(caller.user_id):
            return True
        if job.message_id is None and job.origin.channel_id == caller.channel_id:  # its message is being posted
            return True
        shown = {channel_id for channel_id, _ in await self._store.messages.of_job(job.id)}
        if caller.channel_id in shown:
            return True
        where = job.origin
        here = where.guild_id is not None and where.guild_id == caller.guild_id and not where.guest
        if here and where.channel_id in shown and caller.sees(where.channel_id):
            return True
        if await self._store.starboard.is_in(job.id, caller.channel_id):
            return True
        return any(star.user_id == caller.user_id for star in await self._store.stars.of_job(job.id))

    async def shown(self, job: JobRow) -> None:
        """Note that the owner has seen an undeliverable result."""
        await self._store.deliveries.shown(job.id, self._clock())

    async def png(self, picture: PictureRow) -> bytes | None:
        """The picture's bytes, or None if its file is deleted."""
        return await files.read(picture.path) if picture.path else None

    async def _lines(self, user_id: int, jobs: list[JobRow]) -> tuple[HistoryLine, ...]:
        starred = await self._store.stars.among(user_id, [job.id for job in jobs])
        return tuple([await self._line(job, starred[job.id]) for job in jobs])

    async def _line(self, job: JobRow, stars: int) -> HistoryLine:
        on_disk = [picture for picture in job.pictures if picture.path is not None]
        kept = best(on_disk) if on_disk and job.state is JobState.DONE else None
        return HistoryLine(job, await self._undelivered(job), stars, kept)

    async def _undelivered(self, job: JobRow) -> str:
        delivery = await self._store.deliveries.find(job.id) if job.state.over else None
        return delivery.error if delivery and delivery.state == "undeliverable" else ""
