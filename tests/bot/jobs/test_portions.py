"""Batches: painted in parts after all other jobs; finished pictures survive every crash."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.embeds.job import took
from bot.errors import TooLarge
from bot.jobs.engine_loop import Portion, next_portion, of_the_whole
from bot.models.audit import AuditFilter
from bot.models.job import PORTION, JobRow, JobState, Priority
from bot.scheduling.fair_queue import FairQueue
from bot.scheduling.worker_pool import Ticket
from bot.text import duration
from engine.protocol.messages import Progress
from tests.bot.core import ANN, BOB, MOD, Core, config, count, dream, running_core
from tests.bot.fakes import FakeClock
from tests.bot.samples import job as sample
from tests.bot.samples import next_in, picture


def batch(pictures: int, *painted: int) -> JobRow:
    """A batch of which some pictures are there."""
    row = sample(count=pictures, seed=100, priority=Priority.BACKGROUND)
    return JobRow(**{**{f: getattr(row, f) for f in row.__slots__}, "pictures": tuple(map(picture, painted))})


async def ask(core: Core, pictures: int, user: int = ANN) -> JobRow:
    return await core.ask(user, dream(count=pictures))


async def paint_part(core: Core, job_id: str) -> int:
    """Paint what the engine has of the batch; how many pictures that were."""
    await core.handed(job_id)
    part = core.engine.under_way[job_id]
    core.engine.paint(job_id)
    async with asyncio.timeout(10):
        while (row := await core.row(job_id)).attempt == part.attempt and not row.state.over:
            await asyncio.sleep(0.002)
    return part.request.count


def test_a_part_is_the_first_run_of_what_is_missing() -> None:
    def part(row: JobRow, room: int, *hopeless: int) -> tuple[int, int, int] | None:
        found = next_portion(row, room, hopeless)
        return found and (found.first, found.request.count, found.request.seed)  # type: ignore[union-attr]

    assert (0, 3, 100) == part(batch(24), 3)
    assert (0, PORTION, 100) == part(batch(24), 64)
    assert (0, 1, 100) == part(batch(24), 0)
    assert (2, 2, 102) == part(batch(6, 0, 1, 4), 64)
    assert (3, 1, 103) == part(batch(6, 0, 1, 4), 64, 2)
    assert None is part(batch(3, 0, 2), 64, 1)


def test_progress_of_a_part_is_progress_of_the_whole() -> None:
    row = batch(10, 0, 1, 2, 3, 4)
    part = next_portion(row, 2)
    assert part == Portion(part.request, 5, before=5) if part else False

    told = of_the_whole(Progress("abc", 1, 5, 25, 0.4, {0: b"seen"}), row, part)

    assert Progress("abc", 1, 5 * 25 + 2 * 5, 10 * 25, 0.2, {}) == told


def test_what_is_in_the_background_takes_neither_room_nor_turns_from_others() -> None:
    queue = FairQueue()
    queue.add(Ticket("batch", "ann", 1.0, priority=Priority.BACKGROUND))
    queue.add(Ticket("other batch", "bob", 1.0, priority=Priority.BACKGROUND))
    assert ("batch", None) == ((first := next_in(4, queue)) and first.job_id, next_in(4, queue))

    queue.add(Ticket("large", "ann", 8.0, pictures=4))
    queue.add(Ticket("small", "bob", 1.0))
    assert ["small", "large", "other batch"] == [ticket.job_id for ticket in queue.order()]
    assert ["small", None, "large"] == [
        ticket and ticket.job_id for ticket in (next_in(1, queue), next_in(1, queue), next_in(4, queue))
    ]


async def test_a_batch_is_painted_in_parts_and_charged_once(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 10)
        parts = [await paint_part(core, job.id) for _ in range(3)]
        done = await core.until_state(job.id, JobState.DONE)

        assert [4, 4, 2] == parts
        assert [range(7, 17)[i] for i in range(10)] == [
            part.request.seed + i
            for part in core.engine.handed
            for i in range(part.request.count)  # type: ignore[union-attr]
        ]
        assert tuple(range(10)) == tuple(one.index for one in done.pictures)
        assert done.cost == (await core.jobs.quota.balance(ANN)).used


async def test_others_are_painted_beside_a_batch_as_if_it_were_not_there(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=1) as core:
        job = await ask(core, 10)
        await core.handed(job.id)
        mine, other = await core.ask(ANN), await core.ask(BOB)
        await core.handed(mine.id)

        assert (1, 1) == (
            place.position if (place := core.jobs.registry.place(other.id)) else 0,
            len(core.jobs.registry.waiting()),
        )
        core.engine.paint(mine.id)
        await core.handed(other.id)
        assert [True, False, False] == [handed.background for handed in core.engine.handed]


async def test_only_what_is_missing_is_painted_again_after_a_crash(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 6)
        await core.handed(job.id)
        core.engine.picture(job.id, 0)
        core.engine.picture(job.id, 2)
        await core.until(lambda: any(len(update.job.pictures) == 2 for update in core.updates))
        await core.crash()

    async with running_core(tmp_path, slots=4) as core:
        assert [1, 3] == [await paint_part(core, job.id) for _ in range(2)]
        done = await core.until_state(job.id, JobState.DONE)
        painted = [part.request.seed for part in core.engine.handed]  # type: ignore[union-attr]
        assert ([8, 10], 6, 0) == (painted, len(done.pictures), done.crash_count)
        assert 1 == await count(core.store, "deliveries", "purpose = 'result'")


async def test_a_batch_takes_as_long_as_its_parts_in_all_lives(tmp_path: Path) -> None:
    """Neither is a part of an earlier life left out, nor is the time counted for which the bot was down."""
    clock, ticks = FakeClock(), FakeClock(0.0)
    async with running_core(tmp_path, clock=clock, ticks=ticks, slots=4) as core:
        job = await ask(core, 12)
        await core.handed(job.id)
        ticks.advance(15.0)
        await paint_part(core, job.id)
        await core.handed(job.id)
        ticks.advance(500.0)
        await core.crash()
    clock.advance(100_000.0)

    parts, ticks = 1, FakeClock(7.0)
    async with running_core(tmp_path, clock=clock, ticks=ticks, slots=4) as core:
        while (done := await core.row(job.id)).state is not JobState.DONE:
            await core.handed(job.id)
            ticks.advance(15.0)
            await paint_part(core, job.id)
            parts += 1

    assert parts > 2
    assert duration(15.0 * parts) == took(done)


async def test_an_engine_that_dies_costs_no_picture_that_was_there(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 6)
        for painted in range(1, 5):  # more often than any other job is given: it gets on each time
            await core.handed(job.id)
            core.engine.picture(job.id, 0)
            await core.until(lambda most=painted: any(len(told.job.pictures) == most for told in core.updates))  # type: ignore[misc]
            core.engine.die()
            core.engine.revive()
        await paint_part(core, job.id)

        assert (6, 0) == (len((done := await core.until_state(job.id, JobState.DONE)).pictures), done.crash_count - 1)


async def test_a_batch_that_is_stopped_keeps_what_is_painted_and_charges_only_that(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 8)
        await paint_part(core, job.id)
        await core.handed(job.id)

        ended = await core.jobs.cancel(job.id, ANN)

        assert (JobState.DONE, 4) == (ended.state, len(ended.pictures))
        assert "Cancelled after 4 of 8 pictures; you only pay for those." == ended.error_text
        assert ended.cost / 2 == (await core.jobs.quota.balance(ANN)).used
        assert ended == await core.row(job.id)


async def test_a_batch_that_a_moderator_stops_says_so(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 8)
        await paint_part(core, job.id)

        ended = await core.jobs.cancel(job.id, MOD, moderator=True, reason="too many owls")

        assert ended.error_text == (
            "Cancelled after 4 of 8 pictures; you only pay for those. A moderator cancelled this: too many owls."
        )
        assert ["cancel"] == [entry.action for entry in await core.store.audit.page(AuditFilter(), 50)]


async def test_a_batch_without_a_picture_is_cancelled_like_any_job(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 8)
        assert JobState.CANCELLED is (await core.jobs.cancel(job.id, ANN)).state
        assert 0 == (await core.jobs.quota.balance(ANN)).used


async def test_a_picture_that_fails_each_time_is_not_tried_for_ever(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 6)
        await core.handed(job.id)
        core.engine.fail(job.id, "NotFinite", "Its numbers became infinite.")
        assert 2 == await paint_part(core, job.id)

        done = await core.until_state(job.id, JobState.DONE)

        assert "Pictures 1, 2, 3 and 4 failed and do not count: Its numbers became infinite." == done.error_text
        assert pytest.approx(done.cost / 3) == (await core.jobs.quota.balance(ANN)).used


async def test_other_failures_end_a_batch_with_what_it_has(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 6)
        await paint_part(core, job.id)
        await core.handed(job.id)
        core.engine.fail(job.id, "OutOfMemory", "There is no memory for it.")

        done = await core.until_state(job.id, JobState.DONE)

        assert "This ended after 4 of 6 pictures; you only pay for those. There is no memory for it." == done.error_text


@pytest.mark.parametrize(("most", "asked"), [(24, 25), (0, 5)])
async def test_the_host_says_how_large_a_batch_may_be(tmp_path: Path, most: int, asked: int) -> None:
    async with running_core(tmp_path, config(limits={"max_batch": most})) as core:
        with pytest.raises(TooLarge, match=f"up to {max(most, 4)} pictures at once"):
            await ask(core, asked)


async def test_the_bot_may_be_stopped_in_the_middle(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await ask(core, 6)
        await paint_part(core, job.id)
        await core.handed(job.id)
        core.engine.picture(job.id, 0)
        await core.until(lambda: any(len(update.job.pictures) == 5 for update in core.updates))
        await core.jobs.close(0.0)

    async with running_core(tmp_path, slots=4) as core:
        assert 1 == await paint_part(core, job.id)
        assert 6 == len((await core.until_state(job.id, JobState.DONE)).pictures)
