"""Who is told the prompt, labels and author of a picture while a blind vote is open: its owner alone."""

from __future__ import annotations

from bot.errors import Refused
from bot.models.job import JobRow
from bot.storage import Store
from bot.text import relative


async def check_revealed(store: Store, job: JobRow, user_id: int) -> None:
    """Raise Refused if a vote hides *job* from this person."""
    if job.owned_by(user_id) or (until := await store.blind_pictures.until(job.id)) is None:
        return
    raise Refused(
        f"This picture stands in a blind vote. Its prompt and author stay hidden until the vote ends {relative(until)}."
    )
