"""Challenges with their entries and winners, and the leaderboard. A change of state names the state it starts from.

`BlindPictures` tells what open votes and challenges hide.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from bot.models.challenge import Challenge, ChallengeEntry, ChallengeState, Rank, Winner
from bot.storage.database import Session, Table, record
from bot.storage.jobs import STEPS_PER_UNIT, pixel_steps

_ALIVE = "state IN ('open', 'voting')"
"""SQLite uses the partial index only for a query with the same condition."""
HIDDEN = "IN (SELECT job_id FROM blind_jobs)"
"""The condition for SQL that a job is hidden by a vote."""


class ChallengeRows(Table):
    """The tables `challenges`, `challenge_entries`, `challenge_winners` and `leaderboard`. Methods raise StoreError."""

    async def insert(self, session: Session, challenge: Challenge) -> None:
        """Insert an open challenge; its announcement is owed."""
        await session.insert("challenges", **{**asdict(challenge), "prize": pixel_steps(challenge.prize)})

    async def find(self, challenge_id: str, session: Session | None = None) -> Challenge | None:
        row = await (session or self.database).one("SELECT * FROM challenges WHERE id = ?", challenge_id)
        return None if row is None else _challenge(row)

    async def open_in(self, server_id: int, session: Session | None = None) -> Challenge | None:
        """The challenge of a server that takes entries, or None."""
        row = await (session or self.database).one(
            "SELECT * FROM challenges WHERE server_id = ? AND state = 'open'", server_id
        )
        return None if row is None else _challenge(row)

    async def of_server(self, server_id: int, limit: int) -> list[Challenge]:
        """The latest challenges of a server, newest first."""
        rows = await self.database.all(
            "SELECT * FROM challenges WHERE server_id = ? ORDER BY created_at DESC LIMIT ?", server_id, limit
        )
        return [_challenge(row) for row in rows]

    async def running(self) -> list[Challenge]:
        """Challenges that take entries or votes, the first deadline first."""
        rows = await self.database.all(f"SELECT * FROM challenges WHERE {_ALIVE} ORDER BY deadline")  # noqa: S608 - ours
        return [_challenge(row) for row in rows]

    async def owed(self, now: float) -> list[Challenge]:
        """Challenges whose messages are to be sent or edited now."""
        rows = await self.database.all(
            "SELECT * FROM challenges WHERE shown < revision AND not_before <= ? ORDER BY not_before", now
        )
        return [_challenge(row) for row in rows]

    async def enter(self, session: Session, challenge_id: str, entry: ChallengeEntry, now: float) -> None:
        """Add an entry, or enter a withdrawn one again."""
        await session.run(
            "INSERT INTO challenge_entries SELECT ?1, ?2, ?3, ?4, ?5, 0, ?6, 1 + coalesce(max(number), 0)"
            " FROM challenge_entries WHERE challenge_id = ?1"
            " ON CONFLICT (challenge_id, job_id, idx) DO UPDATE SET withdrawn = 0, at = excluded.at",
            challenge_id,
            entry.job_id,
            entry.index,
            entry.user_id,
            int(entry.painted),
            now,
        )

    async def withdraw(self, session: Session, challenge_id: str, job_id: str, index: int) -> bool:
        """Take an entry out; False if it is not in."""
        return await session.any(
            "UPDATE challenge_entries SET withdrawn = 1"
            " WHERE challenge_id = ? AND job_id = ? AND idx = ? AND withdrawn = 0 RETURNING 1",
            challenge_id,
            job_id,
            index,
        )

    async def withdraw_job(self, session: Session, job_id: str) -> None:
        """Take all pictures of a job, whose messages were deleted, out of challenges that take entries, and of results.

        Wins count on; only the picture leaves the result.
        """
        await session.run(
            "UPDATE challenge_entries SET withdrawn = 1 WHERE job_id = ? AND challenge_id IN"
            " (SELECT id FROM challenges WHERE state = 'open')",
            job_id,
        )
        await session.run(
            "UPDATE challenges SET revision = revision + 1, tries = 0, not_before = 0 WHERE id IN"
            " (SELECT challenge_id FROM challenge_winners WHERE job_id = ?)",
            job_id,
        )

    async def entries(self, challenge_id: str, session: Session | None = None) -> list[ChallengeEntry]:
        """The entries whose job was neither cancelled nor failed, oldest first."""
        rows = await (session or self.database).all(
            "SELECT e.* FROM challenge_entries AS e JOIN jobs ON jobs.id = job_id"
            " WHERE challenge_id = ? AND withdrawn = 0 AND state NOT IN ('failed', 'cancelled')"
            " ORDER BY at, job_id",
            challenge_id,
        )
        return [record(ChallengeEntry, row) for row in rows]

    async def painted_by(self, session: Session, challenge_id: str, user_id: int) -> int:
        """How many pictures were painted for this person: all that the engine began and did not fail at."""
        return await session.number(
            "SELECT count(*) FROM challenge_entries JOIN jobs ON jobs.id = job_id"
            " WHERE challenge_id = ? AND challenge_entries.user_id = ? AND painted = 1"
            " AND state <> 'failed' AND (state <> 'cancelled' OR started_at IS NOT NULL)",
            challenge_id,
            user_id,
        )

    async def start_vote(self, session: Session, challenge_id: str, vote_id: str) -> bool:
        """open → voting; False if it is not open."""
        return await session.any(
            "UPDATE challenges SET state = 'voting', vote_id = ?, revision = revision + 1, tries = 0, not_before = 0"
            " WHERE id = ? AND state = 'open' RETURNING 1",
            vote_id,
            challenge_id,
        )

    async def end(
        self, session: Session, challenge_id: str, state: ChallengeState, now: float, reason: str = ""
    ) -> bool:
        """open or voting → *state*; False if it was over."""
        return await session.any(
            f"UPDATE challenges SET state = ?, ended_at = ?, reason = ?, revision = revision + 1, tries = 0,"  # noqa: S608
            f" not_before = 0 WHERE id = ? AND {_ALIVE} RETURNING 1",
            state.value,
            now,
            reason,
            challenge_id,
        )

    async def add_winners(self, session: Session, challenge_id: str, winners: Iterable[Winner]) -> None:
        for one in winners:
            await session.run(
                "INSERT INTO challenge_winners VALUES (?, ?, ?, ?, ?, ?)",
                challenge_id,
                one.job_id,
                one.index,
                one.user_id,
                one.votes,
                pixel_steps(one.units),
            )

    async def winners(self, challenge_id: str) -> list[Winner]:
        rows = await self.database.all("SELECT * FROM challenge_winners WHERE challenge_id = ?", challenge_id)
        return [record(Winner, row, units=row["prize"] / STEPS_PER_UNIT) for row in rows]

    async def themes_won(self, server_id: int, job_ids: Collection[str]) -> dict[tuple[str, int], str]:
        """(job id, index) → theme of the last challenge of this server that the picture has won, of those jobs."""
        rows = await self.database.all(
            "SELECT job_id, idx, theme FROM json_each(?1) JOIN challenge_winners ON job_id = json_each.value"
            " JOIN challenges ON challenges.id = challenge_id WHERE server_id = ?2 ORDER BY ended_at",
            json.dumps(list(job_ids)),
            server_id,
        )
        return {(row["job_id"], row["idx"]): row["theme"] for row in rows}

    async def posted(self, challenge_id: str, message_id: int) -> None:
        """Note the announcement's message, of which a thread is to be made."""
        await self.database.run("UPDATE challenges SET message_id = ? WHERE id = ?", message_id, challenge_id)

    async def threaded(self, challenge_id: str, thread_id: int) -> None:
        await self.database.run("UPDATE challenges SET thread_id = ? WHERE id = ?", thread_id, challenge_id)

    async def result_posted(self, challenge_id: str, message_id: int) -> None:
        await self.database.run("UPDATE challenges SET result_id = ? WHERE id = ?", message_id, challenge_id)

    async def result_moved(self, challenge: Challenge, place: int, message_id: int) -> None:
        """Note the message that replaces the result, and queue the former one for deletion."""
        async with self.database.transaction() as session:
            await session.run("UPDATE challenges SET result_id = ?, pinned = 0 WHERE id = ?", message_id, challenge.id)
            await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", place, challenge.result_id)

    async def result_pinned(self, challenge_id: str) -> None:
        await self.database.run("UPDATE challenges SET pinned = 1 WHERE id = ?", challenge_id)

    async def shown(self, challenge_id: str, revision: int) -> None:
        """Note that the messages show that revision."""
        await self.database.run("UPDATE challenges SET shown = ?, tries = 0 WHERE id = ?", revision, challenge_id)

    async def retry(self, challenge_id: str, not_before: float) -> None:
        await self.database.run(
            "UPDATE challenges SET tries = tries + 1, not_before = ? WHERE id = ?", not_before, challenge_id
        )

    async def in_place(self, channel_id: int) -> list[str]:
        """Ids of running challenges in a channel or thread."""
        return await self.database.column(
            f"SELECT id FROM challenges WHERE {_ALIVE} AND ? IN (channel_id, thread_id)",  # noqa: S608 - ours
            channel_id,
        )

    async def join(self, server_id: int, user_id: int, *, listed: bool) -> None:
        """List a person on the leaderboard of a server, or take them off."""
        async with self.database.transaction() as session:
            await session.run("DELETE FROM leaderboard WHERE server_id = ? AND user_id = ?", server_id, user_id)
            if listed:
                await session.run("INSERT INTO leaderboard VALUES (?, ?)", server_id, user_id)

    async def is_listed(self, server_id: int, user_id: int) -> bool:
        return await self.database.any(
            "SELECT 1 FROM leaderboard WHERE server_id = ? AND user_id = ?", server_id, user_id
        )

    async def ranks(self, server_id: int, limit: int) -> list[Rank]:
        """Wins, stars of others and entries of the people on the leaderboard of a server, the most wins first."""
        rows = await self.database.all(
            "SELECT user_id, sum(won), sum(starred), sum(entered) FROM ("
            " SELECT user_id, 0 AS won, 0 AS starred, 0 AS entered FROM leaderboard WHERE server_id = ?1"
            " UNION ALL SELECT user_id, count(DISTINCT challenge_id), 0, 0 FROM challenges"
            "  CROSS JOIN challenge_winners ON challenge_id = challenges.id WHERE server_id = ?1 GROUP BY user_id"
            " UNION ALL SELECT jobs.user_id, 0, count(*), 0 FROM stars CROSS JOIN jobs ON jobs.id = job_id"
            "  WHERE stars.server_id = ?1 AND jobs.guild_id = ?1 AND stars.user_id <> jobs.user_id"
            "  AND jobs.id NOT IN (SELECT job_id FROM blind_jobs)"
            "  GROUP BY jobs.user_id"
            " UNION ALL SELECT user_id, 0, 0, count(*) FROM challenges"
            "  CROSS JOIN challenge_entries ON challenge_id = challenges.id"
            "  WHERE server_id = ?1 AND withdrawn = 0 AND state = 'ended' GROUP BY user_id"
            ") WHERE user_id IN (SELECT user_id FROM leaderboard WHERE server_id = ?1)"
            " GROUP BY user_id ORDER BY 2 DESC, 3 DESC, 4 DESC, user_id LIMIT ?2",
            server_id,
            limit,
        )
        return [Rank(*row) for row in rows]

    async def of_person(self, user_id: int) -> dict[str, list[dict[str, object]]]:
        """What `/mydata` shows: challenges that the person hosted, their entries, wins and leaderboards."""
        async with self.database.reading() as session:
            hosted = await session.all("SELECT id, server_id, theme FROM challenges WHERE host_id = ?", user_id)
            entries = await session.all(
                "SELECT challenge_id, theme, job_id, idx, painted, withdrawn FROM challenge_entries"
                " JOIN challenges ON challenges.id = challenge_id WHERE user_id = ?",
                user_id,
            )
            won = await session.all(
                "SELECT challenge_id, job_id, idx, votes, prize FROM challenge_winners WHERE user_id = ?", user_id
            )
            boards = await session.all("SELECT server_id FROM leaderboard WHERE user_id = ?", user_id)
        return {
            "challenges_started": [{**dict(row), "server_id": str(row["server_id"])} for row in hosted],
            "challenge_entries": [dict(row) for row in entries],
            "challenges_won": [{**dict(row), "prize": row["prize"] / STEPS_PER_UNIT} for row in won],
            "leaderboards": [{"server": str(row[0])} for row in boards],
        }

    async def forget(self, session: Session, user_id: int) -> None:
        """Take a person's name off challenges and leaderboards; entries and wins go with their jobs."""
        await session.run("UPDATE challenges SET host_id = 0 WHERE host_id = ?", user_id)
        await session.run("DELETE FROM leaderboard WHERE user_id = ?", user_id)


