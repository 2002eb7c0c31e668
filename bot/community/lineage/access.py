"""Whether a person may see a result from where they are: the one rule of everything that shows other people's pictures.

A result is visible to its owner, and to all who could open one of its messages in this server now. What was sent by
direct message or in another server stays there, and what an age-restricted channel holds is shown in such channels.
While a blind vote hides a result, only its owner sees it.
"""

from __future__ import annotations

import re

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.models.job import JobRow
from bot.storage import Store
from bot.text import snowflake

LINK = re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/channels/(?:\d{1,20}|@me)/(\d{1,20})/(\d{1,20})/?")
JOB_ID = re.compile(r"[0-9a-z]{10}")
UNKNOWN = "I cannot find a picture “{}” that you can see here. Give a link to its message, or the job id from Info."


class ResultAccess:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def sees(self, job: JobRow, caller: Invocation) -> bool:
        """Whether *caller* may see the pictures and the prompt of *job* here."""
        if job.owned_by(caller.user_id):
            return True
        if await self._store.blind_pictures.until(job.id) is not None:
            return False
        shown = await self._store.messages.of_job(job.id)
        return any(channel_id == caller.channel_id or caller.sees(channel_id) for channel_id, _ in shown)

    async def named(self, text: str, caller: Invocation) -> JobRow:
        """The result that a message link or a job id names. Raises Refused; an unknown one reads the same."""
        job_id, text = None, text.strip().strip("<>")
        if link := LINK.fullmatch(text):
            job_id = await self._store.messages.job_id(snowflake(link[1]), snowflake(link[2]))
        elif JOB_ID.fullmatch(text):
            job_id = text
        job = await self._store.jobs.find(job_id) if job_id else None
        if job is None or not await self.sees(job, caller):
            raise Refused(UNKNOWN.format(text[:100]))
        return job
