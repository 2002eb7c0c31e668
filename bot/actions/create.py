"""Creates jobs for commands, buttons, modals and reactions: one way into the queue, one way to the response.

Every action checks the place first, then submits the job in one transaction, then answers with the message that will
hold the picture. Failures are raised as DreamErrors; the caller turns them into text.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

import discord

from bot.actions.existing_results import ExistingResults
from bot.config.settings import Config
from bot.delivery.renderer import MessageRenderer
from bot.delivery.service import Delivery
from bot.errors import NotAllowed, PictureGone, Refused, Unconfirmed
from bot.interactions.context import Invocation
from bot.interactions.direct_message import DirectMessagePoster
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import Responder
from bot.jobs.admission import Once, Submission, delivered_once
from bot.jobs.service import JobService
from bot.models.film import FilmRequest
from bot.models.job import Applied, JobRequest, JobRow, JobState, Origin, PictureRow, Update
from bot.pictures.ranking import best
from bot.policy.cost_confirmation import question_words
from bot.policy.limits import check_readable
from bot.policy.server_rules import Preferences
from bot.requests.derive import again, upscale, usual_scale, variation
from bot.storage import Store
from bot.storage.database import Session
from engine.errors import DreamError
from engine.requests.request import DreamRequest, UpscaleRequest

log = logging.getLogger(__name__)

FORM_SCALES = (1.5, 2, 3, 4, 8)
"""Upscale factors that the modal offers, within the same limit."""
NO_PICTURES: Mapping[str, bytes] = {}


class JobActions:
    """One per bot. *question_payload* builds the message that asks to confirm a cost, from its id and text."""

    def __init__(
        self,
        client: discord.Client,
        config: Config,
        store: Store,
        jobs: JobService,
        delivery: Delivery,
        renderer: MessageRenderer,
        question_payload: Callable[[str, str], EphemeralPayload],
    ) -> None:
        self._client = client
        self._config = config
        self._store = store
        self._jobs = jobs
        self._delivery = delivery
        self._renderer = renderer
        self._question_payload = question_payload
        self._existing_results = ExistingResults(client, store, jobs.takedowns)

    async def check(self, request: JobRequest, caller: Invocation) -> None:
        """Raise what `dream` would raise now, before any attachment of *request* is fetched or decoded.

        Checks blocks, place, words, cooldown, queue room and quota with two queries.
        """
        if await self.check_place(caller):
            self._check_guest(request, caller)
        await self._jobs.check(Submission(request, caller.origin(), roles=caller.roles, location=caller.location))

    async def check_place(self, caller: Invocation) -> bool:
        """Whether results are posted where *caller* is, not by direct message. Raises Refused if they cannot be."""
        direct = caller.guild_id is None and caller.resident  # a direct message with the bot
        here = direct or not (await Preferences.of(self._store, caller.user_id)).private
        if here:
            caller.check_place()
        return here

    async def dream(
        self,
        request: JobRequest,
        caller: Invocation,
        responder: Responder,
        images: Mapping[str, bytes] = NO_PICTURES,
        *,
        origin: Origin | None = None,
        notes: Iterable[str] = (),
        asks: bool = False,
        press: str = "",
    ) -> None:
        """Render a typed request. *images*: SHA-256 → bytes of its attachments.

        *origin*: the result that it starts from, and the defaults that it contains. *notes* are sent to the person
        afterwards. *asks*: the cost is confirmed first, however small it is. *press*: names a press that a second one
        must not repeat.
        """
        origin = origin or caller.origin()
        if asks and responder.can_ask:
            await self.check(request, caller)
            check_readable(request)
            left = (await self._jobs.quota.balance(caller.user_id, caller.roles, caller.guild_id)).left
            await self._ask(request, origin, images, left, responder)
        else:
            await self._place(request, caller, responder, origin, self._once(press, caller) if press else None, images)
        if said := " ".join(filter(None, notes)):
            await responder.send_private(said)

    async def enter(
        self,
        request: DreamRequest,
        caller: Invocation,
        responder: Responder,
        also: Callable[[Session, JobRow], Awaitable[None]],
        applied: tuple[Applied, ...] = (),
    ) -> None:
        """Render an entry of a challenge, which costs no quota. *also* enters it in the same transaction."""
        origin = caller.origin("entry", applied=applied)
        submission = Submission(request, origin, roles=caller.roles, location=caller.location, free=True, also=also)
        await self._take(submission, caller, responder)

    async def again(self, job: JobRow, caller: Invocation, responder: Responder) -> None:
        """Render the same prompt with a new seed; a failed job is tried unchanged."""
        _check_over(job)
        once = self._once(f"again:{job.id}:0", caller)
        await self._place(again(job), caller, responder, caller.origin("again", job.id), once)

    async def variation(self, job: JobRow, index: int, caller: Invocation, responder: Responder) -> None:
        """Render the prompt with a new seed, starting from one picture of the result."""
        _check_done(job)
        once = self._once(f"vary:{job.id}:{index}", caller)
        await self._place(variation(job, index), caller, responder, caller.origin("variation", job.id, index), once)

    async def remix(
        self, job: JobRow, request: JobRequest, caller: Invocation, responder: Responder, index: int = 0
    ) -> None:
        await self._place(request, caller, responder, caller.origin("remix", job.id, index))

    async def pick(self, job: JobRow, index: int, caller: Invocation, responder: Responder) -> None:
        """Show one picture of a batch in a message with the usual buttons, at no cost."""
        _check_done(job)
        picture_of(job, index)
        if link := await self._existing_results.picked(job, index, caller):
            raise Refused(f"Picture {index + 1} is already shown: {link}")
        origin, once = caller.origin("pick", job.id, index), self._once(f"pick:{job.id}:{index}", caller)
        submission = Submission(job.request, origin, location=caller.location, once=(once,), picked=(job, index))
        await self._take(submission, caller, responder)

    async def crop(
        self, job: JobRow, request: DreamRequest, png: bytes, caller: Invocation, responder: Responder
    ) -> None:
        """Show a cropped picture of a result in a message with the usual buttons, at no cost."""
        _check_done(job)
        index = picture_of(job, None).index
        origin, once = caller.origin("crop", job.id, index), self._once(f"crop:{job.id}", caller)
        submission = Submission(
            request, origin, location=caller.location, once=(once,), picked=(job, index), cropped=png
        )
        await self._take(submission, caller, responder)

    @property
    def upscalers(self) -> tuple[str, ...]:
        """Names of the engine's upscalers; empty while it restarts."""
        ready = self._jobs.ready
        return ready.upscalers if ready else ()

    def scales(self, job: JobRow, index: int | None) -> list[float]:
        """Possible upscale factors of that picture, the default first. Raises Refused if none fits the limit."""
        _check_done(job)
        picture = picture_of(job, index)
        most = self._config.limits.max_upscaled
        usual = usual_scale(picture.width, picture.height, most)
        return [usual, *(n for n in FORM_SCALES if n != usual and max(picture.width, picture.height) * n <= most)]

    async def upscale(
        self,
        job: JobRow,
        index: int | None,
        caller: Invocation,
        responder: Responder,
        upscaler: str = "",
        scale: float = 0,
    ) -> None:
        """Upscale one picture of a result, by default (None, "", 0) the best one, by the best upscaler, by `SCALES`."""
        _check_done(job)
        picture = picture_of(job, index)
        scale = scale or usual_scale(picture.width, picture.height, self._config.limits.max_upscaled)
        request = upscale(picture, self.upscalers, upscaler, scale)
        origin = caller.origin("upscale", job.id, picture.index)
        if await self._shown_upscaled(origin, request, caller, responder):
            return
        once = Once(
            f"up:{job.id}:{picture.index}:{request.upscaler}:{request.scale}",
            self._config.delivery.press_seconds,
            "This picture is already being upscaled; the result will follow.",
        )
        await self._place(request, caller, responder, origin, once)

    async def confirmed(self, question_id: str, caller: Invocation, responder: Responder) -> None:
        """Submit the request whose cost was confirmed. Raises Lapsed or NotAllowed."""
        asked = await self._jobs.confirmation.question(question_id, caller.user_id)
        origin = caller.origin(asked.kind, asked.parent_job, asked.parent_index, asked.applied)
        if isinstance(asked.request, UpscaleRequest) and await self._shown_upscaled(
            origin, asked.request, caller, responder
        ):
            await self._jobs.confirmation.decline(asked.id, caller.user_id)
            return
        await self._place(asked.request, caller, responder, origin, answers=asked.id)

    async def post_again(self, job: JobRow, caller: Invocation, responder: Responder) -> None:
        """Post a result from its owner's history in the channel where the owner is."""
        if not job.owned_by(caller.user_id):
            raise NotAllowed("This picture is in another person's history.")
        _check_done(job)
        covered = await self._jobs.admission.check_showing(job, caller.user_id, caller.location)
        caller.check_place()
        once = self._once(f"post {caller.channel_id}:{job.id}:0", caller)
        if not await self._store.presses.first(once.key, self._delivery.now(), once.seconds):
            raise Refused(once.refusal)
        here = replace(job.origin, guild_id=caller.guild_id, spoiler=covered)
        message_id = None
        try:
            payload = await self._renderer.render(Update(replace(job, origin=here)), responder.upload_limit)
            message_id = await responder.send_public(payload)
        finally:
            if message_id is None:
                await self._store.presses.release(once.key)
        if message_id is not None:
            await self._jobs.link_message(job.id, caller.channel_id, message_id)

    async def _place(
        self,
        request: JobRequest,
        caller: Invocation,
        responder: Responder,
        origin: Origin,
        once: Once | None = None,
        images: Mapping[str, bytes] = NO_PICTURES,
        answers: str = "",
    ) -> None:
        """Submit a request, or ask first if it costs much. *answers*: id of the cost question that this confirms."""
        submission = Submission(
            request, origin, images, caller.roles, caller.location, answers=answers, once=(once,) if once else ()
        )
        try:
            await self._take(submission, caller, responder)
        except Unconfirmed as error:
            if not responder.can_ask:
                raise
            await self._ask(request, origin, images, error.left, responder)

    async def _ask(
        self, request: JobRequest, origin: Origin, images: Mapping[str, bytes], left: float, responder: Responder
    ) -> None:
        """Send the question about the cost, with its buttons."""
        question = await self._jobs.confirmation.ask(request, origin, images)
        words = question_words(request, left, self._jobs.registry.expect(request).likely)
        await responder.send_private_payload(self._question_payload(question.id, words))

    async def _take(self, submission: Submission, caller: Invocation, responder: Responder) -> None:
        """Submit, and answer in the channel or by direct message."""
        submission = delivered_once(submission, caller.interaction_id)
        if not await self.check_place(caller):
            await self._take_privately(submission, caller, responder)
            return
        if not submission.picked:
            self._check_guest(submission.request, caller)
        await self._delivery.follow(await self._jobs.submit(submission), responder)

    async def _take_privately(self, submission: Submission, caller: Invocation, responder: Responder) -> None:
        """Submit with a direct message as the job's message. The interaction only links to it."""
        if not (submission.answers or submission.picked or submission.free):  # ask before a direct message is sent
            await self._jobs.confirmation.check(submission.request, caller.user_id, caller.roles, caller.guild_id)
        direct = await DirectMessagePoster.open(self._client, caller.user_id, responder)
        origin = replace(
            submission.origin,
            guild_id=None,
            channel_id=direct.channel_id,
            thread_of=None,
            guest=False,
            interaction_id=None,
            interaction_token="",
        )
        try:
            await self._delivery.follow(await self._jobs.submit(replace(submission, origin=origin)), direct)
        except DreamError:
            await direct.withdraw()
            raise

    async def _shown_upscaled(
        self, origin: Origin, request: UpscaleRequest, caller: Invocation, responder: Responder
    ) -> bool:
        """Post an existing upscale again instead of rendering it (free); False if none exists.

        Raises Refused with a link if the caller can see one already.
        """
        made = await self._existing_results.upscaled(origin.parent_job, origin.parent_index, request, caller)
        if made is None:
            return False
        once = self._once(f"made:{made.id}:0", caller)
        picked = made, made.pictures[0].index
        try:
            again = Submission(made.request, origin, location=caller.location, once=(once,), picked=picked)
            await self._take(again, caller, responder)
        except PictureGone:  # its file is lost, so render it again
            return False
        return True

    def _check_guest(self, request: JobRequest, caller: Invocation) -> None:
        """Raise Refused for a job that may outlast the interaction's token where the bot is only a guest."""
        if caller.resident:
            return
        at_once, film = self._config.limits.max_count, isinstance(request, FilmRequest)
        if film or (isinstance(request, DreamRequest) and request.count > at_once):
            what, else_ = ("a film", "") if film else (f"{request.count} pictures", f"Ask for up to {at_once}, or ")
            why = f"I am not a member here, so I can only answer for 15 minutes, and {what} may take longer."
            raise Refused(f"{why} {else_ or 'You may '}invite me to this server.")
        if waiting := [place for job, place in self._jobs.registry.waiting() if not job.in_background]:
            caller.check_time(waiting[-1].latest - self._delivery.now())

    def _once(self, action: str, caller: Invocation) -> Once:
        """Refuses a second press of the same person within `delivery.press_seconds`."""
        return Once(
            f"{action}:{caller.user_id}",
            self._config.delivery.press_seconds,
            "You have just pressed that; the result will follow.",
        )


def _check_done(job: JobRow) -> None:
    _check_over(job)
    if job.state is not JobState.DONE or not job.pictures:
        raise PictureGone("This job has no picture.")


def _check_over(job: JobRow) -> None:
    if not job.state.over:
        raise Refused("This job is not finished yet.")


def picture_of(job: JobRow, index: int | None) -> PictureRow:
    """The picture of that index, by default the best. Raises PictureGone or Refused."""
    if not job.pictures:
        raise PictureGone("This job has no picture.")
    if index is None:
        return best(job.pictures)
    if (picture := job.picture(index)) is None:
        raise Refused(f"This result has {len(job.pictures)} pictures; there is no picture {index + 1}.")
    return picture
