"""The styles of servers: templates, how often they were used, and who starred them."""

from __future__ import annotations

import json
import sqlite3

from bot.models.style import Style
from bot.storage.database import Session, Table, record

_SELECT = """
    SELECT styles.*,
        coalesce((SELECT uses FROM style_uses AS u WHERE u.server_id = styles.server_id AND u.name = key), 0) AS uses,
        (SELECT count(*) FROM style_stars AS s WHERE s.server_id = styles.server_id AND s.name = key) AS stars
    FROM styles
"""


class StyleRows(Table):
    """The tables `styles`, `style_uses` and `style_stars`. *name* is a folded name: `Style.key`."""

    async def insert(self, session: Session, server_id: int, style: Style) -> None:
        """Raises sqlite3.IntegrityError if the server has a style with the same key."""
        await session.insert(
            "styles",
            id=style.id,
            server_id=server_id,
            key=style.key,
            name=style.name,
            template=style.template,
            negative=style.negative,
            options=json.dumps(dict(style.options), ensure_ascii=False),
            author=style.author,
            created_at=style.created_at,
        )

    async def find(self, server_id: int, name: str, session: Session | None = None) -> Style | None:
        row = await (session or self.database).one(f"{_SELECT} WHERE server_id = ? AND key = ?", server_id, name)
        return None if row is None else _style(row)

    async def by_id(self, server_id: int, style_id: str) -> Style | None:
        row = await self.database.one(f"{_SELECT} WHERE server_id = ? AND id = ?", server_id, style_id)
        return None if row is None else _style(row)

    async def of_server(self, server_id: int, session: Session | None = None) -> list[Style]:
        """All saved styles of a server, by name."""
        rows = await (session or self.database).all(f"{_SELECT} WHERE server_id = ? ORDER BY key", server_id)
        return [_style(row) for row in rows]

    async def counts(self, server_id: int) -> tuple[dict[str, int], dict[str, int]]:
        """(uses, stars) of a server by name, those of shipped styles too."""
        async with self.database.reading() as session:
            uses = await session.all("SELECT name, uses FROM style_uses WHERE server_id = ?", server_id)
            stars = await session.all(
                "SELECT name, count(*) FROM style_stars WHERE server_id = ? GROUP BY name", server_id
            )
        return {row[0]: row[1] for row in uses}, {row[0]: row[1] for row in stars}

    async def delete(self, session: Session, server_id: int, name: str) -> bool:
        """Delete a style with its stars and uses; False if it does not exist."""
        if not await session.any("DELETE FROM styles WHERE server_id = ? AND key = ? RETURNING id", server_id, name):
            return False
        await session.run("DELETE FROM style_uses WHERE server_id = ? AND name = ?", server_id, name)
        await session.run("DELETE FROM style_stars WHERE server_id = ? AND name = ?", server_id, name)
        return True

    async def used(self, session: Session, server_id: int, name: str) -> None:
        await session.run(
            "INSERT INTO style_uses VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET uses = uses + 1", server_id, name
        )

    async def turn_star(self, session: Session, server_id: int, name: str, user_id: int) -> bool:
        """Star the style, or take the star back; returns whether it is starred now."""
        row = await session.one(
            "DELETE FROM style_stars WHERE server_id = ? AND name = ? AND user_id = ? RETURNING 1",
            server_id,
            name,
            user_id,
        )
        if row is None:
            await session.run("INSERT INTO style_stars VALUES (?, ?, ?)", server_id, name, user_id)
        return row is None

    async def of_person(self, user_id: int) -> dict[str, list[dict[str, object]]]:
        """What `/mydata` shows: the person's styles and stars."""
        async with self.database.reading() as session:
            styles = await session.all("SELECT * FROM styles WHERE author = ? ORDER BY server_id, key", user_id)
            stars = await session.all("SELECT server_id, name FROM style_stars WHERE user_id = ?", user_id)
        return {
            "styles": [
                {
                    "server": str(row["server_id"]),
                    "name": row["name"],
                    "template": row["template"],
                    "negative": row["negative"],
                    "options": json.loads(row["options"]),
                }
                for row in styles
            ],
            "starred_styles": [{"server": str(row["server_id"]), "name": row["name"]} for row in stars],
        }

    async def forget(self, session: Session, user_id: int) -> None:
        """Take a person's name off their styles, which others use, and delete their stars."""
        await session.run("UPDATE styles SET author = NULL WHERE author = ?", user_id)
        await session.run("DELETE FROM style_stars WHERE user_id = ?", user_id)


def _style(row: sqlite3.Row) -> Style:
    return record(Style, row, options=json.loads(row["options"]))
