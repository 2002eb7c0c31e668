"""Requests that wait for a confirmation, because they cost much. They survive a restart and expire soon."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.models.job import Applied, JobRequest, Kind, job_request_from_json, job_request_to_json
from bot.storage.database import Session, Table, record
from engine.errors import InvalidRequest

Reply: TypeAlias = Literal["", "yes", "no"]
VALID_SECONDS = 600.0
"""Seconds in which a question can be answered."""
MOST_OPEN = 5
"""Open questions per person; a further one replaces the oldest, whose attachments are deleted."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A request that awaits its confirmation. *answer* is empty while it is open."""

    id: str
    owner: str
    kind: Kind
    parent_job: str
    parent_index: int
    request: JobRequest
    asked_at: float
    answer: Reply = ""
    applied: tuple[Applied, ...] = ()


class Confirmations(Table):
    """The table `questions`."""

    async def ask(self, session: Session, question: Confirmation) -> None:
        """Store a question. Of the owner's others only the newest `MOST_OPEN` − 1 stay."""
        await session.run(
            "DELETE FROM questions WHERE id IN ("
            " SELECT id FROM questions WHERE owner = ? ORDER BY asked_at DESC, id LIMIT -1 OFFSET ?)",
            question.owner,
            MOST_OPEN - 1,
        )
        await session.insert(
            "questions",
            id=question.id,
            owner=question.owner,
            kind=question.kind,
            parent_job=question.parent_job,
            parent_index=question.parent_index,
            request=job_request_to_json(question.request),
            asked_at=question.asked_at,
            applied=json.dumps(question.applied, ensure_ascii=False),
        )

    async def find(self, question_id: str) -> Confirmation | None:
        """The question, answered or not; None if it does not exist or this version cannot read it."""
        row = await self.database.one("SELECT * FROM questions WHERE id = ?", question_id)
        return None if row is None else _question(row)

    async def answer(self, session: Session, question_id: str, owner: str, answer: Reply) -> bool:
        """Answer an open question of that person; False if it is not open."""
        known = await session.any(
            "UPDATE questions SET answer = ? WHERE id = ? AND owner = ? AND answer = '' RETURNING id",
            answer,
            question_id,
            owner,
        )
        if known:
            await session.run("DELETE FROM question_inputs WHERE question_id = ?", question_id)
        return known

    async def forget(self, session: Session, before: float) -> bool:
        """Delete questions asked before *before* (unix seconds); returns whether there were any."""
        return await session.any("DELETE FROM questions WHERE asked_at < ? RETURNING id", before)


def _question(row: sqlite3.Row) -> Confirmation | None:
    try:
        request = job_request_from_json(row["request"])
    except InvalidRequest:
        return None
    applied = tuple(Applied(*one) for one in json.loads(row["applied"]))
    return record(Confirmation, row, request=request, applied=applied)
