"""Free entries have a limit, which neither `/forget` nor further challenges reset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.community.vote_message import vote_embed
from bot.errors import QuotaUsedUp
from bot.jobs.admission import Submission
from bot.models.challenge import Rank
from bot.models.job import JobRow, JobState, owner_of
from bot.models.vote import Candidate, Vote, VotePlace
from bot.policy.quota import DAY, FREE_JOBS
from bot.storage.community.stars import Star
from tests.bot.community.test_server_borders import two_challenges
from tests.bot.core import ANN, BOB, CID, MOD, Core, config, count, dream, forgotten, origin, running_core


async def free(core: Core, user: int = ANN) -> JobRow:
    """Begin a job that costs nothing."""
    return await core.jobs.submit(Submission(dream(), origin(user, kind="entry"), free=True))


async def painted(core: Core, user: int = ANN) -> None:
    job = await free(core, user)
    await core.handed(job.id)
    core.engine.paint(job.id)
    await core.until_state(job.id, JobState.DONE)


async def test_free_jobs_have_a_daily_limit_that_deleting_ones_data_does_not_lift(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        for _ in range(FREE_JOBS - 1):
            await painted(core)
        unfinished = await free(core)
        with pytest.raises(QuotaUsedUp, match="within a day, which is the limit"):
            await free(core)
        await core.jobs.cancel(unfinished.id, ANN)
        began = core.store.jobs
        if (await core.row(unfinished.id)).started_at is None:
            await painted(core)
        with pytest.raises(QuotaUsedUp):
            await free(core)
        await painted(core, BOB)

        async with core.store.database.reading() as session:
            since = await core.jobs.quota.start_for(session, owner_of(ANN), core.clock())
        await forgotten(core.store, ANN, core.clock(), since)
        assert [] == await began.page(owner_of(ANN), 10)
        with pytest.raises(QuotaUsedUp):
            await free(core)

        core.clock.now += DAY + 1
        await painted(core)


@pytest.mark.parametrize("units", [0.0])
async def test_without_a_quota_nothing_that_costs_nothing_is_refused(tmp_path: Path, units: float) -> None:
    async with running_core(tmp_path, config(quota={"units": units})) as core:
        for _ in range(FREE_JOBS + 1):
            await painted(core)


async def open_vote(core: Core, *jobs: JobRow) -> Vote:
    """A vote over the first pictures of these jobs."""
    vote = Vote(
        id="vote000001",
        where=VotePlace(400, 500),
        starter_id=0,
        title="owls",
        others_only=True,
        spoiler=False,
        mature=False,
        created_at=core.clock(),
        ends_at=core.clock() + 60,
        candidates=tuple(
            Candidate(job.id, 0, job.origin.user_id, "a fox", (), place) for place, job in enumerate(jobs)
        ),
    )
    async with core.store.transaction() as session:
        await core.store.votes.insert(session, vote)
    return vote


async def test_a_vote_that_is_deleted_while_its_message_is_sent_leaves_no_message(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        await painted(core)
        await painted(core)
        vote = await open_vote(core, *await core.store.jobs.page(owner_of(ANN), 2))
        await core.store.votes.delete(vote.id)
        assert 0 == await count(core.store, "removals")

        assert not await core.store.votes.posted(vote, 77)

        assert [(500, 77)] == await core.store.erasure.to_remove(5)


async def test_a_leaderboard_counts_wins_stars_of_others_and_entries_of_its_own_server(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        for user in (ANN, BOB, BOB):
            await painted(core, user)
        [ann], [bob, other] = [await core.store.jobs.page(owner_of(user), 2) for user in (ANN, BOB)]
        async with core.store.transaction() as session:
            for server, challenge_id in ((400, "here"), (400, "again"), (401, "there")):
                await session.run(
                    "INSERT INTO challenges (id, server_id, channel_id, host_id, theme, entries_each, vote_seconds,"
                    " prize, state, created_at, deadline) VALUES (?, ?, 1, 1, 'owls', 1, 1.0, 0, 'ended', 1.0, 2.0)",
                    challenge_id,
                    server,
                )
            for challenge_id, job, user in (("here", bob, BOB), ("here", other, BOB), ("there", ann, ANN)):
                await session.run("INSERT INTO challenge_winners VALUES (?, ?, 0, ?, 3, 0)", challenge_id, job.id, user)
            for challenge_id, job, withdrawn in (("here", ann, 0), ("again", ann, 1), ("here", bob, 0)):
                await session.run(
                    "INSERT INTO challenge_entries VALUES (?, ?, 0, ?, 0, ?, 1.0, 1)",
                    challenge_id,
                    job.id,
                    job.origin.user_id,
                    withdrawn,
                )
            for job, giver, server in ((ann, BOB, 400), (ann, CID, 401), (bob, BOB, 400), (bob, CID, 400)):
                await core.store.stars.put(session, Star(job.id, 0, giver, server, False, 1.0))
        for user in (ANN, BOB, CID, MOD):
            await core.store.challenges.join(400, user, listed=user != MOD)

        ranks = await core.store.challenges.ranks(400, 20)

        assert [Rank(BOB, 1, 1, 1), Rank(ANN, 0, 1, 1), Rank(CID, 0, 0, 0)] == ranks
        assert ranks[:1] == await core.store.challenges.ranks(400, 1)
        assert [True, False] == [await core.store.challenges.is_listed(400, user) for user in (ANN, MOD)]


async def test_a_winner_who_is_forgotten_while_the_vote_is_counted_wins_nothing(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        for user in (ANN, BOB):
            await painted(core, user)
        jobs = [job for user in (ANN, BOB) for job in await core.store.jobs.page(owner_of(user), 1)]
        challenges, vote = await two_challenges(core), await open_vote(core, *jobs)
        challenge = await core.store.challenges.find("challenge400")
        assert challenge is not None
        async with core.store.transaction() as session:
            assert await core.store.votes.cast(session, vote.id, CID, 0, core.clock())
        core.clock.now += 61
        await core.store.votes.close_due(core.clock())
        counted = await core.store.votes.find(vote.id)
        assert counted is not None
        assert [ANN] == [one.author_id for one in counted.winners]
        await forgotten(core.store, ANN, core.clock())

        await challenges._decide(replace(challenge, prize=50.0), counted, core.clock())

        assert [] == await core.store.challenges.winners(challenge.id)
        assert 0 == await count(core.store, "credits")
        ended = await core.store.challenges.find(challenge.id)
        assert ended is not None
        assert ended.state.over


@pytest.mark.parametrize("authors", [1, 25])
@pytest.mark.parametrize("winners", [1, 25])
def test_the_result_of_the_largest_vote_fits_into_an_embed(authors: int, winners: int) -> None:
    people = [10**19 - 1 - place % authors for place in range(25)]
    candidates = tuple(Candidate("j", 0, user, "*" * 200, (), place) for place, user in enumerate(people))
    counts = {place: 99_999 if place < winners else 99_998 for place in range(25)}
    where = VotePlace(400, 500)
    vote = Vote("v", where, 0, "*" * 400, True, False, False, 0.0, 1e10, candidates, is_open=False, counts=counts)

    assert len(vote_embed(vote).description or "") <= 4096
    assert len(vote_embed(replace(vote, is_open=True)).description or "") <= 4096
