"""Who may not paint where. Server 0 stands for every server."""

from __future__ import annotations

from dataclasses import dataclass

from bot.storage.database import Database, Session

EVERYWHERE = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One person's block. Times are unix seconds; *until* None: until somebody lifts it."""

    server_id: int
    user_id: int
    actor: str
    reason: str
    at: float
    until: float | None


class Blocks:
    """The table `blocks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, session: Session, block: Block) -> None:
        """Block, or replace the block that there is."""
        await session.run(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?)",
            block.server_id,
            block.user_id,
            block.actor,
            block.reason,
            block.at,
            block.until,
        )

    async def lift(self, session: Session, server_id: int, user_id: int) -> bool:
        """End a block; False if there is none."""
        row = await session.one(
            "DELETE FROM blocks WHERE server_id = ? AND user_id = ? RETURNING 1", server_id, user_id
        )
        return row is not None

    async def find(
        self, user_id: int, server_id: int | None, now: float, session: Session | None = None
    ) -> Block | None:
        """What keeps this person from painting there now, the block for everywhere first."""
        async with self._database.reading(session) as own:
            row = await own.one(
                "SELECT * FROM blocks WHERE user_id = ? AND server_id IN (0, ?)"
                " AND (until IS NULL OR until > ?) ORDER BY server_id",
                user_id,
                server_id or EVERYWHERE,
                now,
            )
        return None if row is None else Block(*row)

    async def of_server(self, server_id: int, now: float) -> list[Block]:
        """Everybody who is blocked there now, the latest first."""
        async with self._database.reading() as session:
            rows = await session.all(
                "SELECT * FROM blocks WHERE server_id = ? AND (until IS NULL OR until > ?) ORDER BY at DESC",
                server_id,
                now,
            )
        return [Block(*row) for row in rows]
