"""Asks before an expensive job: whether to ask, and the stored question until it is answered or expires.

`JobService.submit` raises Unconfirmed for such a request, and accepts it once it answers a stored question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from bot.config.settings import Config
from bot.errors import Lapsed, NotAllowed, Unconfirmed
from bot.models.film import FilmRequest
from bot.models.job import JobRequest, Origin, new_job_id, owner_of
from bot.policy.limits import worth_asking
from bot.policy.quota import Quota
from bot.storage import Store
from bot.storage.confirmations import VALID_SECONDS, Confirmation
from bot.storage.database import uninterrupted
from bot.text import duration, number, units
from engine.requests.request import UpscaleRequest

ANSWERED = "You have already answered that."
LAPSED = "That question expired after ten minutes. Nothing was painted or charged; just ask again."
NO_PICTURES: Mapping[str, bytes] = {}


class CostConfirmation:
    """Stores questions. *clock* is unix seconds."""

    def __init__(self, config: Config, store: Store, quota: Quota, clock: Callable[[], float]) -> None:
        self._config = config
        self._store = store
        self._quota = quota
        self._clock = clock

    async def check(
        self, request: JobRequest, user_id: int, roles: Collection[int], server_id: int | None = None
    ) -> None:
        left = (await self._quota.balance(user_id, roles, server_id)).left
        if request.cost <= left and worth_asking(request.cost, left, self._config.quota):
            raise Unconfirmed(left)

    @uninterrupted
    async def ask(self, request: JobRequest, origin: Origin, images: Mapping[str, bytes] = NO_PICTURES) -> Confirmation:
        """Store a question about *request*, with its attached *images* (SHA-256 → bytes)."""
        question = Confirmation(
            new_job_id(),
            origin.owner,
            origin.kind,
            origin.parent_job,
            origin.parent_index,
            request,
            self._clock(),
            applied=origin.applied,
        )
        async with self._store.transaction() as session:
            await self._store.confirmations.ask(session, question)
            for sha256 in request.images:
                await self._store.attachments.hold(session, question.id, sha256, images.get(sha256), question.asked_at)
        await self._store.attachments.drop_unneeded()
        return question

    async def question(self, question_id: str, user_id: int) -> Confirmation:
        """The open question to that person. Raises Lapsed, or NotAllowed for another person's question."""
        question = await self._store.confirmations.find(question_id)
        if question is not None and question.owner != owner_of(user_id):
            raise NotAllowed("Only the person who asked for this picture can answer.")
        if question is not None and question.answer:
            raise Lapsed(ANSWERED)
        if question is None or self._clock() - question.asked_at > VALID_SECONDS:
            raise Lapsed(LAPSED)
        return question

    async def decline(self, question_id: str, user_id: int) -> None:
        """Answer no. Raises the same errors as `question`."""
        question = await self.question(question_id, user_id)
        async with self._store.transaction() as session:
            if not await self._store.confirmations.answer(session, question.id, question.owner, "no"):
                raise Lapsed(ANSWERED)
        await self._store.attachments.drop_unneeded()


def question_words(request: JobRequest, left: float, seconds: float) -> str:
    """``This costs 12 units of the 18 you have left and takes about 3 min. Paint it?``"""
    of_what = "" if math.isinf(left) else f" of the {number(round(left, 2))} you have left"
    return f"This costs {units(request.cost)}{of_what} and takes about {duration(_rounded(seconds))}. {_ask(request)}"


def _ask(request: JobRequest) -> str:
    if isinstance(request, UpscaleRequest):
        return "Upscale to {}×{}?".format(*request.result)
    if isinstance(request, FilmRequest):
        return f"Paint the film of {request.count} frames?"
    return "Paint it?" if request.count == 1 else f"Paint all {request.count} pictures?"


def _rounded(seconds: float) -> float:
    """From 90 seconds on, whole minutes: an estimate is not exact to the second."""
    return seconds if seconds < 90 else round(seconds / 60) * 60
