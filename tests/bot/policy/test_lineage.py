"""The words of a picture follow it through everything that is made from it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from bot.errors import BlockedWords
from bot.jobs.admission import Submission
from bot.models.comparison import Comparison, Way
from bot.models.job import JobRequest, JobRow, Kind
from bot.policy.server_rules import Location, PromptLineage, meant_by
from bot.requests.derive import variation
from engine.requests.prompts import Prompt
from engine.requests.request import build_request
from tests.bot.core import ANN, BOB, Core, dream, forgotten, origin, running_core, upscale_of

PLAIN, ADULT = Location(400, (500,)), Location(400, (500,), restricted=True)


async def painted(core: Core, request: JobRequest, parent: str = "", kind: Kind = "dream", user: int = ANN) -> JobRow:
    job = await core.jobs.submit(Submission(request, origin(user, kind=kind, parent=parent), location=ADULT))
    async with asyncio.timeout(10):
        while not (row := await core.row(job.id)).state.over:
            if job.id in core.engine.under_way:
                core.engine.paint(job.id)
            await asyncio.sleep(0.002)
    return row


async def enlarged(core: Core, job: JobRow, index: int = 0, user: int = ANN) -> JobRow:
    request = await upscale_of(core.jobs, core.store, job.id, index, scale=2)
    return await painted(core, request, job.id, "upscale", user)


async def meant(core: Core, job: JobRow) -> PromptLineage:
    async with core.store.database.reading() as session:
        return await meant_by(core.store, session, job.request, job.origin.parent_job)


async def test_an_enlargement_of_an_enlargement_means_the_first_words(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        fox = await painted(core, dream("a nude fox | fog"))
        larger = await enlarged(core, await enlarged(core, fox))

        assert PromptLineage(("a nude fox", "fog")) == await meant(core, larger)
        await core.jobs.admission.check_showing(larger, ANN, ADULT)
        with pytest.raises(BlockedWords, match="“nude” is only allowed"):
            await core.jobs.admission.check_showing(larger, ANN, PLAIN)
        request = await upscale_of(core.jobs, core.store, larger.id, 0, scale=2)
        with pytest.raises(BlockedWords, match="“nude” is only allowed"):
            await core.jobs.submit(Submission(request, origin(kind="upscale", parent=larger.id), location=PLAIN))


async def test_other_words_over_the_same_picture_do_not_make_it_another_one(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        fox = await painted(core, dream("a nude fox"))
        varied = await painted(core, variation(fox, 0), fox.id, "variation")
        remixed = dream("a fox in a coat", init_image=varied.request.images[0])
        remix = await painted(core, remixed, varied.id, "remix")

        assert PromptLineage(("a fox in a coat", "a nude fox")) == await meant(core, remix)
        await core.jobs.submit(
            Submission(dream("a fox in a coat"), origin(kind="remix", parent=fox.id), location=PLAIN)
        )
        with pytest.raises(BlockedWords, match="nude"):
            await core.jobs.submit(Submission(remixed, origin(kind="remix", parent=varied.id), location=PLAIN))


async def test_the_words_outlive_the_file(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        fox = await painted(core, dream("a nude fox"))
        larger = await enlarged(core, fox)
        varied = await painted(core, variation(fox, 0), fox.id, "variation")
        remix = await painted(core, dream("a coat", init_image=varied.request.images[0]), varied.id, "remix")
        for picture in (*fox.pictures, *varied.pictures):
            await core.store.pictures.let_go(picture)

        assert PromptLineage(("a nude fox",)) == await meant(core, larger)
        assert PromptLineage(("a coat", "a nude fox")) == await meant(core, remix)


async def test_of_a_comparison_only_the_way_counts_that_the_picture_was_painted_in(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        nude = await painted(core, dream("a nude fox"))
        plain = build_request("a fox", seed=3)
        over = build_request("a fox", seed=4).starting_from(nude.pictures[0].sha256)
        both = await painted(
            core, Comparison(ways=(Way(label="plain", request=plain), Way(label="over", request=over)))
        )

        assert PromptLineage(("a fox",)) == await meant(core, await enlarged(core, both, 0))
        assert PromptLineage(("a fox", "a nude fox")) == await meant(core, await enlarged(core, both, 1))


async def test_an_attached_picture_has_no_words_unless_it_was_painted_here(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        fox = await painted(core, dream("a nude fox"))
        png, strange = await core.store.pictures.png(fox.id, 0), b"attached"
        sha256 = hashlib.sha256(strange).hexdigest()

        with pytest.raises(BlockedWords, match="nude"):
            images = {fox.pictures[0].sha256: png}
            await core.jobs.submit(
                Submission(dream(init_image=fox.pictures[0].sha256), origin(), images, location=PLAIN)
            )
        await core.jobs.submit(Submission(dream(init_image=sha256), origin(), {sha256: strange}, location=PLAIN))


async def test_what_was_made_from_forgotten_words_is_shown_to_adults_alone(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        larger = await enlarged(core, await painted(core, dream("a fox")), user=BOB)
        await forgotten(core.store, ANN, core.clock())

        await core.jobs.admission.check_showing(larger, BOB, ADULT)
        with pytest.raises(BlockedWords, match="is no longer stored"):
            await core.jobs.admission.check_showing(larger, BOB, PLAIN)


async def test_two_pictures_that_name_each_other_end_the_search(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        fox = await painted(core, dream("a fox"))
        cat = await painted(core, dream("a cat", init_image=fox.pictures[0].sha256))
        raw = dream("a fox", init_image=cat.pictures[0].sha256).model_dump_json()
        async with core.store.transaction() as session:
            await session.run("UPDATE jobs SET request = ? WHERE id = ?", raw, fox.id)

        assert PromptLineage(("a cat", "a fox")) == await meant(core, cat)


async def test_what_is_made_from_a_spoiler_among_others_is_one(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        first, second = [await painted(core, dream(prompt)) for prompt in ("a fox", "an owl")]
        async with core.store.transaction() as session:
            await core.store.jobs.cover(session, second.id)
        both = [Prompt(image=job.pictures[0].sha256) for job in (first, second)]

        blend = await painted(core, build_request("", pictures=both), first.id, "blend")
        alone = await painted(core, build_request("a cat", pictures=both[:1]), first.id, "blend")

        assert [True, False] == [job.origin.spoiler for job in (blend, alone)]
