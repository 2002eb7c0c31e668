"""Stars: pictures that a person keeps and finds again; stars of others are votes for the starboard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from bot.config.sections import RetentionSection
from bot.errors import PictureGone, Refused
from bot.interactions.context import Invocation
from bot.models.film import FilmRequest
from bot.models.job import JobRow, JobState
from bot.pictures.ranking import best
from bot.storage import Store
from bot.storage.community.stars import Star
from bot.storage.database import Session
from bot.text import count

SHARE = 0.5
"""Share of the disk budget that starred pictures of all people may use; the rest is for new pictures."""


@dataclass(eq=False, repr=False)
class Favorites:
    """Gives and removes stars."""

    _store: Store
    _retention: RetentionSection
    _clock: Callable[[], float]
    """Unix seconds."""
    _changed: Callable[[], None] = lambda: None
    """Called after each change."""

    async def star(
        self, job: JobRow, indices: Collection[int], caller: Invocation, *, by_reaction: bool = False
    ) -> str:
        """Star these pictures of *job*, or the best one (none given); returns a text for the person. Idempotent.

        Raises PictureGone if a picture is not on disk, and Refused beyond the limit of this person or of all people.
        """
        async with self._store.transaction() as session:
            wanted = await self._wanted(session, job, indices)
            before = await self._store.stars.of_job(job.id, session)
            mine = await self._store.stars.pictures_of(caller.user_id, session)
            new = wanted - {star.index for star in before if star.user_id == caller.user_id}
            if new:
                self._check_own_room(mine, len(new))
            server_id = caller.guild_id if caller.resident else None
            for index in sorted(wanted):
                star = Star(job.id, index, caller.user_id, server_id, by_reaction, self._clock())
                await self._store.stars.put(session, star)
            if wanted - {star.index for star in before}:
                self._check_room(await self._store.stars.bytes(session))
        self._changed()
        said = "Starred" if new else "Already starred"
        return f"⭐ {said}. {mine + len(new)} of {count(self._retention.keep_pictures, 'star')} used; see /favorites."

    async def unstar(self, job: JobRow, index: int | None, user_id: int) -> str:
        """Remove a person's star, or all on the job (None); returns a text for the person."""
        await self._store.stars.lift(job.id, index, user_id)
        self._changed()
        return "Your star is removed. The picture expires like others."

    async def unreact(self, job_id: str, index: int | None, user_id: int) -> None:
        """A person removed the reaction: remove what only a reaction starred."""
        await self._store.stars.lift(job_id, index, user_id, by_reaction=True)
        self._changed()

    async def _wanted(self, session: Session, job: JobRow, indices: Collection[int]) -> set[int]:
        stored = await self._store.jobs.find(job.id, session)
        here = stored.stored if stored else ()
        if job.state is not JobState.DONE or not here:
            raise PictureGone("This picture has expired. Only Discord has a copy, so it cannot be starred.")
        if isinstance(job.request, FilmRequest):  # its first frame stands for it
            return {here[0].index}
        if not indices:
            return {best(here).index}
        if gone := set(indices) - {picture.index for picture in here}:
            raise PictureGone(f"This result has no picture {min(gone) + 1}, or it has expired.")
        return set(indices)

    def _check_own_room(self, mine: int, more: int) -> None:
        most = self._retention.keep_pictures
        if not most:
            raise Refused("Stars are turned off on this bot.")
        if mine + more > most:
            raise Refused(f"You have starred {mine} of {count(most, 'picture')}. Unstar some first: /favorites.")

    def _check_room(self, starred: int) -> None:
        """Raise Refused, which undoes the transaction, if starred pictures exceed `SHARE` of the budget."""
        budget = self._retention.pictures_megabytes * 1_000_000
        if budget and starred > budget * SHARE:
            raise Refused(
                "Starred pictures use half of this bot's disk space, which is the limit. "
                "More can be starred once some stars are removed."
            )