def _challenge(row: sqlite3.Row) -> Challenge:
    return record(Challenge, row, prize=row["prize"] / STEPS_PER_UNIT, state=ChallengeState(row["state"]))


@dataclass(frozen=True, slots=True)
class BlindEntry:
    """A job with entries of a running challenge. *numbers*: index of a picture → number of its entry."""

    theme: str
    takes_entries: bool
    numbers: dict[int, int]


class BlindPictures(Table):
    """The views `blind_jobs` and `blind_entries`: whose prompt, labels and author are hidden while a vote is open.

    Lists, lineage, buttons, reactions and the starboard all ask here. Methods raise StoreError.
    """

    async def until(self, job_id: str) -> float | None:
        """When the pictures of that job are revealed, at the earliest (unix seconds); None if they are not hidden."""
        ends = await self.database.column("SELECT ends_at FROM blind_jobs WHERE job_id = ?", job_id)
        return ends[-1] if ends else None

    async def entry(self, job_id: str) -> BlindEntry | None:
        """What the messages of that job say instead of author and prompt; None if they show both."""
        rows = await self.database.all("SELECT * FROM blind_entries WHERE job_id = ? ORDER BY number", job_id)
        if not rows:
            return None
        return BlindEntry(rows[0]["theme"], bool(rows[0]["takes_entries"]), {row["idx"]: row["number"] for row in rows})
