"""The tables `picture_index` and `picture_words`: who may see which picture, and the words that it is found by.

Every query takes a `Viewer` and returns only pictures that exist as files, that a message still shows, and that this
viewer may see. A private result has no server, so only its owner finds it. What a blind vote hides is found by its
owner alone; among the favourites of others it has no words.
"""

# ruff: noqa: S608 - all statements are built from constants of this module

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.models.gallery import IndexedPicture, Order, Viewer
from bot.storage.community.challenges import HIDDEN
from bot.storage.community.searches import Place
from bot.storage.community.vector_table import VectorRow
from bot.storage.database import Database, Session, Table, record

MOST_WORDS = 12
"""Words of a query that count."""
ERASED, MERGED = 200, 64
"""Pictures whose words one transaction removes, and pages of the index of words that one transaction merges."""
_STOP_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "with")
)
_NO_WORD = re.compile(r'["\x00-\x1f\ud800-\udfff]')
"""Characters that end the text of a query, or that SQLite does not take."""
_LISTED = "EXISTS (SELECT 1 FROM messages WHERE messages.job_id = p.job_id AND messages.channel_id = p.channel_id)"
_SHOWN = "EXISTS (SELECT 1 FROM messages WHERE messages.job_id = p.job_id)"
_TOLD = f"(p.owner = ?1 OR NOT p.job_id {HIDDEN})"
_PUBLIC = (
    "p.server_id = ?2 AND (p.mature = 0 OR ?4) AND p.channel_id IN (SELECT value FROM json_each(?3))"
    f" AND f.path IS NOT NULL AND {_LISTED} AND {_TOLD}"
)
"""A picture that the viewer's server shows in one of the viewer's channels."""
_OWN = f"p.owner = ?1 AND (p.mature = 0 OR ?4) AND f.path IS NOT NULL AND {_SHOWN}"
_MESSAGE = (
    "(SELECT message_id FROM messages WHERE messages.job_id = p.job_id AND messages.channel_id = p.channel_id"
    " ORDER BY created_at DESC, message_id DESC LIMIT 1)"
)
_STARS = (
    "(SELECT count(*) FROM stars WHERE stars.job_id = p.job_id AND stars.idx = p.idx"
    " AND stars.server_id = p.server_id AND stars.user_id <> p.owner)"
)
_COLUMNS = (
    "p.id, p.job_id, p.idx, p.owner, p.server_id, p.channel_id, p.mature, p.words, f.path, f.sha256, f.created_at,"
    f" j.spoiler, {_MESSAGE} AS message_id, {_STARS} AS stars, p.job_id {HIDDEN} AS hidden"
)
_STARRED = "stars s JOIN picture_index p ON p.job_id = s.job_id AND p.idx = s.idx"
_JOINED = "JOIN pictures f ON f.job_id = p.job_id AND f.idx = p.idx JOIN jobs j ON j.id = p.job_id"
_FAVORITE = (
    f"(p.mature = 0 OR ?4) AND f.path IS NOT NULL AND (p.owner = ?1 OR {_SHOWN}) AND {_TOLD} AND EXISTS ("
    "SELECT 1 FROM stars WHERE stars.job_id = p.job_id AND stars.idx = p.idx AND stars.user_id = ?1)"
)
_WHERE: Mapping[Place, str] = {
    "all": f"({_OWN}) OR ({_PUBLIC})",
    "mine": _OWN,
    "server": _PUBLIC,
    "favorites": _FAVORITE,
}
_PAGE = "LIMIT ?5 OFFSET ?6"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What the index stores of one picture before it is embedded."""

    job_id: str
    index: int
    owner: int
    server_id: int | None
    channel_id: int
    mature: bool
    words: str


class PictureIndex(Table):
    """Queries of the index. Methods raise StoreError."""

    def __init__(self, database: Database, data: Path) -> None:
        super().__init__(database)
        self._data = data

    async def unindexed(self, limit: int) -> list[str]:
        """Ids of finished jobs that are not in the index yet, oldest first."""
        return await self.database.column("SELECT job_id FROM unindexed ORDER BY rowid LIMIT ?", limit)

    async def waits(self, session: Session, job_id: str) -> bool:
        """Whether this job is finished but not indexed yet."""
        return await session.any("SELECT 1 FROM unindexed WHERE job_id = ?", job_id)

    async def add(self, session: Session, job_id: str, entries: Sequence[IndexEntry]) -> None:
        """Index the pictures of a finished job, and take it off the queue. Idempotent."""
        for entry in entries:
            row = await session.one(
                "INSERT INTO picture_index (job_id, idx, owner, server_id, channel_id, mature, words, due)"
                " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, path IS NOT NULL FROM pictures WHERE job_id = ?1 AND idx = ?2"
                " ON CONFLICT DO NOTHING"
                " RETURNING id",
                entry.job_id,
                entry.index,
                entry.owner,
                entry.server_id,
                entry.channel_id,
                int(entry.mature),
                entry.words,
            )
            if row is not None:
                place = " ".join(
                    [_owner_word(entry.owner), *([_server_word(entry.server_id)] if entry.server_id else [])]
                )
                await session.run(
                    "INSERT INTO picture_words (rowid, words, place) VALUES (?, ?, ?)", row[0], entry.words, place
                )
        await session.run("DELETE FROM unindexed WHERE job_id = ?", job_id)

    async def erase_words(self) -> None:
        """Remove the words of pictures that are no longer in the index; nothing of them stays in the file.

        Short transactions, so that other queries continue. The merges together do what FTS5's `optimize` does at once.
        """
        last = 0
        while True:
            async with self.database.transaction() as session:
                ids = await session.column("SELECT id FROM unlisted WHERE id > ? ORDER BY id LIMIT ?", last, ERASED)
                await session.run(
                    "DELETE FROM picture_words WHERE rowid IN (SELECT value FROM json_each(?))", json.dumps(ids)
                )
            if not ids:
                break
            last = ids[-1]
        pages, merges = -MERGED, last > 0
        while merges:
            async with self.database.transaction() as session:
                before = await session.number("SELECT total_changes()")
                await session.run("INSERT INTO picture_words (picture_words, rank) VALUES ('merge', ?)", pages)
                after = await session.number("SELECT total_changes()")
            pages, merges = MERGED, after - before >= 2

    async def removed(self) -> list[int]:
        """Ids of pictures that were removed from the index since the last `clear_removed`."""
        return await self.database.column("SELECT id FROM unlisted")

    async def clear_removed(self, ids: Sequence[int]) -> None:
        """Remove the words of these pictures, then forget their ids: they are removed everywhere."""
        await self.erase_words()
        await self.database.run("DELETE FROM unlisted WHERE id IN (SELECT value FROM json_each(?))", json.dumps(ids))

    async def of_owner(self, user_id: int) -> list[sqlite3.Row]:
        """job_id, idx, words, mature, perceptor and vector of this person's pictures."""
        return await self.database.all(
            "SELECT job_id, idx, words, mature, perceptor, vector FROM picture_index WHERE owner = ? ORDER BY id",
            user_id,
        )

    async def due(self, limit: int) -> list[IndexedPicture]:
        """Pictures on disk that the present perceptor has not embedded yet, newest first."""
        return await self._all(
            f"SELECT {_COLUMNS} FROM picture_index p {_JOINED} WHERE p.due = 1 AND f.path IS NOT NULL"
            " ORDER BY p.id DESC LIMIT ?",
            limit,
        )

    async def set_perceptor(self, perceptor: str) -> None:
        """From now on only vectors of this perceptor count; pictures with others are due."""
        await self.database.run(
            "UPDATE picture_index SET perceptor = '', vector = NULL, due = EXISTS (SELECT 1 FROM pictures f"
            " WHERE f.job_id = picture_index.job_id AND f.idx = picture_index.idx AND f.path IS NOT NULL)"
            " WHERE perceptor <> ?",
            perceptor,
        )

    async def embedded(self, picture_id: int, perceptor: str, vector: bytes | None) -> bool:
        """Store a vector (None: the picture cannot be read); False if the picture is gone."""
        async with self.database.transaction() as session:
            return await session.any(
                "UPDATE picture_index SET due = 0, perceptor = ?, vector = ? WHERE id = ? RETURNING id",
                perceptor,
                vector,
                picture_id,
            )

    async def embedded_ids(self, perceptor: str) -> list[int]:
        """Ids of all pictures that this perceptor has embedded."""
        return await self.database.column(
            "SELECT id FROM picture_index WHERE perceptor = ? AND vector IS NOT NULL ORDER BY id", perceptor
        )

    async def vectors(self, picture_ids: Sequence[int]) -> list[VectorRow]:
        """The stored vectors of these pictures."""
        rows = await self.database.all(
            "SELECT id, server_id, owner, vector FROM picture_index"
            " WHERE id IN (SELECT value FROM json_each(?)) AND vector IS NOT NULL",
            json.dumps(picture_ids),
        )
        return [VectorRow(*row) for row in rows]

    async def starred(self, user_id: int) -> list[int]:
        """Ids of the pictures that this person starred."""
        return await self.database.column(
            "SELECT id FROM stars JOIN picture_index USING (job_id, idx) WHERE user_id = ?", user_id
        )

    async def painted_since(self, since: float, viewer: Viewer) -> list[int]:
        """Ids of the pictures of the viewer or the viewer's server that were painted at *since* or later."""
        return await self.database.column(
            "SELECT p.id FROM pictures f JOIN picture_index p ON p.job_id = f.job_id AND p.idx = f.idx"
            " WHERE f.path IS NOT NULL AND f.created_at >= ? AND (p.owner = ? OR p.server_id = ?)",
            since,
            viewer.user_id,
            viewer.server_id,
        )

    async def match(
        self, viewer: Viewer, place: Place, words: str, every: bool, limit: int, since: float = 0
    ) -> list[int]:
        """Ids of pictures whose prompt has these words (*every*: all of them), newest first."""
        me, here = _owner_word(viewer.user_id), _server_word(viewer.server_id)
        places = {"all": (me, here), "mine": (me,), "server": (here,), "favorites": ()}[place]
        return await self.database.column(
            f"SELECT p.id FROM picture_words w JOIN picture_index p ON p.id = w.rowid {_JOINED}"
            f" WHERE w.picture_words MATCH ?5 AND f.created_at >= ?7 AND ({_WHERE[place]})"
            " ORDER BY w.rowid DESC LIMIT ?6",
            *_values(viewer),
            _match(words, *places, every=every),
            limit,
            since,
        )

    async def among(
        self, viewer: Viewer, place: Place, picture_ids: Sequence[int], since: float = 0
    ) -> dict[int, IndexedPicture]:
        """Those of the pictures that the viewer may see there, and that are not older than *since*, by id."""
        found = await self._all(
            # CROSS JOIN: the ids come first, not all pictures of the server.
            f"SELECT {_COLUMNS} FROM json_each(?5) wanted CROSS JOIN picture_index p ON p.id = wanted.value {_JOINED}"
            f" WHERE f.created_at >= ?6 AND ({_WHERE[place]})",
            *_values(viewer),
            json.dumps(picture_ids),
            since,
            reader=viewer.user_id,
        )
        return {picture.id: picture for picture in found}

    async def entry(self, session: Session, job_id: str, index: int) -> tuple[str, bool] | None:
        """(words, mature) of one picture, or None."""
        row = await session.one("SELECT words, mature FROM picture_index WHERE job_id = ? AND idx = ?", job_id, index)
        return None if row is None else (row[0], bool(row[1]))

    async def find(
        self, job_id: str, index: int, session: Session | None = None, *, on_disk: bool = True
    ) -> IndexedPicture | None:
        """One picture without a check of its viewer; None if it is not indexed, or (*on_disk*) if its file is gone."""
        row = await (session or self.database).one(
            f"SELECT {_COLUMNS} FROM picture_index p {_JOINED}"
            " WHERE p.job_id = ? AND p.idx = ? AND (f.path IS NOT NULL OR NOT ?)",
            job_id,
            index,
            int(on_disk),
        )
        return None if row is None else self._parse(row)

    async def channels(self, server_id: int) -> list[tuple[int, int | None]]:
        """(channel id, its parent if it is a thread) of all channels of a server that have pictures."""
        rows = await self.database.all(
            "SELECT channel_id, (SELECT thread_of FROM picture_index q JOIN jobs ON jobs.id = q.job_id"
            " WHERE q.server_id = p.server_id AND q.channel_id = p.channel_id LIMIT 1)"
            " FROM picture_index p WHERE server_id = ? GROUP BY channel_id",
            server_id,
        )
        return [(row[0], row[1]) for row in rows]

    async def page(
        self, viewer: Viewer, order: Order, person: int | None, words: str, limit: int, offset: int
    ) -> list[IndexedPicture]:
        """Pictures of the viewer's server, of one person and with all *words* if given."""
        where, values = (
            _PUBLIC,
            [*_values(viewer), limit, offset, person, _match(words, _server_word(viewer.server_id))],
        )
        if person is not None:
            where += " AND p.owner = ?7"
        if order == "starred":
            sql = (
                f"SELECT {_COLUMNS} FROM {_STARRED} {_JOINED}"
                f" WHERE s.server_id = ?2 AND s.user_id <> p.owner AND {where}"
                + (" AND p.id IN (SELECT rowid FROM picture_words WHERE picture_words MATCH ?8)" if words else "")
                + f" GROUP BY s.job_id, s.idx ORDER BY count(*) DESC, max(s.at) DESC, p.id DESC {_PAGE}"
            )
        elif words:
            sql = (
                f"SELECT {_COLUMNS} FROM picture_words w JOIN picture_index p ON p.id = w.rowid {_JOINED}"
                f" WHERE w.picture_words MATCH ?8 AND {where} ORDER BY w.rowid DESC {_PAGE}"
            )
        else:
            sql = f"SELECT {_COLUMNS} FROM picture_index p {_JOINED} WHERE {where} ORDER BY p.id DESC {_PAGE}"
        used = 8 if words else 7 if person is not None else 6
        return await self._all(sql, *values[:used], reader=viewer.user_id)

    async def favorites(self, viewer: Viewer, limit: int, offset: int) -> list[IndexedPicture]:
        """Pictures that the viewer starred, newest star first, wherever they are from."""
        return await self._all(
            f"SELECT {_COLUMNS} FROM {_STARRED} {_JOINED}"
            f" WHERE s.user_id = ?1 AND (p.mature = 0 OR ?2) AND f.path IS NOT NULL AND (p.owner = ?1 OR {_SHOWN})"
            " ORDER BY s.at DESC, p.id DESC LIMIT ?3 OFFSET ?4",
            viewer.user_id,
            int(viewer.restricted),
            limit,
            offset,
            reader=viewer.user_id,
        )

    async def _all(self, sql: str, *values: object, reader: int | None = None) -> list[IndexedPicture]:
        found = [self._parse(row) for row in await self.database.all(sql, *values)]
        return found if reader is None else [picture.seen_by(reader) for picture in found]

    def _parse(self, row: sqlite3.Row) -> IndexedPicture:
        return record(IndexedPicture, row, path=None if row["path"] is None else self._data / row["path"])


def _values(viewer: Viewer) -> list[object]:
    """The first four values of a query: ?1 … ?4."""
    return [viewer.user_id, viewer.server_id, json.dumps(viewer.channels), int(viewer.restricted)]


def _owner_word(user_id: int) -> str:
    return f"u{user_id}"


def _server_word(server_id: int | None) -> str:
    return f"s{server_id or 0}"


def _match(words: str, *places: str, every: bool = True) -> str:
    """An FTS5 query: all words or (not *every*) one of them, the last as a prefix, and one of the places, if any.

    Articles and the like count only where there is nothing else: they are in most prompts.
    """
    typed = [word for word in _NO_WORD.sub(" ", words).split() if any(map(str.isalnum, word))]
    typed = [word for word in typed if word.casefold() not in _STOP_WORDS] or typed
    if not typed:
        return '""'
    terms = [f'"{word}"' for word in typed[:MOST_WORDS]]
    found = f"words : ({(' AND ' if every else ' OR ').join(terms)} *)"
    among = " OR ".join(f'"{place}"' for place in places)
    return f"{found} AND place : ({among})" if places else found
