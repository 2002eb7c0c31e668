"""Turns a request into a durable job: all checks and all rows in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from bot.config.settings import Config
from bot.errors import Blocked, Lapsed, PictureGone, Refused, ShuttingDown, Unconfirmed
from bot.models.film import FilmRequest
from bot.models.job import JobRequest, JobRow, JobState, Origin, Priority, new_job_id
from bot.models.style import folded
from bot.policy.cost_confirmation import ANSWERED
from bot.policy.limits import (
    Standing,
    check_available,
    check_cooldown,
    check_readable,
    check_size,
    check_waiting,
    server_units,
    standing_of,
    worth_asking,
)
from bot.policy.quota import Quota
from bot.policy.server_rules import NOWHERE, Location, QueuePause, ServerRules, blocked_words, meant_by
from bot.policy.word_filter import enforced
from bot.requests.derive import single_request
from bot.retry import failpoint
from bot.storage import Store, files
from bot.storage.database import Session
from bot.storage.moderation import Scope
from engine.errors import InvalidRequest
from engine.protocol.messages import Picture, Ready
from engine.requests.request import DreamRequest, UpscaleRequest


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key: a second submission under *key* within *seconds* is refused with this text."""

    key: str
    seconds: float
    refusal: str


@dataclass(frozen=True, slots=True)
class Submission:
    request: JobRequest
    origin: Origin
    images: Mapping[str, bytes] = field(default_factory=dict)
    """SHA-256 → bytes of attached images; stored images and pictures of earlier jobs need no bytes."""
    roles: tuple[int, ...] = ()
    """The person's Discord roles."""
    location: Location = NOWHERE
    """The place whose rules apply."""
    answers: str = ""
    """Id of the cost question that this confirms, which closes it."""
    once: tuple[Once, ...] = ()
    free: bool = False
    """Whether it is exempt from both quotas: an entry of a challenge."""
    also: Callable[[Session, JobRow], Awaitable[None]] | None = None
    """Runs in the transaction that stores the job; an exception rolls the job back."""
    picked: tuple[JobRow, int] | None = None
    """Job and index of a finished picture that is copied, at no cost, instead of painting one."""
    cropped: bytes = b""
    """A PNG of this request's size that replaces the picked picture."""


INTERACTION_SECONDS = 900.0
"""Discord delivers an interaction again only while its token lives."""


def delivered_once(submission: Submission, interaction_id: int | None) -> Submission:
    """Refuse an interaction that Discord delivers again."""
    if interaction_id is None:
        return submission
    delivered = Once(f"interaction:{interaction_id}", INTERACTION_SECONDS, "This was already accepted.")
    return replace(submission, once=(*submission.once, delivered))


