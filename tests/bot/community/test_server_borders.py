"""Styles and challenges stay in their server: whatever people do, another server sees and gets nothing of it."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.community.challenges.service import Challenges
from bot.community.styles.library import Styles
from bot.community.styles.starters import STARTERS
from bot.jobs.admission import Submission
from bot.models.challenge import Challenge
from bot.models.job import JobState
from engine.errors import DreamError
from tests.bot.core import ANN, BOB, CID, Core, dream, invocation, origin, running_core
from tests.prepared_database import open_store

SERVERS = (400, 401)
people = st.sampled_from((ANN, BOB, CID))
styles_saved = st.lists(
    st.tuples(st.sampled_from(SERVERS), people, st.sampled_from(("wash", "dust", "glow")), st.booleans()), max_size=8
)


@given(styles_saved)
@settings(max_examples=25, deadline=None)
def test_styles_of_one_server_are_never_seen_in_another(actions: list[tuple[int, int, str, bool]]) -> None:
    async def scenario(folder: Path) -> None:
        async with await open_store(folder) as store:
            styles, known = Styles(store, lambda: 0.0), {server: dict[str, tuple[str, int]]() for server in SERVERS}
            for server, user, name, deletes in actions:
                template = f"{{prompt}}, {name} of {server}"
                try:
                    if deletes:
                        await styles.delete(server, name, user, moderator=False)
                        del known[server][name]
                    else:
                        saved = await styles.save(server, user, name, template, "", "", lambda meant: None)
                        known[server][name] = (saved.id, user)
                except DreamError:
                    assert (name in known[server]) != deletes or known[server][name][1] != user
            for server in SERVERS:
                other = next(one for one in SERVERS if one != server)
                seen = [style for style in await styles.all(server) if not style.starter]
                assert set(known[server]) == {style.name for style in seen}
                assert all(style.template.endswith(str(server)) for style in seen)
                for style_id, _ in known[other].values():
                    assert not await found(styles.by_id(server, style_id))
                for name in set(known[other]) - set(known[server]):
                    assert not await found(styles.find(server, name))
            assert len(STARTERS) == len(await styles.all(None))

    in_a_folder(scenario)


entries = st.lists(
    st.tuples(st.sampled_from((*SERVERS, None)), people, people, st.sampled_from(SERVERS), st.booleans()),
    min_size=1,
    max_size=6,
)


@given(entries)
@settings(max_examples=12, deadline=None)
def test_only_own_finished_pictures_of_this_server_are_entered(
    tries: list[tuple[int | None, int, int, int, bool]],
) -> None:
    async def scenario(folder: Path) -> None:
        async with running_core(folder) as core:
            challenges = await two_challenges(core)
            expected: dict[int, set[str]] = {server: set() for server in SERVERS}
            for shown_in, owner, presser, pressed_in, finished in tries:
                place = replace(origin(owner), guild_id=shown_in, server_id=SERVERS[0])
                job = await core.jobs.submit(Submission(dream(), place))
                await core.handed(job.id)
                core.engine.paint(job.id)
                job = await core.until_state(job.id, JobState.DONE)
                if not finished:
                    job = replace(job, state=JobState.FAILED)
                entered = await found(challenges.enter(job, 0, invocation(presser, server=pressed_in)))
                assert entered == (finished and owner == presser and shown_in == pressed_in)
                if entered:
                    expected[pressed_in].add(job.id)
            for server in SERVERS:
                stored = await core.store.challenges.entries(f"challenge{server}")
                assert expected[server] == {one.job_id for one in stored}

    in_a_folder(scenario)


async def two_challenges(core: Core) -> Challenges:
    """A challenge in each server, with room for all."""
    now = core.clock()
    for server in SERVERS:
        challenge = Challenge(
            id=f"challenge{server}",
            server_id=server,
            channel_id=500,
            host_id=CID,
            theme="owls",
            entries_each=10,
            vote_seconds=60.0,
            prize=0.0,
            created_at=now,
            deadline=now + 3600,
            shown=1,
        )
        async with core.store.transaction() as session:
            await core.store.challenges.insert(session, challenge)
    return Challenges(NoClient(), core.store, core.jobs, None, NoThreads(), lambda: None, core.clock)  # type: ignore[arg-type]


class NoClient:
    """Stands in for Discord's client: no channel is cached."""

    def get_channel(self, channel_id: int) -> None:
        assert channel_id == 500


class NoThreads:
    """Stands in for the poster: Discord makes no thread."""

    async def show(self, challenge_id: str) -> None:
        assert challenge_id.startswith("challenge")


async def found(work: Any) -> bool:
    """Whether it is not refused."""
    try:
        await work
    except DreamError:
        return False
    return True


def in_a_folder(scenario: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))
