"""What people can order, by command, button, form or reaction: one way to the queue, one way to the answer.

Every order checks the place before it costs anything, then is submitted (one transaction), then answered with the
message that will hold the picture. What goes wrong is raised as a DreamError; whoever called turns it into words.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import discord

from bot.answers import UNSAID, Answer
from bot.artist import FaceArtist
from bot.callers import Caller
from bot.config import Config
from bot.crashpoints import crashpoint
from bot.delivery import Delivery
from bot.derived import again, variation
from bot.dispatch import Dispatcher
from bot.embeds import best
from bot.errors import NotAllowed, PictureGone, Refused
from bot.faces import Sheet
from bot.jobs import JobRow, JobState, Kind, Origin, PictureRow, Update
from bot.moderation import Moderation
from bot.private import DirectAnswer
from bot.views.sets import private_buttons_for
from bot.wording import mention, message_link
from engine.errors import DreamError
from engine.messages import Request
from engine.requests import UpscaleRequest

log = logging.getLogger(__name__)

SCALES = (4, 3, 2)
"""How far a picture is enlarged: the first that stays within the host's limit."""
FORM_SCALES = (2, 3, 4, 8)
"""What the form offers, within the same limit."""
NO_PICTURES: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Parent:
    """The picture from which an order comes."""

    job_id: str = ""
    index: int = 0


