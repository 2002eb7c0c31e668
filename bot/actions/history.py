"""Pages of a person's history and of their saved pictures; saving and unsaving."""

from __future__ import annotations

from collections.abc import Callable

from bot.config.sections import RetentionSection
from bot.errors import PictureGone, Refused
from bot.interactions.context import Invocation
from bot.models.history import HistoryLine, HistoryPage
from bot.models.job import JobRow, JobState, PictureRow, owner_of
from bot.pictures.ranking import best
from bot.storage import Store, files
from bot.text import count

PAGE = 5
"""Jobs on one page."""
KEPT_SHARE = 0.5
"""Share of the disk budget that saved pictures of all people may use; the rest is for new pictures."""


class HistoryActions:
    """*clock* is unix seconds."""

    def __init__(self, store: Store, retention: RetentionSection, clock: Callable[[], float]) -> None:
        self._store = store
        self._retention = retention
        self._clock = clock

    async def page(self, user_id: int, beside: str = "", *, older: bool = True, only_kept: bool = False) -> HistoryPage:
        """The newest jobs, or those next to the job *beside*; an unknown *beside* gives the newest."""
        whose, jobs = user_id if only_kept else owner_of(user_id), self._store.jobs
        rows = await jobs.page(whose, PAGE, beside, older=older) or await jobs.page(whose, PAGE)
        keeps, may_keep = await self._store.saved_jobs.pictures_of(user_id), self._retention.keep_pictures
        if not rows:
            return HistoryPage(only_kept=only_kept, keeps=keeps, may_keep=may_keep)
        return HistoryPage(
            await self._lines(user_id, rows),
            await jobs.count_of(whose),
            newer=bool(await jobs.page(whose, 1, rows[0].id, older=False)),
            older=bool(await jobs.page(whose, 1, rows[-1].id)),
            only_kept=only_kept,
            keeps=keeps,
            may_keep=may_keep,
        )

    async def visible(self, job_id: str, caller: Invocation) -> JobRow:
        """Return the job, if the caller may see it: their own, a saved one, or one that is shown in this channel.

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
        if any(channel_id == caller.channel_id for channel_id, _ in await self._store.messages.of_job(job.id)):
            return True
        return caller.user_id in await self._store.saved_jobs.keepers(job.id)

    async def shown(self, job: JobRow) -> None:
        """Note that the owner has seen an undeliverable result."""
        await self._store.deliveries.shown(job.id, self._clock())

    async def png(self, picture: PictureRow) -> bytes | None:
        """The picture's bytes, or None if its file is deleted."""
        return await files.read(picture.path) if picture.path else None

    async def keepers(self, job: JobRow) -> frozenset[int]:
        """User ids of everyone who saved the job."""
        return await self._store.saved_jobs.keepers(job.id)

    async def save(self, job: JobRow, user_id: int) -> str:
        """Save a job, so that retention deletes its pictures last; returns a text for the person. Idempotent.

        Raises PictureGone if no picture is left, and Refused beyond the limit of this person or of all people.
        """
        keeps = self._store.saved_jobs
        async with self._store.transaction() as session:
            pictures = await self._store.pictures.of_job(job.id, session)
            here = sum(picture.path is not None for picture in pictures)
            if not here:
                raise PictureGone("This picture has expired. Only Discord has a copy, so it cannot be saved.")
            keepers = await keeps.keepers(job.id, session)
            mine = await keeps.pictures_of(user_id, session)
            if user_id not in keepers:
                self._check_own_room(mine, here)
                await keeps.put(session, job.id, user_id, self._clock())
                mine += here
            if not keepers:
                self._check_room(await keeps.bytes(session))
        return f"Saved. {mine} of {self._retention.keep_pictures} slots used."

    async def unsave(self, job: JobRow, user_id: int) -> str:
        """Unsave a job; returns a text for the person."""
        await self._store.saved_jobs.lift(job.id, user_id)
        return "Removed from your saved pictures. It will expire normally."

    def _check_own_room(self, mine: int, more: int) -> None:
        most = self._retention.keep_pictures
        if not most:
            raise Refused("Saving pictures is turned off on this bot.")
        if mine + more > most:
            raise Refused(
                f"You have saved {mine} of {count(most, 'picture')}, so {more} more will not fit. "
                "Unsave some first: /history kept:True lists them."
            )

    def _check_room(self, kept_bytes: int) -> None:
        """Raise Refused, which undoes the transaction, if saved pictures exceed `KEPT_SHARE` of the budget."""
        budget = self._retention.pictures_megabytes * 1_000_000
        if budget and kept_bytes > budget * KEPT_SHARE:
            raise Refused(
                "Saved pictures use half of this bot's disk space, which is the limit. "
                "More can be saved once others are unsaved."
            )

    async def _lines(self, user_id: int, jobs: list[JobRow]) -> tuple[HistoryLine, ...]:
        kept = await self._store.saved_jobs.among(user_id, [job.id for job in jobs])
        return tuple([await self._line(user_id, job, job.id in kept) for job in jobs])

    async def _line(self, user_id: int, job: JobRow, keeps: bool) -> HistoryLine:
        own = job.owned_by(user_id)
        on_disk = [picture for picture in job.pictures if picture.path is not None]
        kept = best(on_disk) if on_disk and job.state is JobState.DONE else None
        return HistoryLine(job, await self._undelivered(job) if own else "", keeps, own, kept)

    async def _undelivered(self, job: JobRow) -> str:
        delivery = await self._store.deliveries.find(job.id) if job.state.over else None
        return delivery.error if delivery and delivery.state == "undeliverable" else ""
