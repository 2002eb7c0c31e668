"""The views `blind_jobs` and `blind_entries`: whose prompt, labels and author are hidden while a vote is open.

Lists, lineage, buttons, reactions and the starboard all ask here. `HIDDEN` is the condition for SQL.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from bot.storage.database import Database, Session

HIDDEN = "IN (SELECT job_id FROM blind_jobs)"


@dataclass(frozen=True, slots=True)
class BlindEntry:
    """A job with entries of a running challenge. *numbers*: index of a picture → number of its entry."""

    theme: str
    takes_entries: bool
    numbers: dict[int, int]


class BlindPictures:
    """Methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def until(self, job_id: str, session: Session | None = None) -> float | None:
        """When the pictures of that job are revealed, at the earliest (unix seconds); None if they are not hidden."""
        return (await self.among([job_id], session)).get(job_id)

    async def among(self, job_ids: Collection[str], session: Session | None = None) -> dict[str, float]:
        """Those of the jobs that are hidden, with the time of `until`."""
        rows = await self._database.all(
            "SELECT job_id, ends_at FROM blind_jobs WHERE job_id IN (SELECT value FROM json_each(?))",
            json.dumps(list(job_ids)),
            session=session,
        )
        return {row[0]: row[1] for row in rows}

    async def entry(self, job_id: str) -> BlindEntry | None:
        """What the messages of that job say instead of author and prompt; None if they show both."""
        rows = await self._database.all("SELECT * FROM blind_entries WHERE job_id = ? ORDER BY number", job_id)
        if not rows:
            return None
        return BlindEntry(rows[0]["theme"], bool(rows[0]["takes_entries"]), {row["idx"]: row["number"] for row in rows})
