"""Who is here: the attempts under way, and whose picture takes the next free slot. Knows no threads and no methods."""

from __future__ import annotations

import time
from collections.abc import Iterator

from engine.worker.job_state import ImageTask, JobRun, Stage

UNDER_WAY = (Stage.PAINTING, Stage.AWAY)
BACKGROUND_TURNS = 8
"""In the background one step in so many is taken while there are others: it waits, and it arrives."""


class JobTable:
    """At most *slots* pictures are under way together; the others wait. One attempt per job."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._attempts: dict[str, JobRun] = {}
        self._turns = 0

    def __iter__(self) -> Iterator[JobRun]:
        return iter(list(self._attempts.values()))

    def __len__(self) -> int:
        return len(self._attempts)

    def add(self, attempt: JobRun) -> None:
        """From now on."""
        self._attempts[attempt.job.id] = attempt

    def remove(self, job_id: str) -> None:
        """It is over, or was never there."""
        self._attempts.pop(job_id, None)

    def clear(self) -> None:
        """Forget everybody."""
        self._attempts.clear()

    def find(self, job_id: str) -> JobRun | None:
        """The job's attempt under way."""
        return self._attempts.get(job_id)

    def has(self, attempt: JobRun) -> bool:
        """Whether that very attempt is still under way: what comes back from other threads may be too late."""
        return self._attempts.get(attempt.job.id) is attempt

    def painting(self) -> Iterator[ImageTask]:
        """Every picture that can take a step."""
        return (p for attempt in self._attempts.values() for p in attempt.paintings if p.stage is Stage.PAINTING)

    def whose_turn(self) -> list[ImageTask]:
        """Those among whom the next step goes round: what is in the background lets all others pass, but for a few."""
        everything = list(self.painting())
        front = [painting for painting in everything if not painting.attempt.job.background]
        if not front or len(front) == len(everything):
            return everything
        self._turns += 1
        behind = [painting for painting in everything if painting.attempt.job.background]
        return front if self._turns % BACKGROUND_TURNS else behind

    @property
    def free(self) -> int:
        """How many more pictures can be taken, if each that waits gets its slot first."""
        taken = sum(a.pictures_left for a in self._attempts.values() if not (a.quiet or a.job.background))
        return max(self._slots - taken, 0)

    def fill_slots(self) -> None:
        """The next free slot goes to the job that has the fewest: so many pictures of one do not shut out others.

        What is in the background has slots of its own: what stands still there takes memory, but no time.
        """
        for background in (False, True):
            self._fill([attempt for attempt in self._attempts.values() if attempt.job.background is background])

    def _fill(self, attempts: list[JobRun]) -> None:
        for _ in range(self._slots - sum(map(_under_way, attempts))):
            waiting = [a for a in attempts if any(p.stage is Stage.WAITING for p in a.paintings)]
            if not waiting:
                return
            painting = next(p for p in min(waiting, key=_under_way).paintings if p.stage is Stage.WAITING)
            painting.stage = Stage.PAINTING
            painting.started = painting.since = time.monotonic()


def _under_way(attempt: JobRun) -> int:
    return sum(p.stage in UNDER_WAY for p in attempt.paintings)