class Admission:
    """Accepts a request completely or not at all. *clock* is unix seconds."""

    def __init__(self, config: Config, store: Store, quota: Quota, clock: Callable[[], float]) -> None:
        self._config = config
        self._store = store
        self._quota = quota
        self._clock = clock

    async def take(self, submission: Submission, ready: Ready | None) -> JobRow:
        """Store the job. *ready*: what the engine offers. Raises as `JobService.submit` does."""
        request, origin, now = submission.request, submission.origin, self._clock()
        check_size(request, self._config.limits)
        check_available(request, ready)
        for sha256, data in submission.images.items():
            if hashlib.sha256(data).hexdigest() != sha256:
                raise InvalidRequest("An attached picture does not match the request; attach it again.")
        standing = standing_of(self._config, origin.user_id, submission.roles)
        many = isinstance(request, DreamRequest) and request.count > self._config.limits.max_count
        behind = many or isinstance(request, FilmRequest)
        job = _new_job(request, origin, standing, Priority.BACKGROUND if behind else standing.priority, now)
        async with self._store.transaction() as session:
            await self._check_repetition(session, submission, now)
            job = await self._by_the_rules(session, job, submission.location, now, submission.images)
            check_readable(request)
            await self._check(session, job, standing, now)
            await self._store.jobs.insert(session, job)
            await self._store.ancestry.insert(session, job)
            style = next((one.value for one in origin.applied if one.what == "style"), "")
            if style and origin.server_id is not None:
                await self._store.styles.used(session, origin.server_id, folded(style))
            left = await self._reserve(session, job, standing, now, free=submission.free)
            await self._store.interactions.insert(session, job.id, origin, now)
            await self._keep_images(session, job, submission.images, now)
            if submission.also is not None:
                await submission.also(session, job)
            # Checked last: raising here rolls the whole transaction back.
            if not submission.answers and not submission.free and worth_asking(job.cost, left, self._config.quota):
                raise Unconfirmed(left)
        failpoint("submitted")
        return job

    async def check(self, submission: Submission, ready: Ready | None) -> None:
        """Raise what `take` would raise now, as far as it is known without the attachments; writes nothing.

        The bytes of attachments and the confirmation of the cost are left to `take`.
        """
        request, origin, now = submission.request, submission.origin, self._clock()
        check_size(request, self._config.limits)
        check_available(request, ready)
        standing = standing_of(self._config, origin.user_id, submission.roles)
        job = _new_job(request, origin, standing, standing.priority, now)
        async with self._store.database.reading() as session:
            job = await self._by_the_rules(session, job, submission.location, now, job.request.images)
            await self._check(session, job, standing, now)
            await self._check_server_quota(session, job, standing, now)
            await self._quota.check(session, job.owner, job.cost, standing.units, now, job.origin.server_id)

    async def pick(self, batch: JobRow, index: int, submission: Submission) -> JobRow:
        """Copy one picture of *batch* into a finished job without cost. Raises Refused or PictureGone."""
        covered = await self.check_showing(batch, submission.origin.user_id, submission.location)
        origin, now = replace(submission.origin, spoiler=covered), self._clock()
        picture = batch.picture(index)
        png = await files.read(picture.path) if picture else None
        if picture is None or png is None:
            raise PictureGone(f"Picture {index + 1} has expired.")
        request: JobRequest = submission.request
        if not submission.cropped:
            request = batch.request if isinstance(batch.request, UpscaleRequest) else single_request(batch, index)
        standing = standing_of(self._config, origin.user_id)
        job = replace(_new_job(request, origin, standing, standing.priority, now), cost=0.0)
        facts = dict(picture.facts)
        if known := await self._store.pictures.embedding(batch.id, index):
            facts["embedding"] = list(known[1])
        if submission.cropped:
            png, facts = submission.cropped, _facts_of_crop(submission)
        async with self._store.transaction() as session:
            await self._check_repetition(session, submission, now)
            await self._store.jobs.insert(session, job)
            await self._store.ancestry.insert(session, job)
            await self._store.interactions.insert(session, job.id, origin, now)
            await self._store.jobs.start(session, job.id, job.attempt, now)
            copy = Picture(job.id, job.attempt, 0, png, facts)
            row = await self._store.pictures.insert(session, copy, await self._store.pictures.keep(job, copy), now)
            await self._store.jobs.end(session, job.id, job.attempt, JobState.DONE, now)
            await self._store.deliveries.add(session, job.id, "result", now)
        assert row is not None
        return replace(job, state=JobState.DONE, started_at=now, finished_at=now, pictures=(row,))

    async def check_showing(self, job: JobRow, user_id: int, location: Location) -> bool:
        """Whether the picture must be a spoiler there. Raises Refused if this person may not show it there."""
        async with self._store.database.reading() as session:
            await self._check_block(session, user_id, location, self._clock())
            rules = await ServerRules.of(self._store, location.server_id, session)
            rules.check_place(location)
            meant = await meant_by(self._store, session, job.request, job.origin.parent_job)
        rules.check_words(meant, location)
        return rules.covers(meant) or job.origin.spoiler

    async def _check_repetition(self, session: Session, submission: Submission, now: float) -> None:
        """Raise Lapsed for a question answered twice, Refused for a repeated press or interaction.

        Refused also for a person whose data is being deleted.
        """
        owner, answers = submission.origin.owner, submission.answers
        if await self._store.erasure.is_begun(session, owner):
            raise Refused("Your data is being deleted. Try again in a moment.")
        if answers and not await self._store.confirmations.answer(session, answers, owner, "yes"):
            raise Lapsed(ANSWERED)
        for once in submission.once:
            if not await self._store.presses.first(once.key, now, once.seconds, session):
                raise Refused(once.refusal)

    async def _reserve(self, session: Session, job: JobRow, standing: Standing, now: float, *, free: bool) -> float:
        """Reserve the cost in both quotas, or nothing; returns the units that the person had left before."""
        server_id = job.origin.server_id
        if free:
            await self._quota.check_free(session, job.owner, standing.units, now)
            return await self._quota.reserve(session, job.id, job.owner, 0.0, 0.0, now, server_id)
        await self._check_server_quota(session, job, standing, now)
        return await self._quota.reserve(session, job.id, job.owner, job.cost, standing.units, now, server_id)

    async def _check_server_quota(self, session: Session, job: JobRow, standing: Standing, now: float) -> None:
        """Raise QuotaUsedUp if the server's shared quota does not cover the job; hosts do not count against it."""
        if (server_id := job.origin.server_id) is not None and standing.units:
            await self._quota.check_server(session, server_id, job.cost, server_units(self._config, server_id), now)

    async def _by_the_rules(
        self, session: Session, job: JobRow, location: Location, now: float, attached: Collection[str]
    ) -> JobRow:
        """Apply the place's rules, read in the same transaction; returns the job with its spoiler flag."""
        await self._check_block(session, job.origin.user_id, location, now)
        subjects: list[tuple[Scope, str]] = [("bot", ""), ("server", str(location.server_id or ""))]
        everywhere, here = await self._store.settings.each(subjects, session)
        rules = ServerRules.read(here)
        rules.check_place(location)
        for halt in (QueuePause.read(everywhere), QueuePause.read(here)):
            if halt.halt == "draining":
                raise ShuttingDown(halt.words)
        meant = await meant_by(self._store, session, job.request, job.origin.parent_job, attached)
        rules.check_words(meant, location)
        check_size(job.request, rules.limits(self._config.limits))
        job = enforced(job, rules.enforced)
        covered = rules.covers(meant)
        if not covered:  # a picture that is made from a spoiler is one
            used = [await self._store.pictures.by_sha(sha256, session) for sha256 in job.request.images]
            sources = {job.origin.parent_job, *(picture.job_id for picture in used if picture is not None)} - {""}
            found = [await self._store.jobs.find(source, session) for source in sources]
            covered = any(source is not None and source.origin.spoiler for source in found)
        return replace(job, origin=replace(job.origin, spoiler=covered))

    async def _check_block(self, session: Session, user_id: int, location: Location, now: float) -> None:
        """Raises Blocked."""
        block = await self._store.blocks.find(user_id, location.server_id, now, session)
        if block is not None:
            raise Blocked(blocked_words(block))

    async def _check(self, session: Session, job: JobRow, standing: Standing, now: float) -> None:
        if job.origin.kind != "upscale":  # one press per picture of a grid is normal use
            check_cooldown(await self._store.jobs.last_submission(session, job.owner), standing, now)
        mine, total = await self._store.jobs.waiting(session, job.owner)
        check_waiting(mine, total, standing, self._config.queue)

    async def _keep_images(self, session: Session, job: JobRow, images: Mapping[str, bytes], now: float) -> None:
        """Store every image that the request names, so that it survives a restart. Raises PictureGone."""
        for sha256 in job.request.images:
            if sha256 in images:
                await self._store.attachments.keep(session, job.id, sha256, images[sha256], now)
            elif await self._store.attachments.has(session, sha256):
                await self._store.attachments.link(session, job.id, sha256)
            elif await self._store.pictures.by_sha(sha256, session) is None:
                raise PictureGone("The starting picture has expired. Attach it again.")


def _facts_of_crop(submission: Submission) -> dict[str, object]:
    request = submission.request
    size = {"width": request.width, "height": request.height} if isinstance(request, DreamRequest) else {}
    return {**size, "notes": [], "clip_score": None, "perceptor": ""}


def _new_job(request: JobRequest, origin: Origin, standing: Standing, priority: Priority, now: float) -> JobRow:
    return JobRow(
        id=new_job_id(),
        attempt=1,
        crash_count=0,
        origin=origin,
        owner=origin.owner,
        request=request,
        priority=priority,
        running_limit=standing.running,
        state=JobState.QUEUED,
        error_code="",
        error_text="",
        cost=request.cost,
        created_at=now,
    )
