"""Confirmation of expensive jobs: when, in which words, and answered once."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.config.sections import QuotaSection
from bot.errors import CoolingDown, Lapsed, NotAllowed, QuotaUsedUp, Unconfirmed
from bot.jobs.admission import Submission
from bot.jobs.retention import Retention
from bot.models.job import JobState
from bot.policy.cost_confirmation import NO_PICTURES, question_words
from bot.policy.limits import worth_asking
from bot.storage.confirmations import MOST_OPEN, VALID_SECONDS, Confirmation
from engine.catalogue.models import MODELS
from engine.requests.request import UpscaleRequest, build_request
from tests.bot.core import ANN, BOB, Core, config, count, dream, forgotten, origin, running_core

ASKS = {"units": 30.0, "confirm_share": 0.5, "confirm_least": 5.0}
DEAR = dream(steps=250)
"""16.384 units."""


@pytest.mark.parametrize(
    ("cost", "left", "asks"),
    [(9.9, 10.0, False), (10.1, 20.0, True), (10.0, 20.0, False), (100.0, 201.0, False), (1e6, math.inf, False)],
)
def test_it_is_asked_about_what_costs_more_than_half_of_what_is_left_and_is_not_small(
    cost: float, left: float, asks: bool
) -> None:
    assert asks is worth_asking(cost, left, QuotaSection())


def test_a_host_may_ask_from_a_cost_on_or_not_at_all() -> None:
    assert worth_asking(51.0, math.inf, QuotaSection(confirm_cost=50.0))
    assert not worth_asking(50.0, math.inf, QuotaSection(confirm_cost=50.0))
    assert not worth_asking(199.0, 200.0, QuotaSection(confirm_share=0.0))


@pytest.mark.parametrize(
    ("model", "method"), [(name, m) for name, one in MODELS.items() if one.limited_words for m in one.methods]
)
def test_the_small_models_never_ask_as_they_come(model: str, method: str) -> None:
    request = build_request("an owl", model=model, method=method)
    larger = UpscaleRequest(image="0" * 64, width=request.width, height=request.height)

    assert not worth_asking(request.cost, request.cost, QuotaSection())
    assert not worth_asking(larger.cost, larger.cost, QuotaSection())


def test_the_question_in_words() -> None:
    assert "This costs 16.38 units of the 18 you have left and takes about 3 min. Paint it?" == question_words(
        DEAR, 18.0, 187.0
    ).replace("\xa0", " ")
    assert "This costs 3.28 units and takes about 50 s. Paint all 2 pictures?" == question_words(
        dream(count=2), math.inf, 50.0
    ).replace("\xa0", " ")


async def ask(core: Core, user: int = ANN, images: Mapping[str, bytes] = NO_PICTURES) -> Confirmation:
    """A refusal that becomes a question."""
    request = DEAR.model_copy(update={"init_image": next(iter(images))}) if images else DEAR
    with pytest.raises(Unconfirmed):
        await core.jobs.submit(Submission(request, origin(user), images))
    return await core.jobs.confirmation.ask(request, origin(user), images)


async def test_what_is_asked_about_leaves_no_trace_in_queue_and_ledger(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota=ASKS)) as core:
        with pytest.raises(Unconfirmed) as costly:
            await core.ask(ANN, DEAR)

        assert 30.0 == costly.value.left
        assert (0, 0) == (await count(core.store, "jobs"), await count(core.store, "charges"))
        assert ([], []) == (core.jobs.registry.waiting(), core.engine.handed)


async def test_other_reasons_go_first(tmp_path: Path) -> None:
    settings = config(quota=ASKS, queue={"cooldown_seconds": 5.0})
    async with running_core(tmp_path, settings) as core:
        with pytest.raises(QuotaUsedUp):
            await core.ask(ANN, dream(steps=250, count=2))
        await core.ask(ANN)
        with pytest.raises(CoolingDown):
            await core.ask(ANN, DEAR)


async def test_many_answers_to_one_question_are_one_job(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota=ASKS)) as core:
        question = await ask(core)

        said = await asyncio.gather(
            *(core.jobs.submit(Submission(DEAR, origin(), answers=question.id)) for _ in range(5)),
            return_exceptions=True,
        )

        assert [Lapsed] * 4 == [type(one) for one in said if isinstance(one, Exception)]
        assert (1, 1) == (await count(core.store, "jobs"), await count(core.store, "charges"))
        with pytest.raises(Lapsed, match="answered"):
            await core.jobs.confirmation.question(question.id, ANN)
        with pytest.raises(Lapsed, match="answered"):
            await core.jobs.confirmation.decline(question.id, ANN)


async def test_a_yes_is_a_yes_to_ones_own_question(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota=ASKS)) as core:
        question = await ask(core)

        with pytest.raises(NotAllowed):
            await core.jobs.confirmation.question(question.id, BOB)
        with pytest.raises(NotAllowed):
            await core.jobs.confirmation.decline(question.id, BOB)
        with pytest.raises(Lapsed):
            await core.jobs.submit(Submission(DEAR, origin(BOB), answers=question.id))
        assert question == await core.jobs.confirmation.question(question.id, ANN)


async def test_the_attachment_waits_for_the_answer_restart_and_upkeep_or_not(tmp_path: Path) -> None:
    png = b"png"
    sha256 = hashlib.sha256(png).hexdigest()
    settings = config(quota=ASKS, retention={"pictures_days": 0.001})
    async with running_core(tmp_path, settings) as core:
        question = await ask(core, images={sha256: png})
        await core.crash()

    async with running_core(tmp_path, settings) as core:
        core.clock.advance(VALID_SECONDS - 1)
        await Retention(settings, core.store).tidy(core.clock())
        request = (await core.jobs.confirmation.question(question.id, ANN)).request
        job = await core.jobs.submit(Submission(request, origin(), answers=question.id))
        await core.handed(job.id)

        assert {sha256: png} == core.engine.images[job.id]
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)


async def test_an_unanswered_question_is_deleted_with_its_attachment(tmp_path: Path) -> None:
    pictures = {hashlib.sha256(data).hexdigest(): data for data in (b"one",)}
    settings = config(quota=ASKS)
    async with running_core(tmp_path, settings) as core:
        question = await ask(core, images=pictures)
        core.clock.advance(VALID_SECONDS + 1)
        with pytest.raises(Lapsed, match="expired"):
            await core.jobs.confirmation.question(question.id, ANN)
        core.clock.advance(VALID_SECONDS)
        await Retention(settings, core.store).tidy(core.clock())

        assert (0, 0, 0) == await traces(core)
        with pytest.raises(Lapsed, match="expired"):
            await core.jobs.confirmation.question(question.id, ANN)


async def test_questions_cannot_fill_the_disk(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota=ASKS)) as core:
        for number in range(MOST_OPEN + 3):
            data = bytes([number])
            newest = await ask(core, images={hashlib.sha256(data).hexdigest(): data})
            core.clock.advance(1)

        assert (MOST_OPEN, MOST_OPEN, MOST_OPEN) == await traces(core)
        assert newest == await core.jobs.confirmation.question(newest.id, ANN)


async def test_who_is_forgotten_has_been_asked_nothing(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota=ASKS)) as core:
        question = await ask(core, images={hashlib.sha256(b"one").hexdigest(): b"one"})
        assert question == await core.store.confirmations.find(question.id)
        await forgotten(core.store, ANN, core.clock())
        await core.store.attachments.drop_unneeded()

        assert (0, 0, 0) == await traces(core)
        assert await core.store.confirmations.find(question.id) is None


async def traces(core: Core) -> tuple[int, int, int]:
    """Questions, rows of attachments, their files."""
    folder = core.folder / "inputs"
    files = len(list(folder.iterdir())) if folder.is_dir() else 0
    return await count(core.store, "questions"), await count(core.store, "inputs"), files


async def test_without_a_question_there_is_no_answer(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota=ASKS)) as core:
        with pytest.raises(Lapsed):
            await core.jobs.confirmation.question("0000000000", ANN)
        with pytest.raises(Lapsed):
            await core.jobs.submit(Submission(DEAR, origin(), answers="0000000000"))
