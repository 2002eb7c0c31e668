"""What a server does together and is due, found by one query."""

from __future__ import annotations

from typing import Literal

from bot.storage.database import Database

Kind = Literal["votes", "sheets of votes", "challenges", "starboard", "search index", "vectors"]


async def kinds_due(database: Database, now: float) -> set[Kind]:
    """The kinds of work that have something to do at *now* (unix seconds). Raises StoreError."""
    rows = await database.all(
        "SELECT 'votes' WHERE EXISTS (SELECT 1 FROM votes WHERE state = 'open' AND ends_at <= ?1)"
        " OR EXISTS (SELECT 1 FROM votes WHERE shown < revision AND not_before <= ?1)"
        " UNION ALL SELECT 'sheets of votes' WHERE EXISTS (SELECT 1 FROM covered_sheets)"
        " OR EXISTS (SELECT 1 FROM votes WHERE state = 'open') OR EXISTS (SELECT 1 FROM blind_entries)"
        " UNION ALL SELECT 'challenges' WHERE EXISTS (SELECT 1 FROM challenges WHERE state = 'voting')"
        " OR EXISTS (SELECT 1 FROM challenges WHERE state = 'open' AND deadline <= ?1)"
        " OR EXISTS (SELECT 1 FROM challenges WHERE shown < revision AND not_before <= ?1)"
        " UNION ALL SELECT 'starboard' WHERE EXISTS (SELECT 1 FROM star_changes)"
        " UNION ALL SELECT 'search index' WHERE EXISTS (SELECT 1 FROM unindexed) OR EXISTS (SELECT 1 FROM unlisted)"
        " UNION ALL SELECT 'vectors' WHERE EXISTS (SELECT 1 FROM picture_index WHERE due = 1)",
        now,
    )
    return {row[0] for row in rows}
