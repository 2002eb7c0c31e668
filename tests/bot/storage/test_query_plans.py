"""How SQLite finds what is asked for: every statement of every repository, but for what runs once in a life.

While a statement runs nobody else reads or writes, and the tables of an old bot are long: nothing that is said every
minute, or with every press of a button, may read one from end to end.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.jobs.admission import Submission
from bot.models.audit import AuditFilter
from bot.models.challenge import Challenge, ChallengeEntry, ChallengeState, Winner
from bot.models.gallery import Viewer
from bot.models.job import JobRow, JobState
from bot.models.style import Style
from bot.models.vote import Candidate, Vote, VotePlace
from bot.storage import Store
from bot.storage.community.covered_sheets import SheetChange
from bot.storage.community.picture_index import IndexEntry
from bot.storage.community.searches import Search
from bot.storage.community.starboard import StarboardEntry
from bot.storage.community.stars import Star
from bot.storage.confirmations import Confirmation
from bot.storage.database import Database, Session
from bot.storage.moderation import Block, Voice
from bot.storage.pictures import Frames
from engine.protocol.messages import Picture
from tests.bot.core import ANN, BOB, Core, dream, origin, running_core

SELDOM = {
    "Jobs.costs_since": "at the start",
    "Jobs.ids": "at the start",
    "Pictures.sweep": "at the start",
    "Pictures.png": "reads one row by `find`, then its file",
    "Attachments.sweep": "at the start",
    "Attachments.drop_unneeded": "when somebody is forgotten, or has not answered a question",
    "PictureIndex.set_perceptor": "when the perceptor changes",
    "PictureIndex.removed": "reads what was just deleted",
    "PictureIndex.clear_removed": "when somebody is forgotten",
    "Audit.newest": "when a moderator asks",
    "Audit.page": "when a moderator asks",
    "Audit.count": "when a moderator asks",
}
"""What may take its time, and when it runs."""
SHORT = {
    "forgotten",
    "removals",
    "questions",
    "question_inputs",
    "settings",
    "blocks",
    "stars",
    "unindexed",
    "unlisted",
    "starboard",
    "star_changes",
    "searches",
    "covered_sheets",
    "forgetting",
    "blind",
    "blind_jobs",
}
"""Tables in which there is never much, or only what people have put there one by one."""
WHOLE_INDEXES = {
    "picture_index_due": "ends with the first few that are to be embedded",
    "jobs_alive": "no longer than the queue",
    "votes_open": "as few as are open at the moment",
    "challenges_open": "one per server at most",
    "challenges_running": "as few as run at the moment",
    "deliveries_open": "no longer than what is to be said",
    "pictures_by_age": "adds sizes up, or ends with the first few that may go",
    "inputs_by_age": "adds sizes up",
}
"""Indexes that may be read from end to end, for they are short or hold all that is wanted."""
NOW, ATTACHED = 1_800_000_000.0, b"attached"
CHALLENGE = Challenge("cccccccccc", 500, 500, ANN, "owls", 1, 60.0, 0.0, NOW, NOW)
SHA = hashlib.sha256(ATTACHED).hexdigest()
Values = Mapping[str, tuple[Any, ...]]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    async with running_core(tmp_path / "data") as core:
        yield core


async def test_nothing_that_runs_often_reads_a_long_table_from_end_to_end(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, listener = await arguments(core), Listener()
    with monkeypatch.context() as patch:
        patch.setattr(Session, "all", listener.method())
        for repository, name in methods(core.store):
            await call(core.store, repository, name, values, listener)

    async with core.store.database.reading() as session:
        found = [
            f"{who}: {line}: {' '.join(sql.split())}"
            for (who, sql), given in listener.said.items()
            for line in read_whole([row["detail"] for row in await session.all(f"EXPLAIN QUERY PLAN {sql}", *given)])
        ]
    assert len({who for who, _ in listener.said}) > 80
    assert not found, "\n".join(found)


async def test_what_hangs_on_a_row_is_found_by_an_index(core: Core) -> None:
    async with core.store.database.reading() as session:
        tables = [row[0] for row in await session.all("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        keys: dict[tuple[str, int], list[str]] = {}
        for table in tables:
            for row in await session.all(f"PRAGMA foreign_key_list({table})"):
                keys.setdefault((table, row["id"]), []).append(row["from"])
        plans = {
            (table, *columns): await session.all(
                f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in columns)}",
                *[SHA] * len(columns),
            )
            for (table, _), columns in keys.items()
        }

    assert {("job_inputs", "sha256"), ("stars", "job_id", "idx")} < set(plans)
    assert [] == [key for key, plan in plans.items() if not plan[0]["detail"].startswith("SEARCH")]


async def test_what_pictures_and_attachments_take_is_added_up_without_reading_them(core: Core) -> None:
    async with core.store.database.reading() as session:
        plans = [
            (await session.all(f"EXPLAIN QUERY PLAN SELECT sum(size) FROM {table}"))[0]["detail"]
            for table in ("pictures WHERE path IS NOT NULL", "inputs")
        ]

    assert [True, True] == ["COVERING INDEX" in plan for plan in plans]


def read_whole(plan: list[str]) -> list[str]:
    """What of a plan reads a long table from end to end, or makes an index of its own for it."""
    scans = [match for line in plan if (match := re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?$", line))]
    made = [line for line in plan if "AUTOMATIC" in line]
    return [match[0] for match in scans if match[1] not in SHORT and match[2] not in WHOLE_INDEXES] + made


class Listener:
    """Hears what the repositories say to SQLite, and lets nothing of it stay."""

    def __init__(self) -> None:
        self.who = ""
        self.said: dict[tuple[str, str], tuple[object, ...]] = {}

    def method(self) -> Callable[..., Coroutine[None, None, list[sqlite3.Row]]]:
        """What takes the place of `Session.all`."""
        real = Session.all

        async def heard(session: Session, sql: str, *values: object) -> list[sqlite3.Row]:
            if sql not in ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"):
                self.said[self.who, sql] = values
            return await real(session, "ROLLBACK" if sql == "COMMIT" else sql, *values)

        return heard


def methods(store: Store) -> Iterator[tuple[object, str]]:
    """Every repository, with the name of each thing that it can be asked often."""
    for repository in vars(store).values():
        kind = type(repository)
        if kind.__module__.startswith("bot.storage.") and kind not in (Database, Frames):
            for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction):
                if not name.startswith("_") and f"{kind.__name__}.{name}" not in SELDOM:
                    yield repository, name


async def call(store: Store, repository: object, name: str, values: Values, listener: Listener) -> None:
    """Ask it, once for each combination of what there is to be asked with."""
    listener.who = f"{type(repository).__name__}.{name}"
    asked = inspect.signature(method := getattr(repository, name)).parameters
    named = [one for one in asked if one != "session" and asked[one].kind is not inspect.Parameter.VAR_KEYWORD]
    for combination in itertools.product(*(values.get(f"{listener.who}.{one}") or values[one] for one in named)):
        given = dict(zip(named, combination, strict=True))
        if "session" in asked:
            async with store.transaction() as session:
                await method(**given, session=session)
        else:
            await method(**given)


async def arguments(core: Core) -> Values:
    """Parameter → what it is tried with, whatever repository has it; there are rows that these find."""
    job = await painted_from_attachment(core)
    owner = job.owner
    question = Confirmation("qqqqqqqqqq", owner, "dream", job.id, 0, job.request, NOW)
    candidate = Candidate(job.id, 0, ANN, "ink")
    vote = Vote("vvvvvvvvvv", VotePlace(500, 500), ANN, "", False, False, False, NOW, NOW, (candidate,))
    async with core.store.transaction() as session:
        await core.store.votes.insert(session, vote)
        await core.store.stars.put(session, Star(job.id, 0, ANN, 400, False, NOW))
        await core.store.reports.open(session, job.id, 400, 500, "here", NOW)
        await core.store.confirmations.ask(session, question)
        await core.store.challenges.insert(session, CHALLENGE)
        await session.run("INSERT INTO forgotten VALUES (?, ?)", owner, NOW)
    picture = Picture(job.id, 1, 0, b"png", {"width": 8, "height": 8})
    words = (
        "action",
        "actor",
        "by",
        "error",
        "error_code",
        "error_text",
        "key",
        "name",
        "shown_at",
        "subject",
        "value",
        "why",
    )
    return {
        **dict.fromkeys(words, ("x",)),
        **dict.fromkeys(
            ("amount", "attempt", "charged", "charged_credit", "crash_count", "from_credit", "limit"), (1,)
        ),
        **dict.fromkeys(("channel_id", "message_id", "guild_id", "server_id"), (500,)),
        **dict.fromkeys(("before", "most_bytes", "not_before", "now", "seconds", "since"), (NOW,)),
        "Jobs.end.seconds": ({},),
        "Jobs.go_back.seconds": ({},),
        "Jobs.end.state": (JobState.FAILED,),
        "Jobs.insert.job": (replace(job, id="nnnnnnnnnn"),),
        "Pictures.let_go.picture": (job.pictures[0],),
        "Confirmations.ask.question": (replace(question, id="rrrrrrrrrr"),),
        "Reports.close.state": ("dismissed",),
        "LedgerRows.reserve.job_id": ("nnnnnnnnnn",),
        "ChallengeRows.result_moved.challenge": (replace(CHALLENGE, result_id=9),),
        "vote": (vote,),
        "answer": ("yes",),
        "beside": ("", job.id),
        "by_reaction": (True,),
        "entry": (StarboardEntry(job.id, 0, 400, 600, 7, "x.png", 3, False, NOW),),
        "on_disk": (True,),
        "every": (True, False),
        "ids": ((1,),),
        "perceptor": ("fake",),
        "picture_id": (1,),
        "picture_ids": ((1,),),
        "vector": (b"12",),
        "search": (Search("ssssssssss", ANN, "all", "a fox", None, "", None, NOW),),
        "search_id": ("ssssssssss",),
        "PictureIndex.among.place": ("all", "mine", "server", "favorites"),
        "PictureIndex.match.place": ("all", "mine", "server", "favorites"),
        "star": (Star(job.id, 0, ANN, 400, True, NOW),),
        "stars": (2,),
        "entries": ([IndexEntry(job.id, 0, ANN, 400, 500, False, "a fox")],),
        "offset": (0,),
        "order": ("newest", "starred"),
        "person": (None, ANN),
        "viewer": (Viewer(ANN, 400, (500,)),),
        "words": ("", "a fox"),
        "block": (Block(400, BOB, "x", "", NOW, None),),
        "data": (ATTACHED,),
        "facts": ({0: {"x": 1}},),
        "index": (0,),
        "job": (job,),
        "job_id": (job.id,),
        "job_ids": ((job.id, "nnnnnnnnnn"),),
        "kind": ("granted",),
        "older": (True, False),
        "origin": (origin(token="aW50ZXJhY3Rpb24"),),
        "owner": (owner,),
        "path": (Path("pictures/x.png"),),
        "picture": (picture,),
        "purpose": ("result",),
        "question": (question,),
        "question_id": (question.id,),
        "scope": ("server",),
        "subjects": ([("bot", ""), ("server", "500")],),
        "ChallengeRows.insert.challenge": (replace(CHALLENGE, id="dddddddddd", server_id=501),),
        "challenge_id": (CHALLENGE.id,),
        "ChallengeRows.enter.entry": (ChallengeEntry(job.id, 0, ANN, True),),
        "listed": (True, False),
        "ChallengeRows.end.reason": ("x",),
        "thread_id": (500,),
        "ChallengeRows.end.state": (ChallengeState.ENDED,),
        "winners": ((Winner(ANN, job.id, 0, 1, 1.0),),),
        "servers": ((500,), None),
        "sha256": (SHA,),
        "style": (Style("ssssssssss", "Ink wash", "{prompt}, ink"),),
        "style_id": ("ssssssssss",),
        "user_id": (ANN,),
        "after": ("",),
        "change": (SheetChange(500, 500, job.id, True, 0), SheetChange(500, 500, job.id, False, 0)),
        "CoveredSheetRows.done.state": ("covered",),
        "VoteRows.insert.vote": (replace(vote, id="wwwwwwwwww"),),
        "place": (0,),
        "revision": (1,),
        "vote_id": (vote.id,),
        "voice": (Voice(BOB, "", NOW),),
        "wanted": (AuditFilter(),),
    }


async def painted_from_attachment(core: Core) -> JobRow:
    job = await core.jobs.submit(Submission(dream(init_image=SHA), origin(), {SHA: ATTACHED}))
    await core.handed(job.id)
    core.engine.paint(job.id)
    return await core.until_state(job.id, JobState.DONE)
