"""Blind votes: the vote, its candidates, one ballot per person, and what its message still has to show."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bot.models.vote import Candidate, Vote, VotePlace
from bot.storage.database import Session, Table, record


class VoteRows(Table):
    """The tables `votes`, `vote_candidates` and `ballots`. Methods raise StoreError."""

    async def insert(self, session: Session, vote: Vote) -> None:
        """Insert an open vote with its candidates; its message is owed."""
        await session.insert(
            "votes",
            id=vote.id,
            **asdict(vote.where),
            starter_id=vote.starter_id,
            title=vote.title,
            others_only=vote.others_only,
            spoiler=vote.spoiler,
            mature=vote.mature,
            state="open",
            created_at=vote.created_at,
            ends_at=vote.ends_at,
        )
        for one in vote.candidates:
            await session.run(
                "INSERT INTO vote_candidates VALUES (?, ?, ?, ?, ?, ?, ?)",
                vote.id,
                one.place,
                one.job_id,
                one.index,
                one.author_id,
                one.label,
                json.dumps(one.traits, ensure_ascii=False),
            )

    async def find(self, vote_id: str, session: Session | None = None) -> Vote | None:
        """The vote with its candidates in the order of their letters; the counts of an open vote are left out."""
        async with self.database.reading(session) as own:
            row = await own.one("SELECT * FROM votes WHERE id = ?", vote_id)
            return None if row is None else (await _complete(own, [row]))[0]

    async def open_over(self, job_id: str, channel_id: int, session: Session | None = None) -> str | None:
        """Id of an open vote over pictures of that job in that channel, or None."""
        row = await (session or self.database).one(
            "SELECT id FROM votes WHERE state = 'open' AND channel_id = ?"
            " AND id IN (SELECT vote_id FROM vote_candidates WHERE job_id = ?) LIMIT 1",
            channel_id,
            job_id,
        )
        return None if row is None else str(row[0])

    async def blind_over(self, job_id: str) -> Vote | None:
        """The posted open vote over pictures of that job, other than a challenge's; None without one."""
        async with self.database.reading() as session:
            row = await session.one(
                "SELECT * FROM votes WHERE state = 'open' AND NOT others_only AND message_id IS NOT NULL"
                " AND id IN (SELECT vote_id FROM vote_candidates WHERE job_id = ?) ORDER BY ends_at DESC LIMIT 1",
                job_id,
            )
            return None if row is None else (await _complete(session, [row]))[0]

    async def next_open(self, after: str) -> Vote | None:
        """The posted open vote with the next id after this one; None after the last."""
        async with self.database.reading() as session:
            row = await session.one(
                "SELECT * FROM votes WHERE state = 'open' AND message_id IS NOT NULL AND id > ? ORDER BY id LIMIT 1",
                after,
            )
            return None if row is None else (await _complete(session, [row]))[0]

    async def count_open(self, session: Session, user_id: int) -> int:
        return await session.number("SELECT count(*) FROM votes WHERE starter_id = ? AND state = 'open'", user_id)

    async def cast(self, session: Session, vote_id: str, user_id: int, place: int, now: float) -> bool:
        """Store or change a person's ballot; False if the vote has ended or has no such candidate."""
        return await session.any(
            "INSERT INTO ballots SELECT vote_id, ?2, place, ?4 FROM vote_candidates JOIN votes ON votes.id = vote_id"
            " WHERE vote_id = ?1 AND place = ?3 AND state = 'open' AND ends_at > ?4"
            " ON CONFLICT (vote_id, user_id) DO UPDATE SET place = ?3, at = ?4 RETURNING 1",
            vote_id,
            user_id,
            place,
            now,
        )

    async def close_due(self, now: float) -> list[str]:
        """Close all votes that have ended, each of them once; returns their ids."""
        async with self.database.transaction() as session:
            return await session.column(
                "UPDATE votes SET state = 'closed', revision = revision + 1, tries = 0, not_before = 0"
                " WHERE state = 'open' AND ends_at <= ? RETURNING id",
                now,
            )

    async def owed(self, now: float) -> list[str]:
        """Ids of votes whose message is to be sent or edited now, oldest attempt first."""
        return await self.database.column(
            "SELECT id FROM votes WHERE shown < revision AND not_before <= ? ORDER BY not_before", now
        )

    async def posted(self, vote: Vote, message_id: int) -> bool:
        """Note that this message shows this revision; if the vote is gone by now, queue the message for deletion.

        Returns whether the vote is there.
        """
        async with self.database.transaction() as session:
            known = await session.any(
                "UPDATE votes SET message_id = ?, shown = ?, tries = 0 WHERE id = ? RETURNING 1",
                message_id,
                vote.revision,
                vote.id,
            )
            if not known:
                await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", vote.where.channel_id, message_id)
        return known

    async def retry(self, vote_id: str, not_before: float) -> None:
        await self.database.run("UPDATE votes SET tries = tries + 1, not_before = ? WHERE id = ?", not_before, vote_id)

    async def give_up(self, vote_id: str) -> None:
        """Close the vote without its message, which is gone."""
        await self.database.run("UPDATE votes SET state = 'closed', shown = revision WHERE id = ?", vote_id)

    async def delete(self, vote_id: str) -> None:
        """Delete the vote with its ballots, and queue its message for deletion."""
        async with self.database.transaction() as session:
            await session.run(
                "INSERT OR IGNORE INTO removals"
                " SELECT channel_id, message_id FROM votes WHERE id = ? AND message_id IS NOT NULL",
                vote_id,
            )
            await session.run("DELETE FROM votes WHERE id = ?", vote_id)

    async def withdraw(self, session: Session, job_id: str) -> None:
        """Take the pictures of a job out of all votes."""
        await session.run("DELETE FROM vote_candidates WHERE job_id = ?", job_id)

    async def closed_in(self, server_id: int, limit: int) -> list[Vote]:
        """The latest closed votes of a server with their counts, newest first.

        Votes with a private picture, or with one of another server, are left out.
        """
        async with self.database.reading() as session:
            rows = await session.all(
                "SELECT * FROM votes WHERE server_id = ?1 AND state = 'closed' AND NOT EXISTS ("
                " SELECT 1 FROM vote_candidates JOIN jobs ON jobs.id = job_id"
                " WHERE vote_id = votes.id AND jobs.guild_id IS NOT ?1) ORDER BY ends_at DESC LIMIT ?2",
                server_id,
                limit,
            )
            return await _complete(session, rows)

    async def of_person(self, user_id: int) -> list[sqlite3.Row]:
        """A person's ballots (vote, server, title, place, at, started), and the votes that they started."""
        return await self.database.all(
            "SELECT votes.id, server_id, title, ends_at, starter_id = ?1 AS started, place, at"
            " FROM votes LEFT JOIN ballots ON vote_id = votes.id AND user_id = ?1"
            " WHERE votes.id IN (SELECT vote_id FROM ballots WHERE user_id = ?1"
            "  UNION SELECT id FROM votes WHERE starter_id = ?1)"
            " ORDER BY votes.created_at",
            user_id,
        )


