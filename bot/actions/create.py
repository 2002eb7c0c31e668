"""What people can order, by command, button, form or reaction: one way to the queue, one way to the answer.

Every order checks the place before it costs anything, then is submitted (one transaction), then answered with the
message that will hold the picture. What goes wrong is raised as a DreamError; whoever called turns it into words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import discord

from bot.actions.existing_results import ExistingResults
from bot.actions.moderate import Moderation
from bot.config.settings import Config
from bot.delivery.renderer import MessageRenderer
from bot.delivery.service import Delivery
from bot.errors import NotAllowed, PictureGone, Refused, Unconfirmed
from bot.failpoints import crashpoint
from bot.interactions.context import Invocation
from bot.interactions.direct_message import DirectMessageResponder
from bot.interactions.payload import EphemeralPayload
from bot.interactions.responder import UNSAID, Responder
from bot.jobs.service import JobService
from bot.models.comparison import Asked, Comparison
from bot.models.job import JobRow, JobState, Kind, Origin, PictureRow, Update
from bot.pictures.ranking import best
from bot.policy.cost_confirmation import question_words
from bot.requests.derive import again, variation
from engine.errors import DreamError
from engine.requests.request import DreamRequest, UpscaleRequest

log = logging.getLogger(__name__)

SCALES = (4, 3, 2)
"""How far a picture is enlarged: the first that stays within the host's limit."""
FORM_SCALES = (2, 3, 4, 8)
"""What the form offers, within the same limit."""
NO_PICTURES: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class ParentPicture:
    """The picture from which an order comes."""

    job_id: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be queued, as far as it does not depend on how the answer goes."""

    request: Asked
    origin: Origin
    images: Mapping[str, bytes]
    answers: str
    picked: tuple[JobRow, int] | None = None
    """Nothing is to be painted: this picture of that job is shown by itself."""


class JobActions:
    """Takes orders. One per bot."""

    def __init__(
        self,
        client: discord.Client,
        config: Config,
        jobs: JobService,
        moderation: Moderation,
        delivery: Delivery,
        renderer: MessageRenderer,
        question_sheet: Callable[[str, str], EphemeralPayload],
    ) -> None:
        self._client = client
        self._config = config
        self._jobs = jobs
        self._moderation = moderation
        self._delivery = delivery
        self._renderer = renderer
        self._question_sheet = question_sheet
        self._existing_results = ExistingResults(client, jobs)

    async def check(self, request: Asked, caller: Invocation) -> None:
        """Raise what `dream` would raise now, before anything that *request* names is fetched or decoded.

        Blocks, the place, the words, cooldown, queue room and quota: a caller who may not ask costs two queries.
        """
        if caller.in_own_talk or not (await self._moderation.choices(caller.user_id)).private:
            caller.check_place()
            self._check_guest(request, caller)
        await self._jobs.check(request, caller.origin(), roles=caller.roles, location=caller.location)

    async def dream(
        self, request: Asked, caller: Invocation, responder: Responder, images: Mapping[str, bytes] = NO_PICTURES
    ) -> None:
        """A request that somebody has typed."""
        await self._place(request, caller, responder, "dream", ParentPicture(), images)

    async def compare(self, comparison: Comparison, caller: Invocation, responder: Responder) -> None:
        """The same words in several ways."""
        await self._place(comparison, caller, responder, "dream", ParentPicture())

    async def again(self, job: JobRow, caller: Invocation, responder: Responder) -> None:
        """The same words with another seed; what has failed is tried as it was."""
        self._check_over(job)
        press = await self._first_press("again", job, 0, caller)
        await self._place(again(job), caller, responder, "again", ParentPicture(job.id), press=press)

    async def variation(self, job: JobRow, index: int, caller: Invocation, responder: Responder) -> None:
        """Paint on from one picture of a result."""
        self._check_done(job)
        press = await self._first_press("vary", job, index, caller)
        await self._place(
            variation(job, index), caller, responder, "variation", ParentPicture(job.id, index), press=press
        )

    async def remix(self, job: JobRow, request: Asked, caller: Invocation, responder: Responder) -> None:
        """What somebody has made of the words of a result."""
        await self._place(request, caller, responder, "remix", ParentPicture(job.id))

    async def pick(self, job: JobRow, index: int, caller: Invocation, responder: Responder) -> None:
        """Show one picture of a batch by itself, with the buttons of any picture. It costs nothing."""
        self._check_done(job)
        _picture(job, index)
        caller.check_place()
        if link := await self._existing_results.picked(job, index, caller):
            raise Refused(f"Picture {index + 1} is shown already: {link}")
        press = await self._first_press("pick", job, index, caller)
        await self._show(job, index, caller.origin("pick", job.id, index), press, caller, responder)

    @property
    def upscalers(self) -> tuple[str, ...]:
        """What the engine can enlarge with; nothing while it is down."""
        ready = self._jobs.engine_ready
        return ready.upscalers if ready else ()

    def scales(self, job: JobRow, index: int | None) -> list[int]:
        """How far that picture may be enlarged, what is usual first. Raises Refused if not at all."""
        self._check_done(job)
        picture = _picture(job, index)
        usual, most = self._scale(picture), self._config.limits.max_upscaled
        return [usual, *(n for n in FORM_SCALES if n != usual and max(picture.width, picture.height) * n <= most)]

    async def upscale(
        self,
        job: JobRow,
        index: int | None,
        caller: Invocation,
        responder: Responder,
        upscaler: str = "",
        scale: int = 0,
    ) -> None:
        """Enlarge one picture of a result; without an *index* the one that CLIP likes best.

        Without an *upscaler* by the best that is here; without a *scale* as far as is usual.
        """
        self._check_done(job)
        picture = _picture(job, index)
        scale = scale or self._scale(picture)
        request = await self._jobs.upscale_request(job.id, picture.index, upscaler, scale)
        caller.check_place()
        parent = ParentPicture(job.id, picture.index)
        if await self._shown_enlarged(parent, request, caller, responder):
            return
        press = f"up:{job.id}:{picture.index}:{request.upscaler}:{request.scale}"
        if not await self._jobs.press(press):
            raise Refused("That picture is being enlarged already; the result is on its way.")
        await self._place(request, caller, responder, "upscale", parent, press=press)

    async def confirmed(self, question_id: str, caller: Invocation, responder: Responder) -> None:
        """Paint what somebody was asked about, now that they have said yes. Raises Lapsed or NotAllowed."""
        question = await self._jobs.confirmation.question(question_id, caller.user_id)
        parent, request = ParentPicture(question.parent_job, question.parent_index), question.request
        if isinstance(request, UpscaleRequest) and await self._shown_enlarged(parent, request, caller, responder):
            await self._jobs.confirmation.decline(question.id, caller.user_id)
            return
        await self._place(request, caller, responder, question.kind, parent, answers=question.id)

    async def declined(self, question_id: str, caller: Invocation) -> None:
        """Somebody was asked and does not want it. Raises Lapsed or NotAllowed."""
        await self._jobs.confirmation.decline(question_id, caller.user_id)

    async def cancel(self, job: JobRow, caller: Invocation) -> None:
        """Stop a job that is not over. Raises NotAllowed or NothingToCancel."""
        caller.check_owner(job, "cancel this")
        await self._jobs.cancel(job.id, caller.user_id, caller.moderator)

    async def post_again(self, job: JobRow, caller: Invocation, responder: Responder) -> None:
        """Show a picture from its owner's history to everybody, where its owner is now."""
        if not job.owned_by(caller.user_id):
            raise NotAllowed("This is in somebody else's history.")
        self._check_done(job)
        covered = await self._jobs.check_showing(job, caller.user_id, caller.location)
        await self._first_press(f"post {caller.channel_id}", job, 0, caller)
        here = replace(job.origin, guild_id=caller.guild_id, spoiler=covered)
        face = await self._renderer.face(Update(replace(job, origin=here)), responder.upload_limit)
        if (message_id := await responder.send_public(face)) is not None:
            await self._jobs.posted(job.id, caller.channel_id, message_id)

    async def _place(
        self,
        request: Asked,
        caller: Invocation,
        responder: Responder,
        kind: Kind,
        parent: ParentPicture,
        images: Mapping[str, bytes] = NO_PICTURES,
        *,
        press: str = "",
        answers: str = "",
    ) -> None:
        """The one way to the queue. What costs much is asked about first; *answers* names the question that was.

        *press* is released when nothing comes of it.
        """
        order = _Order(request, caller.origin(kind, parent.job_id, parent.index), images, answers)
        try:
            await self._take(order, caller, responder)
        except DreamError as error:
            if press and isinstance(error, Refused):
                await self._jobs.release(press)
            if not (isinstance(error, Unconfirmed) and responder.can_ask):
                raise
            await self._ask(order, error.left, responder)

    async def _ask(self, order: _Order, left: float, responder: Responder) -> None:
        question = await self._jobs.confirmation.ask(order.request, order.origin, order.images)
        seconds = self._jobs.expected(order.request).likely
        await responder.send_private_payload(
            self._question_sheet(question.id, question_words(order.request, left, seconds))
        )

    async def _take(self, order: _Order, caller: Invocation, responder: Responder) -> None:
        if not caller.in_own_talk and (await self._moderation.choices(caller.user_id)).private:
            await self._take_privately(order, caller, responder)
        else:
            caller.check_place()
            if not order.picked:
                self._check_guest(order.request, caller)
            await self._submit(order, caller, responder)

    async def _take_privately(self, order: _Order, caller: Invocation, responder: Responder) -> None:
        """The bot's own direct message holds the picture; the interaction only says so, and is not needed again."""
        if (
            not order.answers and not order.picked
        ):  # before a direct message is written that would have to be taken back
            await self._jobs.confirmation.check(order.request, caller.user_id, caller.roles)
        direct = await DirectMessageResponder.open(self._client, caller.user_id, responder)
        origin = replace(
            order.origin,
            guild_id=None,
            channel_id=direct.channel_id,
            thread_of=None,
            interaction_id=None,
            interaction_token="",
        )
        try:
            await self._submit(replace(order, origin=origin), caller, direct)
        except DreamError:
            await direct.withdraw()
            raise

    async def _submit(self, order: _Order, caller: Invocation, responder: Responder) -> None:
        job = await self._durable(order, caller)
        self._delivery.expect(job)
        await self._answer(job, responder)

    async def _durable(self, order: _Order, caller: Invocation) -> JobRow:
        if order.picked:
            return await self._jobs.pick(*order.picked, order.origin, caller.location)
        return await self._jobs.submit(
            order.request,
            order.origin,
            order.images,
            roles=caller.roles,
            location=caller.location,
            answers=order.answers,
        )

    async def _answer(self, job: JobRow, responder: Responder) -> None:
        """Show the job for the first time. If Discord refuses, the letter finds another way: the job is safe."""
        face = await self._renderer.face(Update(job, place=self._jobs.place(job.id)), responder.upload_limit)
        crashpoint("answering")
        try:
            message_id = await responder.send_public(face)
        except UNSAID as error:
            log.info("job %s could not be answered: %s", job.id, error)
            message_id = None
        crashpoint("answered")
        await self._delivery.answered(job, message_id, face)

    async def _shown_enlarged(
        self, parent: ParentPicture, request: UpscaleRequest, caller: Invocation, responder: Responder
    ) -> bool:
        """The same once is enough: what has been enlarged before, elsewhere, is shown once more, and costs nothing.

        Raises Refused, saying where, if the caller can see it.
        """
        made = await self._existing_results.enlarged(parent.job_id, parent.index, request, caller)
        if made is None:
            return False
        press = await self._first_press("made", made, 0, caller)
        origin = caller.origin("upscale", parent.job_id, parent.index)
        try:
            await self._show(made, made.pictures[0].index, origin, press, caller, responder)
        except PictureGone:  # its file was lost: it is made again
            return False
        return True

    async def _show(
        self, job: JobRow, index: int, origin: Origin, press: str, caller: Invocation, responder: Responder
    ) -> None:
        """A picture that has been painted, as a result by itself."""
        order = _Order(job.request, origin, NO_PICTURES, "", (job, index))
        try:
            await self._take(order, caller, responder)
        except Refused:
            await self._jobs.release(press)
            raise

    def _check_guest(self, request: Asked, caller: Invocation) -> None:
        """Where the bot is a guest it can answer for a while only. Raises Refused."""
        if caller.resident:
            return
        at_once = self._config.limits.max_count
        if isinstance(request, DreamRequest) and request.count > at_once:
            raise Refused(
                f"I am not a member here, so I can only answer for 15 minutes, and {request.count} pictures may take "
                f"longer. Ask for {at_once} at most, or invite me to this server."
            )
        if waiting := [place for job, place in self._jobs.queue() if not job.is_batch]:  # which let others pass
            caller.check_time(waiting[-1].latest - self._delivery.now())

    async def _first_press(self, action: str, job: JobRow, index: int, caller: Invocation) -> str:
        """The key of the press. Raises Refused for its repetition."""
        caller.check_place()
        press = f"{action}:{job.id}:{index}:{caller.user_id}"
        if not await self._jobs.press(press):
            raise Refused("You have just pressed that; the result is on its way.")
        return press

    def _scale(self, picture: PictureRow) -> int:
        most = self._config.limits.max_upscaled
        for scale in SCALES:
            if max(picture.width, picture.height) * scale <= most:
                return scale
        raise Refused(
            f"This picture is {picture.width}×{picture.height} already; {most} pixels a side is the most here."
        )

    def _check_done(self, job: JobRow) -> None:
        self._check_over(job)
        if job.state is not JobState.DONE or not job.pictures:
            raise PictureGone("There is no picture here to work with.")

    def _check_over(self, job: JobRow) -> None:
        if not job.state.over:
            raise Refused("This is still being painted; wait until it is finished.")


def _picture(job: JobRow, index: int | None) -> PictureRow:
    if index is None:
        return best(job.pictures)
    for picture in job.pictures:
        if picture.index == index:
            return picture
    raise Refused(f"This result has {len(job.pictures)} pictures; there is no picture {index + 1}.")
