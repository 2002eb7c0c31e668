"""The tables `starboard` and `star_changes`: which picture has an entry where, and which entries are out of date."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from bot.storage.database import Session, Table, record


@dataclass(frozen=True, slots=True)
class StarboardEntry:
    """One entry. *file*, *stars*: as its message shows them; *closed*: a moderator deleted the message.

    *stars* is -1 while an edit is under way.
    """

    job_id: str
    index: int
    server_id: int
    channel_id: int
    message_id: int | None
    file: str
    stars: int
    closed: bool
    created_at: float


class StarboardRows(Table):
    """Queries of both tables. Triggers add a change for every star, and a removal for every deleted entry."""

    async def resume(self) -> None:
        """Queue every entry that an earlier run left unposted or with another number of stars."""
        await self.database.run(
            "INSERT OR IGNORE INTO star_changes SELECT job_id, idx FROM starboard JOIN picture_index p"
            " USING (job_id, idx) WHERE NOT closed AND (message_id IS NULL OR starboard.stars <> ("
            " SELECT count(*) FROM stars WHERE stars.job_id = starboard.job_id AND stars.idx = starboard.idx"
            " AND stars.server_id = p.server_id AND stars.user_id <> p.owner))"
        )

    async def changes(self, limit: int) -> list[tuple[str, int]]:
        """(job id, index) of pictures whose entry may have to change."""
        rows = await self.database.all("SELECT job_id, idx FROM star_changes LIMIT ?", limit)
        return [(row[0], row[1]) for row in rows]

    async def claim(self, session: Session, job_id: str, index: int) -> None:
        """Remove a change from the queue, in the transaction that reads its picture."""
        await session.run("DELETE FROM star_changes WHERE job_id = ? AND idx = ?", job_id, index)

    async def queue(self, job_id: str, index: int) -> None:
        """Put a change back, because Discord could not be reached."""
        await self.database.run("INSERT OR IGNORE INTO star_changes VALUES (?, ?)", job_id, index)

    async def entry(self, session: Session, job_id: str, index: int) -> StarboardEntry | None:
        row = await session.one("SELECT * FROM starboard WHERE job_id = ? AND idx = ?", job_id, index)
        return None if row is None else record(StarboardEntry, row)

    async def add(self, session: Session, entry: StarboardEntry) -> None:
        """Reserve the only entry of a picture, before its message is posted."""
        await session.run("INSERT INTO starboard VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *astuple(entry))

    async def remove(self, session: Session, job_id: str, index: int) -> None:
        """Delete an entry; its message is queued for deletion."""
        await session.run("DELETE FROM starboard WHERE job_id = ? AND idx = ?", job_id, index)

    async def posted(self, entry: StarboardEntry) -> None:
        """Store the message of an entry; if the entry is gone by now, queue the message for deletion."""
        async with self.database.transaction() as session:
            row = await session.one(
                "UPDATE starboard SET message_id = ?, file = ?, stars = ? WHERE job_id = ? AND idx = ? RETURNING idx",
                entry.message_id,
                entry.file,
                entry.stars,
                entry.job_id,
                entry.index,
            )
            if row is None:
                await session.run("INSERT OR IGNORE INTO removals VALUES (?, ?)", entry.channel_id, entry.message_id)

    async def editing(self, session: Session, job_id: str, index: int) -> None:
        """Forget the number of stars that the message shows, until `shown`: a crash may come after the edit."""
        await session.run("UPDATE starboard SET stars = -1 WHERE job_id = ? AND idx = ?", job_id, index)

    async def shown(self, job_id: str, index: int, stars: int) -> None:
        await self.database.run("UPDATE starboard SET stars = ? WHERE job_id = ? AND idx = ?", stars, job_id, index)

    async def close(self, job_id: str, index: int) -> None:
        """The message was deleted on Discord: never post or edit this entry again."""
        await self.database.run(
            "UPDATE starboard SET closed = 1, message_id = NULL WHERE job_id = ? AND idx = ?", job_id, index
        )

    async def next_entry(self, job_id: str, index: int) -> tuple[str, int] | None:
        """(job id, index) of the posted entry after this one, in the order of their ids; None after the last."""
        row = await self.database.one(
            "SELECT job_id, idx FROM starboard WHERE (job_id, idx) > (?, ?) AND message_id IS NOT NULL"
            " ORDER BY job_id, idx LIMIT 1",
            job_id,
            index,
        )
        return None if row is None else (row[0], row[1])

    async def find_message(self, channel_id: int, message_id: int) -> tuple[str, int] | None:
        """(job id, index) of the picture that a message of a starboard shows, or None."""
        row = await self.database.one(
            "SELECT job_id, idx FROM starboard WHERE channel_id = ? AND message_id = ?", channel_id, message_id
        )
        return None if row is None else (row[0], row[1])

    async def is_in(self, job_id: str, channel_id: int) -> bool:
        """Whether a picture of the job has an entry in that channel."""
        return await self.database.any(
            "SELECT 1 FROM starboard WHERE job_id = ? AND channel_id = ? AND message_id IS NOT NULL",
            job_id,
            channel_id,
        )