class Orders:
    """Takes orders. One per bot."""

    def __init__(
        self,
        client: discord.Client,
        config: Config,
        dispatcher: Dispatcher,
        moderation: Moderation,
        delivery: Delivery,
        artist: FaceArtist,
    ) -> None:
        self._client = client
        self._config = config
        self._dispatcher = dispatcher
        self._moderation = moderation
        self._delivery = delivery
        self._artist = artist

    async def dream(
        self, request: Request, caller: Caller, answer: Answer, images: Mapping[str, bytes] = NO_PICTURES
    ) -> JobRow:
        """A request that somebody has typed."""
        return await self._place(request, caller, answer, "dream", Parent(), images)

    async def again(self, job: JobRow, caller: Caller, answer: Answer) -> JobRow:
        """The same words with another seed; what has failed is tried as it was."""
        self._check_over(job)
        await self._first_press("again", job, 0, caller)
        return await self._place(again(job), caller, answer, "again", Parent(job.id))

    async def variation(self, job: JobRow, index: int, caller: Caller, answer: Answer) -> JobRow:
        """Paint on from one picture of a result."""
        self._check_done(job)
        await self._first_press("vary", job, index, caller)
        return await self._place(variation(job, index), caller, answer, "variation", Parent(job.id, index))

    async def remix(self, job: JobRow, request: Request, caller: Caller, answer: Answer) -> JobRow:
        """What somebody has made of the words of a result."""
        return await self._place(request, caller, answer, "remix", Parent(job.id))

    @property
    def upscalers(self) -> tuple[str, ...]:
        """What the engine can enlarge with; nothing while it is down."""
        ready = self._dispatcher.engine_ready
        return ready.upscalers if ready else ()

    def scales(self, job: JobRow, index: int | None) -> list[int]:
        """How far that picture may be enlarged, what is usual first. Raises Refused if not at all."""
        self._check_done(job)
        picture = _picture(job, index)
        usual, most = self._scale(picture), self._config.limits.max_upscaled
        return [usual, *(n for n in FORM_SCALES if n != usual and max(picture.width, picture.height) * n <= most)]

    async def upscale(
        self, job: JobRow, index: int | None, caller: Caller, answer: Answer, upscaler: str = "", scale: int = 0
    ) -> JobRow:
        """Enlarge one picture of a result; without an *index* the one that CLIP likes best.

        Without an *upscaler* by the best that is here; without a *scale* as far as is usual.
        """
        self._check_done(job)
        picture = _picture(job, index)
        scale = scale or self._scale(picture)
        request = await self._dispatcher.upscale_request(job.id, picture.index, upscaler, scale)
        caller.check_place()
        await self._check_not_enlarged(job, picture.index, request)
        if not await self._dispatcher.press(f"up:{job.id}:{picture.index}:{request.upscaler}:{request.scale}"):
            raise Refused("That picture is being enlarged already; the result is on its way.")
        return await self._place(request, caller, answer, "upscale", Parent(job.id, picture.index))

    async def delete(self, job: JobRow, message_id: int | None, caller: Caller, answer: Answer) -> bool:
        """Remove a job's message; whatever still runs is cancelled. Raises NotAllowed.

        A moderator's deletion is announced, so that nobody has to wonder; True if it was.
        """
        caller.check_owner(job, "delete this")
        await self._dispatcher.discard(job.id, caller.user_id, caller.moderator)
        await self._delivery.remove(job, message_id, caller.channel_id)
        if job.owned_by(caller.user_id):
            return False
        await answer.announce(f"{mention(caller.user_id)} deleted a picture of {mention(job.origin.user_id)}.")
        return True

    async def cancel(self, job: JobRow, caller: Caller) -> None:
        """Stop a job that is not over. Raises NotAllowed or NothingToCancel."""
        caller.check_owner(job, "cancel this")
        await self._dispatcher.cancel(job.id, caller.user_id, caller.moderator)

    async def sheet(self, job: JobRow, upload_limit: int, user_id: int, *, kept: bool) -> Sheet:
        """The job as one person alone sees it, who has *kept* it or not, with buttons that work there too."""
        face = await self._artist.face(self._now(job), upload_limit)
        return Sheet("", (face.embed,), face.files, partial(self.private_buttons, job, user_id, kept=kept))

    def private_buttons(self, job: JobRow, user_id: int, *, kept: bool) -> discord.ui.View:
        """A fresh set of the buttons there."""
        return private_buttons_for(job, own=job.owned_by(user_id), kept=kept)

    async def post_again(self, job: JobRow, caller: Caller, answer: Answer) -> None:
        """Show a picture from its owner's history to everybody, where its owner is now."""
        if not job.owned_by(caller.user_id):
            raise NotAllowed("This is in somebody else's history.")
        self._check_done(job)
        await self._dispatcher.check_showing(job, caller.user_id, caller.venue)
        await self._first_press("post", job, 0, caller)
        face = await self._artist.face(self._now(job), answer.upload_limit)
        if (message_id := await answer.show(face)) is not None:
            await self._dispatcher.posted(job.id, caller.channel_id, message_id)

    def _now(self, job: JobRow) -> Update:
        return Update(job, self._dispatcher.progress(job.id), self._dispatcher.place(job.id))

    async def _place(
        self,
        request: Request,
        caller: Caller,
        answer: Answer,
        kind: Kind,
        parent: Parent,
        images: Mapping[str, bytes] = NO_PICTURES,
    ) -> JobRow:
        origin = caller.origin(kind, parent.job_id, parent.index)
        if not caller.in_own_talk and (await self._moderation.choices(caller.user_id)).private:
            return await self._place_privately(request, caller, answer, origin, images)
        caller.check_place()
        self._check_wait(caller)
        return await self._submit(request, caller, answer, origin, images)

    async def _place_privately(
        self, request: Request, caller: Caller, answer: Answer, origin: Origin, images: Mapping[str, bytes]
    ) -> JobRow:
        """The bot's own direct message holds the picture; the interaction only says so, and is not needed again."""
        direct = await DirectAnswer.open(self._client, caller.user_id, answer)
        origin = replace(origin, guild_id=None, channel_id=direct.channel_id, interaction_id=None, interaction_token="")
        try:
            return await self._submit(request, caller, direct, origin, images)
        except DreamError:
            await direct.withdraw()
            raise

    async def _submit(
        self, request: Request, caller: Caller, answer: Answer, origin: Origin, images: Mapping[str, bytes]
    ) -> JobRow:
        job = await self._dispatcher.submit(request, origin, images, roles=caller.roles, venue=caller.venue)
        self._delivery.expect(job)
        await self._answer(job, answer)
        return job

    async def _answer(self, job: JobRow, answer: Answer) -> None:
        """Show the job for the first time. If Discord refuses, the letter finds another way: the job is safe."""
        face = await self._artist.face(Update(job, place=self._dispatcher.place(job.id)), 0)
        crashpoint("answering")
        try:
            message_id = await answer.show(face)
        except UNSAID as error:
            log.info("job %s could not be answered: %s", job.id, error)
            message_id = None
        crashpoint("answered")
        await self._delivery.answered(job, message_id, face)

    async def _check_not_enlarged(self, job: JobRow, index: int, request: UpscaleRequest) -> None:
        """The same picture once is enough, as long as the result can be seen: where it is, is said instead."""
        for child in await self._dispatcher.children(job.id):
            same = child.request == request and child.origin.parent_index == index
            if same and child.message_id and child.state not in (JobState.FAILED, JobState.CANCELLED):
                link = message_link(child.origin.guild_id, child.origin.channel_id, child.message_id)
                done = "has been enlarged already" if child.state.over else "is being enlarged already"
                raise Refused(f"That picture {done}: {link}")

    def _check_wait(self, caller: Caller) -> None:
        waiting = self._dispatcher.queue()
        if waiting and not caller.resident:
            caller.check_time(waiting[-1][1].latest - self._delivery.now())

    async def _first_press(self, action: str, job: JobRow, index: int, caller: Caller) -> None:
        caller.check_place()
        if not await self._dispatcher.press(f"{action}:{job.id}:{index}:{caller.user_id}"):
            raise Refused("You have just pressed that; the result is on its way.")

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
