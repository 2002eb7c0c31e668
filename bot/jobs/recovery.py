"""Recovery: what becomes of jobs after the bot starts, and after the engine crashes.

The engine process itself is restarted by `engine.client.supervisor`.
"""

from __future__ import annotations

from bot.errors import SetAside
from bot.jobs.registry import JobRegistry
from bot.jobs.transitions import JobTransitions
from bot.models.job import JobRow, JobState
from bot.storage import Store


class Recovery:
    """*most_crashes*: a job fails after it has crashed the engine this many times while it ran alone."""

    def __init__(self, store: Store, registry: JobRegistry, transitions: JobTransitions, most_crashes: int) -> None:
        self._store = store
        self._registry = registry
        self._transitions = transitions
        self._most_crashes = most_crashes

    async def after_start(self) -> None:
        """Requeue the jobs that were running, without counting a crash, and register all unfinished jobs."""
        for job_id, attempt in await self._store.jobs.unreadable():
            await self._transitions.unreadable(job_id, attempt)
        for job in await self._store.jobs.alive():
            if job.state is JobState.RUNNING:
                await self._transitions.requeue(job)
        for job in await self._store.jobs.alive():
            self._registry.add(job)

    async def after_engine_crash(self, job: JobRow) -> None:
        """The engine crashed while *job* ran: requeue the job, or fail it after `most_crashes` crashes.

        Jobs that shared the crashed engine are retried alone (`Ticket.isolated`). Only a crash of a job that ran alone
        counts as its fault.
        """
        crashes = job.crash_count + 1
        if crashes >= self._most_crashes and self._registry.was_isolated(job.id):
            await self._transitions.failed(job, apology(crashes))
        else:
            await self._transitions.requeue(job, crashes)


def apology(crashes: int) -> SetAside:
    times = {1: "once", 2: "twice"}.get(crashes, f"{crashes} times")
    return SetAside(
        f"Sorry, the engine crashed {times} while it painted this, so it will not be tried again. "
        "Other settings may work."
    )
