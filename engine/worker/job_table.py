"""The runs in progress, and which image takes the next free slot."""

from __future__ import annotations

import time
from collections.abc import Iterator

from engine.worker.job_state import ImageTask, JobRun, Stage

UNDER_WAY = (Stage.PAINTING, Stage.AWAY)
BACKGROUND_TURNS = 8
"""Background images take one step for this many steps of other images."""


class JobTable:
    """At most *slots* images are in progress; the others wait. One attempt per job."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._runs: dict[str, JobRun] = {}
        self._turns = 0

    def __iter__(self) -> Iterator[JobRun]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, run: JobRun) -> None:
        self._runs[run.job.id] = run

    def remove(self, job_id: str) -> None:
        """Removes the job, if present."""
        self._runs.pop(job_id, None)

    def clear(self) -> None:
        self._runs.clear()

    def find(self, job_id: str) -> JobRun | None:
        """The current attempt at the job."""
        return self._runs.get(job_id)

    def has(self, run: JobRun) -> bool:
        """Whether *run* is still the current attempt. Results of other threads may arrive after it ended."""
        return self._runs.get(run.job.id) is run

    def in_progress(self) -> Iterator[ImageTask]:
        """Images that can take a step."""
        return (p for run in self._runs.values() for p in run.tasks if p.stage is Stage.PAINTING)

    def whose_turn(self) -> list[ImageTask]:
        """The images eligible for the next step: background images only every `BACKGROUND_TURNS` steps."""
        everything = list(self.in_progress())
        front = [task for task in everything if not task.run.job.background]
        if not front or len(front) == len(everything):
            return everything
        self._turns += 1
        behind = [task for task in everything if task.run.job.background]
        return front if self._turns % BACKGROUND_TURNS else behind

    @property
    def free(self) -> int:
        """Slots left when every waiting image has one."""
        taken = sum(a.pictures_left for a in self._runs.values() if not (a.quiet or a.job.background))
        return max(self.slots - taken, 0)

    def fill_slots(self) -> None:
        """Gives each free slot to the run that has the fewest, so that a large job does not shut out others.

        Background runs have separate slots.
        """
        for background in (False, True):
            self._fill([run for run in self._runs.values() if run.job.background is background])

    def _fill(self, runs: list[JobRun]) -> None:
        for _ in range(self.slots - sum(map(_under_way, runs))):
            waiting = [a for a in runs if any(p.stage is Stage.WAITING for p in a.tasks)]
            if not waiting:
                return
            task = next(p for p in min(waiting, key=_under_way).tasks if p.stage is Stage.WAITING)
            task.stage = Stage.PAINTING
            task.started = task.since = time.monotonic()


def _under_way(run: JobRun) -> int:
    return sum(p.stage in UNDER_WAY for p in run.tasks)
