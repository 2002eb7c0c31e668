"""The table `covered_sheets`: which messages of jobs hide author, prompt or labels because of a blind vote."""

from __future__ import annotations

from dataclasses import dataclass

from bot.storage.database import Table, record

_VOTES = "SELECT job_id FROM vote_candidates JOIN votes ON votes.id = vote_id WHERE state = 'open' AND NOT others_only"
_ENTRIES = "SELECT job_id FROM blind_entries"
OPEN = f"{_VOTES} UNION ALL {_ENTRIES}"
"""Jobs whose pictures are in an open vote or a running challenge."""


@dataclass(frozen=True, slots=True)
class SheetChange:
    """A message that has to hide what a vote must not tell (*cover*) or to show it again. *tries*: failed attempts."""

    channel_id: int
    message_id: int
    job_id: str
    cover: bool
    tries: int


class CoveredSheetRows(Table):
    """A row is inserted before its message is edited, so that a crash cannot leave it hidden."""

    async def due(self, now: float) -> list[SheetChange]:
        """The messages to be edited now: of jobs in a posted open vote, and of rows without an open vote."""
        rows = await self.database.all(
            "SELECT m.channel_id, m.message_id, m.job_id, 1 AS cover, coalesce(s.tries, 0) AS tries FROM messages m"  # noqa: S608
            " LEFT JOIN covered_sheets s USING (channel_id, message_id)"
            f" WHERE m.job_id IN ({_VOTES} AND votes.message_id IS NOT NULL UNION ALL {_ENTRIES})"
            " AND coalesce(s.state, 'owed') = 'owed' AND coalesce(s.not_before, 0) <= ?1"
            " UNION ALL SELECT channel_id, message_id, job_id, 0, tries FROM covered_sheets"
            f" WHERE not_before <= ?1 AND job_id NOT IN ({OPEN})",
            now,
        )
        return [record(SheetChange, row) for row in rows]

    async def begin(self, change: SheetChange) -> None:
        """Note that the message is about to be covered."""
        await self.database.run(
            "INSERT OR IGNORE INTO covered_sheets (channel_id, message_id, job_id)"
            " SELECT channel_id, message_id, job_id FROM messages WHERE channel_id = ? AND message_id = ?",
            change.channel_id,
            change.message_id,
        )

    async def done(self, change: SheetChange, state: str = "covered") -> None:
        """The message is covered or cannot be edited (*state*), or it shows everything again."""
        if change.cover:
            await self.database.run(
                "UPDATE covered_sheets SET state = ?, tries = 0, not_before = 0"
                " WHERE channel_id = ? AND message_id = ?",
                state,
                change.channel_id,
                change.message_id,
            )
        else:
            await self.database.run(
                "DELETE FROM covered_sheets WHERE channel_id = ? AND message_id = ?",
                change.channel_id,
                change.message_id,
            )

    async def retry(self, change: SheetChange, not_before: float) -> None:
        await self.database.run(
            "UPDATE covered_sheets SET tries = tries + 1, not_before = ? WHERE channel_id = ? AND message_id = ?",
            not_before,
            change.channel_id,
            change.message_id,
        )
