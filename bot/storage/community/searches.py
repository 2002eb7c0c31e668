"""The table `searches`: what was searched for, for the buttons that turn the pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from bot.storage.database import Table

Place: TypeAlias = Literal["all", "mine", "server", "favorites"]
"""Where a search looks: one's own pictures and the server's, one of them, or what one starred."""
MOST_KEPT = 50
"""Searches of one person."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search. *vector*: halves of the CLIP *perceptor*, or None; *like_id*: a picture that is not a result.

    *since*: unix seconds; older pictures are no results. 0 = any time.
    """

    id: str
    user_id: int
    place: Place
    words: str
    like_id: int | None
    perceptor: str
    vector: bytes | None
    at: float
    since: float = 0


class Searches(Table):
    async def put(self, search: Search) -> None:
        """Store a search; of each person, the latest `MOST_KEPT` stay."""
        async with self.database.transaction() as session:
            await session.run(
                "DELETE FROM searches WHERE id IN (SELECT id FROM searches WHERE user_id = ? ORDER BY at DESC, id"
                " LIMIT -1 OFFSET ?)",
                search.user_id,
                MOST_KEPT - 1,
            )
            await session.insert("searches", **asdict(search))

    async def find(self, search_id: str) -> Search | None:
        row = await self.database.one("SELECT * FROM searches WHERE id = ?", search_id)
        return None if row is None else Search(*row)

    async def of_person(self, user_id: int) -> list[Search]:
        """This person's searches, oldest first."""
        rows = await self.database.all("SELECT * FROM searches WHERE user_id = ? ORDER BY at", user_id)
        return [Search(*row) for row in rows]

    async def expire(self, before: float) -> None:
        """Delete searches older than *before* (unix seconds)."""
        await self.database.run("DELETE FROM searches WHERE at < ?", before)
