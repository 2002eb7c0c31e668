"""A job's way through the core without crashes."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from bot.config.settings import Config
from bot.errors import (
    CoolingDown,
    FolderInUse,
    NotAllowed,
    NothingToCancel,
    PictureGone,
    QueueFull,
    QuotaUsedUp,
    ShuttingDown,
    TooLarge,
)
from bot.jobs.admission import Submission
from bot.models.audit import AuditFilter
from bot.models.job import JobRow, JobState, Priority, Update
from bot.storage import Store
from bot.storage.community.stars import Star
from engine.errors import EngineUnusable, InvalidRequest, ModelUnavailable
from engine.requests.request import UpscaleRequest, build_request
from tests.bot.core import ANN, BOB, CID, MOD, Core, config, count, dream, history, origin, running_core, upscale_of

SHA = hashlib.sha256(b"attached").hexdigest()


async def test_a_job_is_painted_charged_and_put_into_the_outbox(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask(ANN, dream(count=2))
        await core.handed(job.id)
        core.engine.paint(job.id)
        done = await core.until_state(job.id, JobState.DONE)

        assert [(0, 256, 256), (1, 256, 256)] == [(p.index, p.width, p.height) for p in done.pictures]
        assert {"steps": 1.0, "running": 0.0} == done.seconds
        balance = await core.jobs.quota.balance(ANN)
        assert (pytest.approx(job.cost), 0.0) == (balance.used, balance.reserved)
        assert [(job.id, "result")] == [(d.job_id, d.purpose) for d in await core.store.deliveries.pending()]


async def test_a_picture_is_a_durable_file_named_by_its_job(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        png = core.engine.picture(job.id, embedding=[0.5, -0.25])
        await core.until(lambda: bool(core.jobs.registry.running()[0].pictures))

        assert png == (tmp_path / "pictures" / "27" / f"{job.id}-0.png").read_bytes()
        assert png == await core.store.pictures.png(job.id, 0)
        assert ("fake", (0.5, -0.25)) == await core.store.pictures.embedding(job.id, 0)
        assert "embedding" not in (await core.row(job.id)).pictures[0].facts


async def test_the_engine_gets_the_request_with_attempt_and_owner(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask(BOB, dream("an owl"))
        await core.handed(job.id)

        handed = core.engine.handed[0]
        assert (job.id, 1, "discord:22", dream("an owl")) == (handed.id, handed.attempt, handed.owner, handed.request)


async def test_slots_are_filled_in_fair_order_and_places_follow(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"per_user": 5})) as core:
        first = await core.ask(ANN)
        await core.handed(first.id)
        asked = [await core.ask(user) for user in (ANN, ANN, BOB, CID)]

        assert [3, 4, 1, 2] == [core.jobs.registry.place(job.id).position for job in asked]  # type: ignore[union-attr]
        assert [BOB, CID, ANN, ANN] == [job.origin.user_id for job, _ in core.jobs.registry.waiting()]
        assert core.jobs.registry.place(first.id) is None
        assert [first.id] == [job.id for job in core.jobs.registry.running()]

        core.engine.paint(first.id)
        await core.handed(asked[2].id)
        assert [2, 3, 1] == [core.jobs.registry.place(asked[i].id).position for i in (0, 1, 3)]  # type: ignore[union-attr]


async def test_no_more_is_handed_over_than_the_engine_has_slots(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=3) as core:
        jobs = [await core.ask(user, dream(count=2)) for user in (ANN, BOB)]
        single = await core.ask(CID)
        await core.handed(jobs[0].id)
        await asyncio.sleep(0.05)
        assert [jobs[0].id] == [job.id for job in core.engine.handed]

        core.engine.paint(jobs[0].id)
        await core.handed(jobs[1].id)
        core.engine.progress(jobs[1].id, 1)
        await core.handed(single.id)


async def test_subscribers_hear_of_every_change(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        waiting = await core.ask(BOB)
        await core.handed(job.id)
        core.engine.progress(job.id, 3, snapshots={0: b"blurred"})
        core.engine.progress(job.id, 4)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)
        await core.handed(waiting.id)

        heard = [(u.job.state, u.progress and u.progress.step) for u in core.updates if u.job.id == job.id]
        assert [
            (JobState.QUEUED, None),
            (JobState.RUNNING, None),
            (JobState.RUNNING, 3),
            (JobState.RUNNING, 4),
        ] == heard[:4]
        assert (JobState.DONE, 4) == heard[-1]
        kept = next(u.progress for u in core.updates if u.progress and u.progress.step == 4)
        assert {0: b"blurred"} == kept.snapshots


async def test_who_moves_up_hears_of_it(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"per_user": 5})) as core:
        jobs = [await core.ask(user) for user in (ANN, BOB, CID)]
        await core.handed(jobs[0].id)
        moved: set[str] = set()
        core.jobs.registry.subscribe_moves(moved.update)

        await core.jobs.cancel(jobs[1].id, BOB)
        await core.until(lambda: jobs[2].id in moved)
        assert 1 == core.jobs.registry.place(jobs[2].id).position  # type: ignore[union-attr]


async def test_a_move_is_announced_to_a_job_whose_first_position_was_only_asked_for(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"per_user": 5})) as core:
        jobs = [await core.ask(user) for user in (ANN, BOB, CID)]
        await core.handed(jobs[0].id)
        moved: set[str] = set()
        registry = core.jobs.registry
        registry.subscribe_moves(moved.update)
        registry._told.clear()  # a busy machine has announced nothing yet
        assert 2 == registry.place(jobs[2].id).position  # type: ignore[union-attr]

        await core.jobs.cancel(jobs[1].id, BOB)

        await core.until(lambda: jobs[2].id in moved)


async def test_a_subscriber_that_breaks_harms_no_other(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        broken: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(str(context["exception"])))

        def breaks(update: Update) -> None:
            raise ValueError("no")

        core.jobs.registry.subscribe(breaks)
        job = await core.ask()
        await core.handed(job.id)

        assert "no" in broken


async def test_a_subscriber_gets_nothing_after_unsubscribing(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        heard: list[Update] = []
        core.jobs.registry.subscribe(heard.append)()
        job = await core.ask()
        await core.handed(job.id)

        assert [] == heard


async def test_messages_and_jobs_find_each_other(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.jobs.link_message(job.id, 500, 9001)
        await core.jobs.link_message(job.id, 500, 9001)

        found = await core.jobs.find_by_message(500, 9001)
        assert found is not None
        assert (job.id, 9001) == (found.id, found.message_id)
        assert await core.jobs.find_by_message(500, 1) is None
        core.clock.advance(1)
        await core.jobs.link_message(job.id, 500, 8000)
        assert 8000 == (await core.row(job.id)).message_id


async def test_updates_carry_the_message(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.jobs.link_message(job.id, 500, 9001)
        await core.handed(job.id)
        core.engine.progress(job.id, 1)
        await core.until(lambda: core.updates[-1].progress is not None)

        assert 9001 == core.updates[-1].job.message_id


# What is refused


async def test_the_waiting_limit_counts_waiting_jobs_of_one_person(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"per_user": 2})) as core:
        running = await core.ask()
        await core.handed(running.id)
        await core.ask()
        await core.ask()

        with pytest.raises(QueueFull, match="You have 2 jobs in the queue, and the limit is 2 per person"):
            await core.ask()
        await core.ask(BOB)


async def test_the_queue_has_an_end(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"total": 1}), engine_up=False) as core:
        await core.ask(ANN)

        with pytest.raises(QueueFull, match="The queue is full: one job is waiting"):
            await core.ask(BOB)


async def test_the_cooldown_counts_from_submission_and_not_for_upscales(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"cooldown_seconds": 10.0})) as core:
        job = await core.ask()
        core.clock.advance(4)
        with pytest.raises(CoolingDown, match=r"^Please wait 6 seconds before you ask again\.$") as refused:
            await core.ask()
        assert core.clock() + 6 == refused.value.retry_at

        await core.handed(job.id)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)
        request = await upscale_of(core.jobs, core.store, job.id, 0)
        await core.jobs.submit(Submission(request, origin(kind="upscale", parent=job.id)))
        core.clock.advance(6)
        await core.ask()


async def test_the_quota_is_checked_when_asking_and_says_when_it_comes_back(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota={"units": 3.0})) as core:
        await core.ask()

        with pytest.raises(
            QuotaUsedUp, match=r"costs 1.64 units and you have 1.36 of 3 left; .* at 00:00 UTC"
        ) as refused:
            await core.ask()
        assert 0 == refused.value.retry_at % 86400  # type: ignore[operator]
        assert 1 == await count(core.store, "jobs")


async def test_a_refused_request_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota={"units": 1.0})) as core:
        with pytest.raises(QuotaUsedUp, match="will never be enough"):
            await core.jobs.submit(Submission(dream(init_image=SHA), origin(token="secret"), {SHA: b"attached"}))

        assert [0, 0, 0, 0] == [
            await count(core.store, table) for table in ("jobs", "charges", "interactions", "inputs")
        ]
        assert [] == core.jobs.registry.waiting()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_size": 128}, "A side of 256 pixels is too large; the limit here is 128."),
        ({"max_steps": 10}, "25 steps are too many; the limit here is 10."),
        ({"max_count": 1, "max_batch": 0}, "You can paint up to 1 picture at once here."),
    ],
)
async def test_what_is_too_large_for_the_host_is_refused_in_words(
    tmp_path: Path, limits: dict[str, object], said: str
) -> None:
    async with running_core(tmp_path, config(limits=limits)) as core:
        with pytest.raises(TooLarge) as refused:
            await core.ask(ANN, dream(count=2))
        assert said == str(refused.value)


async def test_an_upscale_that_would_be_too_large_says_what_fits(tmp_path: Path) -> None:
    request = UpscaleRequest(image=SHA, width=1200, height=900, scale=4)
    async with running_core(tmp_path) as core:
        with pytest.raises(TooLarge, match=r"would be 4800 pixels wide or high; the limit here is 4096\. 3× would fit"):
            await core.jobs.submit(Submission(request, origin(kind="upscale"), {SHA: b"attached"}))


async def test_what_the_engine_has_not_got_is_refused_with_the_reason(tmp_path: Path) -> None:
    request = UpscaleRequest(image=SHA, width=8, height=8, upscaler="esrgan")
    async with running_core(tmp_path) as core:
        core.engine.tell_ready({"esrgan": "its weights are missing"})
        with pytest.raises(
            ModelUnavailable, match=r"“esrgan” cannot be used here: its weights are missing\. Available: primer"
        ):
            await core.jobs.submit(Submission(request, origin(), {SHA: b"attached"}))


async def test_an_engine_that_cannot_start_says_so_to_each_request(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        core.engine.tell_ready({"engine": "The engine cannot start: no torch."})
        await core.until(lambda: core.jobs._engine_loop._last is not None)
        core.engine.ready = None
        await asyncio.sleep(0.02)

        with pytest.raises(EngineUnusable, match="no torch"):
            await core.ask()


async def test_while_the_engine_is_down_for_a_moment_jobs_wait(tmp_path: Path) -> None:
    async with running_core(tmp_path, engine_up=False) as core:
        job = await core.ask()
        assert 1 == core.jobs.registry.place(job.id).position  # type: ignore[union-attr]

        await core.engine.start()
        await core.handed(job.id)


async def test_bytes_that_are_not_what_their_name_says_are_refused(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        with pytest.raises(InvalidRequest, match="does not match the request"):
            await core.jobs.submit(Submission(dream(init_image=SHA), origin(), {SHA: b"something else"}))


# Who may do more


async def test_hosts_go_first_without_quota_or_cooldown(tmp_path: Path) -> None:
    settings = config(
        discord={"owner_ids": (CID,)}, quota={"units": 2.0}, queue={"cooldown_seconds": 60.0, "per_user": 5}
    )
    async with running_core(tmp_path, settings, engine_up=False) as core:
        await core.ask(ANN)
        for _ in range(3):
            await core.ask(CID)

        assert [CID, CID, CID, ANN] == [job.origin.user_id for job, _ in core.jobs.registry.waiting()]
        assert (await core.jobs.quota.balance(CID)).unlimited


async def test_roles_raise_limits(tmp_path: Path) -> None:
    settings = config(quota={"units": 2.0}, roles={"900": {"units": 10.0, "per_user": 4}})
    async with running_core(tmp_path, settings, engine_up=False) as core:
        for _ in range(4):
            job = await core.jobs.submit(Submission(dream(), origin(), roles=(7, 900)))
        assert Priority.ROLE is job.priority

        with pytest.raises(QueueFull, match="limit is 4"):
            await core.jobs.submit(Submission(dream(), origin(), roles=(900,)))
        assert 10 == (await core.jobs.quota.balance(ANN, (900,))).allowance


async def test_grants_and_resets_are_audited(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota={"units": 2.0})) as core:
        await core.ask()
        core.clock.advance(1)
        assert 5 == await core.jobs.quota.grant(ANN, 5, MOD, "won the challenge")
        assert pytest.approx(2 - 1.6384 + 5) == (await core.jobs.quota.balance(ANN)).left
        core.clock.advance(1)
        await core.jobs.quota.reset(ANN, MOD, "a mistake of ours")

        assert pytest.approx(7) == (await core.jobs.quota.balance(ANN)).left
        assert ["reset", "granted", "reserved"] == [entry.kind for entry in await core.jobs.quota.history(ANN)]
        assert [("reset quota", "discord:99"), ("grant", "discord:99")] == [
            (entry.action, entry.actor) for entry in await core.store.audit.page(AuditFilter(), 50)
        ]


# Cancelling


async def test_a_waiting_job_can_be_cancelled_and_costs_nothing(tmp_path: Path) -> None:
    async with running_core(tmp_path, engine_up=False) as core:
        job = await core.ask()
        row = await core.jobs.cancel(job.id, ANN)

        assert (JobState.CANCELLED, []) == (row.state, core.jobs.registry.waiting())
        balance = await core.jobs.quota.balance(ANN)
        assert (0.0, 0.0) == (balance.used, balance.reserved)
        assert [job.id] == [d.job_id for d in await core.store.deliveries.pending()]


async def test_a_running_job_can_be_cancelled_and_the_engine_stops(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job, other = await core.ask(), await core.ask(BOB)
        await core.handed(job.id)
        core.engine.progress(job.id, 5)
        await core.jobs.cancel(job.id, ANN)
        await core.handed(other.id)

        assert [(job.id, 1)] == core.engine.cancelled
        row = await core.row(job.id)
        assert (JobState.CANCELLED, "") == (row.state, row.error_code)
        assert 0 == (await core.jobs.quota.balance(ANN)).used


async def test_others_may_not_cancel_but_moderators_may_and_it_is_written_down(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask(ANN)
        with pytest.raises(NotAllowed, match="Only ann or a moderator can cancel this"):
            await core.jobs.cancel(job.id, BOB)

        await core.jobs.cancel(job.id, MOD, moderator=True)
        assert [("cancel", "discord:99", job.id)] == [
            (entry.action, entry.actor, entry.subject) for entry in await core.store.audit.page(AuditFilter(), 50)
        ]


async def test_what_is_over_cannot_be_cancelled(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)

        with pytest.raises(NothingToCancel, match="already finished"):
            await core.jobs.cancel(job.id, ANN)
        with pytest.raises(NothingToCancel, match="There is no job nosuchjob"):
            await core.jobs.cancel("nosuchjob", ANN)


async def test_what_the_engine_says_after_the_end_changes_nothing(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        late = core.engine.under_way[job.id]
        await core.jobs.cancel(job.id, ANN)
        core.engine.under_way[job.id] = late
        core.engine.paint(job.id)
        other = await core.ask(BOB)
        await core.handed(other.id)

        row = await core.row(job.id)
        assert (JobState.CANCELLED, ()) == (row.state, row.pictures)
        assert 0 == (await core.jobs.quota.balance(ANN)).used


async def test_a_discarded_message_is_forgotten_and_its_job_stopped(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.jobs.link_message(job.id, 500, 9001)
        await core.handed(job.id)
        row = await core.jobs.discard(job.id, MOD, moderator=True)

        assert JobState.CANCELLED is row.state
        assert await core.jobs.find_by_message(500, 9001) is None
        assert [] == await core.store.deliveries.pending()
        assert [job.id] == [past.id for past in await history(core.store, ANN)]


async def test_one_message_taken_down_leaves_the_others_and_what_people_keep(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        core.engine.paint(job.id)
        for channel in (500, 600):
            await core.jobs.link_message(job.id, channel, 9001)
        job = await core.until_state(job.id, JobState.DONE)
        async with core.store.transaction() as session:
            await core.store.stars.put(session, Star(job.id, 0, BOB, None, False, core.clock()))

        assert not await core.jobs.takedowns.taken_down(job, 600, 9001, MOD, 401)

        assert [(500, 9001)] == await core.store.messages.of_job(job.id)
        assert [BOB] == [star.user_id for star in await core.store.stars.of_job(job.id)]
        assert ["delete"] == [one.action for one in await core.store.audit.page(AuditFilter(401), 50)]
        assert await core.jobs.takedowns.taken_down(job, 500, 9001, ANN, None, later=True)
        assert [] == await core.store.stars.of_job(job.id)
        assert [] == await core.store.deliveries.pending()
        assert [(500, 9001)] == await core.store.erasure.to_remove(9)


# Failing


async def test_a_failure_is_told_in_the_engines_words_and_refunded(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        core.engine.fail(job.id, "NotFinite", "The numbers went wild; another seed may help.")
        row = await core.until_state(job.id, JobState.FAILED)

        assert ("NotFinite", "The numbers went wild; another seed may help.") == (row.error_code, row.error_text)
        assert ["refunded"] == [entry.kind for entry in await core.jobs.quota.history(ANN)]
        assert 1 == len(await core.store.deliveries.pending())


async def test_when_the_engine_dies_the_job_is_tried_again(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask(ANN, dream(count=2))
        await core.handed(job.id)
        core.engine.picture(job.id)
        core.engine.die()
        row = await core.until_state(job.id, JobState.QUEUED)
        assert (2, 1, ()) == (row.attempt, row.crash_count, row.pictures)

        core.engine.revive()
        await core.handed(job.id)
        assert 2 == core.engine.under_way[job.id].attempt
        core.engine.paint(job.id)
        row = await core.until_state(job.id, JobState.DONE)
        assert 2 == len(row.pictures)
        assert pytest.approx(job.cost) == (await core.jobs.quota.balance(ANN)).used


async def test_a_job_that_kills_the_engine_twice_is_set_aside_and_the_queue_continues(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job, following = await core.ask(), await core.ask(BOB)
        for _ in range(2):
            await core.handed(job.id)
            core.engine.die()
            await core.until(lambda: not core.jobs.registry.running())
            core.engine.revive()
        row = await core.until_state(job.id, JobState.FAILED)

        assert "SetAside" == row.error_code
        assert "crashed twice" in row.error_text
        assert 0 == (await core.jobs.quota.balance(ANN)).used
        await core.handed(following.id)
        assert 0 == (await core.row(following.id)).crash_count


async def together(core: Core, jobs: list[JobRow]) -> None:
    """Wait until the engine paints all of them."""
    for job in jobs:
        await core.handed(job.id)
        core.engine.progress(job.id, 1)


async def dies(core: Core) -> None:
    """The engine dies, and is there again."""
    core.engine.die()
    await core.until(lambda: not core.jobs.registry.running())
    core.engine.revive()


@pytest.mark.parametrize("deaths", [1, 2, 3])
async def test_neighbours_of_a_killer_are_not_blamed_for_it(tmp_path: Path, deaths: int) -> None:
    async with running_core(tmp_path, config(queue={"deaths": deaths}), slots=4) as core:
        killer, *innocent = [await core.ask(person) for person in (ANN, BOB, CID)]
        await together(core, [killer, *innocent])
        await dies(core)

        for _ in range(max(1, deaths - 1)):
            await core.handed(killer.id)
            await asyncio.sleep(0.05)
            assert {killer.id} == set(core.engine.under_way)  # every suspect by itself
            await dies(core)
        assert "SetAside" == (await core.until_state(killer.id, JobState.FAILED)).error_code
        for job in innocent:
            await core.handed(job.id)
            assert {job.id} == set(core.engine.under_way)
            core.engine.paint(job.id)
            await core.until_state(job.id, JobState.DONE)


async def test_an_engine_that_ends_with_the_bot_blames_no_job(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        closing = asyncio.create_task(core.jobs.close(5))
        await asyncio.sleep(0)
        core.engine.die()
        await closing

        assert (JobState.QUEUED, 0) == ((row := await core.row(job.id)).state, row.crash_count)


async def test_an_engine_that_does_not_take_a_job_is_not_asked_again_until_it_is_ready(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        core.engine.refuses = True
        job = await core.ask()
        await core.until(lambda: core.jobs._engine_loop._down and bool(core.jobs.registry.waiting()))
        row = await core.row(job.id)
        assert (JobState.QUEUED, 2, 0) == (row.state, row.attempt, row.crash_count)

        core.engine.refuses = False
        core.engine.tell_ready()
        await core.handed(job.id)


async def test_a_picture_that_cannot_be_stored_fails_its_job_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.jobs.engine_loop.PICTURE_TRIES", 2)
    async with running_core(tmp_path) as core:
        (tmp_path / "pictures").write_text("in the way")
        job = await core.ask()
        await core.handed(job.id)
        core.engine.picture(job.id)
        row = await core.until_state(job.id, JobState.FAILED)

        assert ("StoreError", 0.0) == (row.error_code, (await core.jobs.quota.balance(ANN)).used)
        assert "could not be stored" in row.error_text
        assert [(job.id, 1)] == core.engine.cancelled


async def test_only_what_was_painted_is_charged(tmp_path: Path) -> None:
    async with running_core(tmp_path, slots=4) as core:
        job = await core.ask(ANN, dream(count=4))
        await core.handed(job.id)
        for index in range(3):
            core.engine.picture(job.id, index)
        core.engine.result(job.id)
        await core.until_state(job.id, JobState.DONE)

        assert pytest.approx(job.cost * 3 / 4) == (await core.jobs.quota.balance(ANN)).used


# Pictures that requests start from


async def test_an_attachment_reaches_the_engine(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.jobs.submit(Submission(dream(init_image=SHA), origin(), {SHA: b"attached"}))
        await core.handed(job.id)
        assert {SHA: b"attached"} == core.engine.images[job.id]

        again = await core.jobs.submit(Submission(dream(init_image=SHA), origin(kind="again", parent=job.id)))
        core.engine.paint(job.id)
        await core.handed(again.id)
        assert {SHA: b"attached"} == core.engine.images[again.id]
        assert [again.id] == [child.id for child in await core.store.jobs.children(job.id)]


async def test_a_stored_picture_is_enlarged(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        png = core.engine.picture(job.id)
        core.engine.result(job.id)
        await core.until_state(job.id, JobState.DONE)

        request = await upscale_of(core.jobs, core.store, job.id, 0, scale=2)
        larger = await core.jobs.submit(Submission(request, origin(BOB, kind="upscale", parent=job.id)))
        await core.handed(larger.id)
        assert [png] == list(core.engine.images[larger.id].values())
        core.engine.paint(larger.id)
        row = await core.until_state(larger.id, JobState.DONE)
        assert (512, job.id, "upscale") == (row.pictures[0].width, row.origin.parent_job, row.origin.kind)


async def test_a_missing_picture_is_asked_for_again(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        with pytest.raises(PictureGone, match="Attach it again"):
            await core.jobs.submit(Submission(dream(init_image=SHA), origin()))
        with pytest.raises(PictureGone, match="Picture 1 of job nosuchjob has expired"):
            await core.store.pictures.png("nosuchjob", 0)


async def test_a_picture_that_goes_while_its_job_waits_fails_the_job(tmp_path: Path) -> None:
    async with running_core(tmp_path, engine_up=False) as core:
        job = await core.jobs.submit(Submission(dream(init_image=SHA), origin(), {SHA: b"attached"}))
        (tmp_path / "inputs" / SHA).unlink()
        await core.engine.start()
        row = await core.until_state(job.id, JobState.FAILED)

        assert "PictureGone" == row.error_code
        assert [] == core.engine.handed


# Small things


async def test_a_press_counts_once_within_its_time(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(delivery={"press_seconds": 10.0})) as core:
        assert [True, False] == [await core.store.presses.first("up:a:0", core.clock(), 10.0) for _ in range(2)]
        assert await core.store.presses.first("up:b:0", core.clock(), 10.0)
        core.clock.advance(10)
        assert [True, False] == [await core.store.presses.first("up:a:0", core.clock(), 10.0) for _ in range(2)]


async def test_a_slow_job_also_pings(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        core.clock.advance(61)
        core.engine.paint(job.id)
        await core.until_state(job.id, JobState.DONE)

        assert ["result", "ping"] == [d.purpose for d in await core.store.deliveries.pending()]


async def test_history_is_ones_own_and_newest_first(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"per_user": 9}), engine_up=False) as core:
        jobs = []
        for user in (ANN, BOB, ANN, ANN):
            jobs.append(await core.ask(user))
            core.clock.advance(1)

        assert [jobs[3].id, jobs[2].id] == [job.id for job in await history(core.store, ANN, 2)]
        assert [jobs[0].id] == [j.id for j in await core.store.jobs.page(jobs[0].owner, 2, jobs[2].id)]


async def test_speed_is_learnt_from_what_was_painted(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(queue={"per_user": 9})) as core:
        for _ in range(6):
            job = await core.ask()
            await core.handed(job.id)
            core.clock.advance(20)
            core.engine.paint(job.id)
            await core.until_state(job.id, JobState.DONE)
        running, waiting = await core.ask(), await core.ask(BOB)
        await core.handed(running.id)
        place = core.jobs.registry.place(waiting.id)

    assert place is not None
    assert pytest.approx(core.clock() + 20, abs=0.5) == place.starts
    assert core.clock() + 25 < place.earliest < core.clock() + 40 < place.latest < core.clock() + 60


async def test_a_second_bot_on_the_same_folder_is_refused_in_words(tmp_path: Path) -> None:
    async with running_core(tmp_path):
        with pytest.raises(FolderInUse, match=r"Another dreambot \(process \d+\) is using"):
            await Store.open(tmp_path)


async def test_closing_lets_running_jobs_finish_and_takes_nothing_new(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        running, waiting = await core.ask(), await core.ask(BOB)
        await core.handed(running.id)
        closing = asyncio.create_task(core.jobs.close(5))
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await core.ask(CID)
        core.engine.paint(running.id)
        await closing

        assert JobState.DONE is (await core.row(running.id)).state
        assert JobState.QUEUED is (await core.row(waiting.id)).state
        await core.jobs.wait()


async def test_closing_returns_unfinished_jobs_and_blames_none(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        job = await core.ask()
        await core.handed(job.id)
        await core.jobs.close(0.05)

        row = await core.row(job.id)
        assert (JobState.QUEUED, 2, 0) == (row.state, row.attempt, row.crash_count)
        assert [(job.id, 1)] == core.engine.cancelled
        await asyncio.sleep(0.01)
        assert JobState.QUEUED is core.updates[-1].job.state


async def test_an_event_that_breaks_the_loop_fails_its_job_and_the_loop_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.retry.FIRST_WAIT", 0.0)
    async with running_core(tmp_path) as core:
        broken, following = await core.ask(), await core.ask(BOB)
        await core.handed(broken.id)
        core.engine.say(_picture_without_a_size(core, broken.id))

        failed = await core.until_state(broken.id, JobState.FAILED)
        await core.until(lambda: broken.id not in core.engine.under_way)
        await core.handed(following.id)
        core.engine.paint(following.id)

        await core.until_state(following.id, JobState.DONE)
        assert "has been logged" in failed.error_text
        assert "lack its width" in caplog.text
        assert 0 == (await core.jobs.quota.balance(ANN)).used


def _picture_without_a_size(core: Core, job_id: str):  # type: ignore[no-untyped-def]
    from engine.protocol.messages import Picture

    return Picture(job_id, core.engine.under_way[job_id].attempt, 0, b"png", {})


def test_no_configuration_is_a_configuration() -> None:
    assert Config() == Config.model_validate({})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"perceptors": "ViT-B/16"}, "This needs the CLIP ViT-B/16, which is not available: not downloaded; run …."),
        (
            {"perceptors": "usual+ViT-B/16:0.5"},
            "This needs the CLIP ViT-B/16, which is not available: not downloaded; run ….",
        ),
        ({"gradient": "secondary"}, "This needs the secondary net, which is not available: not downloaded; run that."),
    ],
)
async def test_what_a_picture_needs_beside_its_model_is_said_before_it_is_queued(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    async with running_core(tmp_path) as core:
        core.engine.tell_ready(
            {"CLIP ViT-B/16": "not downloaded; run …", "secondary net": "not downloaded; run that.", "CLIP RN50": "x"}
        )
        with pytest.raises(ModelUnavailable) as refused:
            await core.ask(ANN, build_request("a fox", settings=settings))

        assert said == str(refused.value)
        assert ([], 0.0) == (core.jobs.registry.waiting(), (await core.jobs.quota.balance(ANN)).reserved)
        await core.ask(ANN, build_request("a fox"))


async def test_a_request_is_checked_before_its_attachment_is_there(tmp_path: Path) -> None:
    settings = config(queue={"cooldown_seconds": 60.0, "per_user": 5, "total": 1}, quota={"units": 5.0})
    async with running_core(tmp_path, settings, engine_up=False) as core:
        asked = dream(init_image=SHA)
        await core.jobs.check(Submission(asked, origin(BOB)))
        await core.jobs.submit(Submission(dream(), origin(ANN)))

        with pytest.raises(CoolingDown):
            await core.jobs.check(Submission(asked, origin(ANN)))
        with pytest.raises(QueueFull):
            await core.jobs.check(Submission(asked, origin(BOB)))
        with pytest.raises(TooLarge):
            await core.jobs.check(Submission(dream(steps=300, init_image=SHA), origin(BOB)))
        assert 1 == await count(core.store, "jobs")
        assert 1 == await count(core.store, "charges")


async def test_a_quota_that_is_used_up_is_said_before_the_attachment_is_there(tmp_path: Path) -> None:
    async with running_core(tmp_path, config(quota={"units": 1.0})) as core:
        with pytest.raises(QuotaUsedUp):
            await core.jobs.check(Submission(dream(init_image=SHA), origin(ANN)))
        assert 0 == await count(core.store, "charges")
