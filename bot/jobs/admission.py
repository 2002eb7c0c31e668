"""From a request to a durable job: all checks and all rows in ONE transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace

from bot.config.settings import Config, Standing
from bot.errors import Blocked, Lapsed, PictureGone, ShuttingDown, Unconfirmed
from bot.failpoints import crashpoint
from bot.models.comparison import Asked
from bot.models.job import JobRow, JobState, Origin, Priority, new_job_id
from bot.policy.cost_confirmation import ANSWERED, worth_asking
from bot.policy.limits import check_available, check_cooldown, check_size, check_waiting
from bot.policy.lineage import meant_by
from bot.policy.quota import Quota
from bot.policy.server_rules import NOWHERE, Location, QueuePause, ServerRules, blocked_words
from bot.requests.batches import alone
from bot.storage import Store, files
from bot.storage.database import Session
from engine.errors import InvalidRequest
from engine.protocol.messages import Picture, Ready
from engine.requests.request import DreamRequest, UpscaleRequest


class Admission:
    """Takes requests or refuses them; never half."""

    def __init__(self, config: Config, store: Store, ledger: Quota) -> None:
        self._config = config
        self._store = store
        self._ledger = ledger

    async def take(
        self,
        request: Asked,
        origin: Origin,
        images: Mapping[str, bytes],
        roles: Collection[int],
        ready: Ready | None,
        now: float,
        location: Location = NOWHERE,
        answers: str = "",
    ) -> JobRow:
        """The durable job; *answers* is the question to which this is the yes. Raises what `JobService.submit` says."""
        check_size(request, self._config.limits)
        check_available(request, ready)
        check_bytes(images)
        standing = self._config.standing(origin.user_id, roles)
        batch = isinstance(request, DreamRequest) and request.count > self._config.limits.max_count
        priority = Priority.BACKGROUND if batch else None
        job = _new_job(request, origin, standing, priority, now)
        async with self._store.transaction() as session:
            if answers and not await self._store.questions.answer(session, answers, job.owner, "yes"):
                raise Lapsed(ANSWERED)
            job = await self._by_the_rules(session, job, location, now)
            await self._check(session, job, standing, now)
            await self._store.jobs.insert(session, job)
            await self._check_quota(session, job, standing, now)
            left = await self._ledger.left(session, job.owner, standing.units, now)
            await self._ledger.reserve(session, job.id, job.owner, job.cost, standing.units, now, origin.server_id)
            await self._store.interactions.insert(session, job.id, origin, now)
            await self._keep_images(session, job, images, now)
            if not answers and worth_asking(job.cost, left, self._config.quota):
                raise Unconfirmed(
                    left
                )  # last of all, when it is known that it would be taken; and nothing has happened
        crashpoint("submitted")
        return job

    async def check(
        self,
        request: Asked,
        origin: Origin,
        roles: Collection[int],
        ready: Ready | None,
        now: float,
        location: Location = NOWHERE,
    ) -> None:
        """Raise what `take` would raise now, as far as it is known without the attachments; writes nothing.

        The bytes of attachments and the confirmation of the cost are left to `take`.
        """
        check_size(request, self._config.limits)
        check_available(request, ready)
        standing = self._config.standing(origin.user_id, roles)
        job = _new_job(request, origin, standing, None, now)
        async with self._store.database.reading() as session:
            job = await self._by_the_rules(session, job, location, now)
            await self._check(session, job, standing, now)
            await self._check_quota(session, job, standing, now)
            await self._ledger.check(session, job.owner, job.cost, standing.units, now)

    async def pick(self, batch: JobRow, index: int, origin: Origin, now: float) -> JobRow:
        """One picture of a batch or comparison, or an enlargement, as a job of its own: done, at no cost.

        Raises PictureGone.
        """
        picture = next((one for one in batch.pictures if one.index == index), None)
        png = await files.read(picture.path) if picture and picture.path else None
        if picture is None or png is None:
            raise PictureGone(f"Picture {index + 1} is no longer kept.")
        request = batch.request if isinstance(batch.request, UpscaleRequest) else alone(batch, index)
        job = replace(_new_job(request, origin, self._config.standing(origin.user_id), None, now), cost=0.0)
        facts = dict(picture.facts)
        if known := await self._store.pictures.embedding(batch.id, index):
            facts["embedding"] = list(known[1])
        async with self._store.transaction() as session:
            await self._store.jobs.insert(session, job)
            await self._store.interactions.insert(session, job.id, origin, now)
            await self._store.jobs.start(session, job.id, job.attempt, now)
            copy = Picture(job.id, job.attempt, 0, png, facts)
            row = await self._store.pictures.insert(session, copy, await self._store.pictures.keep(job, copy), now)
            await self._store.jobs.end(session, job.id, job.attempt, JobState.DONE, now)
            await self._store.deliveries.add(session, job.id, "result", now)
        assert row is not None
        return replace(job, state=JobState.DONE, started_at=now, finished_at=now, pictures=(row,))

    async def check_showing(self, job: JobRow, user_id: int, location: Location, now: float) -> bool:
        """Raise Refused unless this person may show that picture there; whether it is to be covered there."""
        async with self._store.database.reading() as session:
            rules = await self._rules(session, user_id, location, now)
            meant = await meant_by(self._store, session, job.request, job.origin.parent_job)
        rules.check_words(meant, location)
        return rules.covers(meant) or job.origin.spoiler

    async def _by_the_rules(self, session: Session, job: JobRow, location: Location, now: float) -> JobRow:
        """The job as this place takes it; read in the same transaction, so that no rule can change in between."""
        rules = await self._rules(session, job.origin.user_id, location, now)
        if rules_say := await self._not_taking(session, location):
            raise ShuttingDown(rules_say)
        meant = await meant_by(self._store, session, job.request, job.origin.parent_job)
        rules.check_words(meant, location)
        check_size(job.request, rules.limits(self._config.limits))
        parent = await self._store.jobs.find(job.origin.parent_job, session) if job.origin.parent_job else None
        covered = rules.covers(meant) or bool(parent and parent.origin.spoiler)
        return replace(job, origin=replace(job.origin, spoiler=covered))

    async def _rules(self, session: Session, user_id: int, location: Location, now: float) -> ServerRules:
        """The rules of the place, once person and place have passed them."""
        block = await self._store.blocks.find(user_id, location.server_id, now, session)
        if block is not None:
            raise Blocked(blocked_words(block))
        values = (
            await self._store.settings.all("server", str(location.server_id), session) if location.server_id else {}
        )
        rules = ServerRules.read(values)
        rules.check_place(location)
        return rules

    async def _not_taking(self, session: Session, location: Location) -> str:
        """Why nothing new is taken here now; empty if it is."""
        for scope, subject in (("bot", ""), *((("server", str(location.server_id)),) if location.server_id else ())):
            halt = QueuePause.read(await self._store.settings.all(scope, subject, session))
            if halt.halt == "draining":
                return halt.words
        return ""

    async def _check(self, session: Session, job: JobRow, standing: Standing, now: float) -> None:
        if job.origin.kind != "upscale":  # pressing Upscale under each of four pictures is no flood
            check_cooldown(await self._store.jobs.last_submission(session, job.owner), standing, now)
        mine, everybody = await self._store.jobs.waiting(session, job.owner)
        check_waiting(mine, everybody, standing, self._config.queue)

    async def _check_quota(self, session: Session, job: JobRow, standing: Standing, now: float) -> None:
        """Raise QuotaUsedUp when the server's members together have spent its allowance; hosts are not counted."""
        if job.origin.server_id is not None and standing.units:
            allowance = self._config.server_units(job.origin.server_id)
            await self._ledger.check_server(session, job.origin.server_id, job.cost, allowance, now)

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


def _new_job(request: Asked, origin: Origin, standing: Standing, priority: Priority | None, now: float) -> JobRow:
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
