"""From a request to a durable job: all checks and all rows in ONE transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from bot.config import Config, Standing
from bot.crashpoints import crashpoint
from bot.errors import PictureGone
from bot.jobs import JobRow, JobState, Origin, Priority, new_job_id
from bot.limits import check_available, check_cooldown, check_size, check_waiting
from bot.quota import Ledger
from bot.store import Store
from bot.store.database import Session
from engine.errors import InvalidRequest
from engine.messages import Ready, Request


class Intake:
    """Takes requests or refuses them; never half."""

    def __init__(self, config: Config, store: Store, ledger: Ledger) -> None:
        self._config = config
        self._store = store
        self._ledger = ledger

    async def take(
        self,
        request: Request,
        origin: Origin,
        images: Mapping[str, bytes],
        roles: Collection[int],
        priority: Priority | None,
        ready: Ready | None,
        now: float,
    ) -> JobRow:
        """The durable job. Raises what `Dispatcher.submit` says."""
        check_size(request, self._config.limits)
        check_available(request, ready)
        check_bytes(images)
        standing = self._config.standing(origin.user_id, roles)
        job = _new_job(request, origin, standing, priority, now)
        async with self._store.transaction() as session:
            await self._check(session, job, standing, now)
            await self._store.jobs.insert(session, job)
            await self._ledger.reserve(session, job.id, job.owner, job.cost, standing.units, now, origin.guild_id)
            await self._store.interactions.insert(session, job.id, origin, now)
            await self._keep_images(session, job, images, now)
        crashpoint("submitted")
        return job

    async def _check(self, session: Session, job: JobRow, standing: Standing, now: float) -> None:
        if job.origin.kind != "upscale":  # pressing Upscale under each of four pictures is no flood
            check_cooldown(await self._store.jobs.last_submission(session, job.owner), standing, now)
        mine, everybody = await self._store.jobs.waiting(session, job.owner)
        check_waiting(mine, everybody, standing, self._config.queue)

    async def _keep_images(self, session: Session, job: JobRow, images: Mapping[str, bytes], now: float) -> None:
        """Every picture that the request names must be at hand whenever its turn comes, restarts included."""
        for sha256 in job.request.images:
            if sha256 in images:
                await self._store.inputs.keep(session, job.id, sha256, images[sha256], now)
            elif await self._store.inputs.has(session, sha256):
                await self._store.inputs.link(session, job.id, sha256)
            elif await self._store.pictures.by_sha(sha256, session) is None:
                raise PictureGone("The picture that this starts from is no longer kept; attach it again.")


def check_bytes(images: Mapping[str, bytes]) -> None:
    """Raise InvalidRequest unless every name is the SHA-256 of its bytes."""
    for sha256, data in images.items():
        if hashlib.sha256(data).hexdigest() != sha256:
            raise InvalidRequest("An attached picture is not the one that the request names; attach it again.")


def _new_job(request: Request, origin: Origin, standing: Standing, priority: Priority | None, now: float) -> JobRow:
    return JobRow(
        id=new_job_id(),
        attempt=1,
        deaths=0,
        origin=origin,
        owner=origin.owner,
        request=request,
        priority=standing.priority if priority is None else priority,
        running_limit=standing.running,
        state=JobState.QUEUED,
        error_code="",
        error_text="",
        cost=request.cost,
        created_at=now,
    )