async def _complete(session: Session, rows: Sequence[sqlite3.Row]) -> list[Vote]:
    """Rows of `votes` with their candidates and, of closed ones, their counts. Two queries."""
    ids = json.dumps([row["id"] for row in rows])
    which = "vote_id IN (SELECT value FROM json_each(?))"
    candidates: dict[str, list[sqlite3.Row]] = {}
    for one in await session.all(f"SELECT * FROM vote_candidates WHERE {which} ORDER BY place", ids):  # noqa: S608
        candidates.setdefault(one["vote_id"], []).append(one)
    counts: dict[str, dict[int, int]] = {}
    cast = f"SELECT vote_id, place, count(*) FROM ballots WHERE {which} GROUP BY vote_id, place"  # noqa: S608
    for vote_id, place, number in await session.all(cast, ids):
        counts.setdefault(vote_id, {})[place] = number
    return [_vote(row, candidates.get(row["id"], []), counts.get(row["id"], {})) for row in rows]


def _vote(row: sqlite3.Row, candidates: Sequence[sqlite3.Row], counts: Mapping[int, int]) -> Vote:
    is_open = row["state"] == "open"
    stood = tuple(map(_candidate, candidates))
    return record(
        Vote, row, where=record(VotePlace, row), is_open=is_open, candidates=stood, counts={} if is_open else counts
    )


def _candidate(row: sqlite3.Row) -> Candidate:
    traits = tuple((str(axis), str(value)) for axis, value in json.loads(row["traits"]))
    return record(Candidate, row, traits=traits)
