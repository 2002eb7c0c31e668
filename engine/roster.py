"""Who is here: the attempts under way, and whose picture takes the next free slot. Knows no threads and no methods."""

from __future__ import annotations

import time
from collections.abc import Iterator

from engine.attempts import Attempt, Painting, Stage

UNDER_WAY = (Stage.PAINTING, Stage.AWAY)


class Roster:
    """At most *slots* pictures are under way together; the others wait. One attempt per job."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._attempts: dict[str, Attempt] = {}

    def __iter__(self) -> Iterator[Attempt]:
        return iter(list(self._attempts.values()))

    def __len__(self) -> int:
        return len(self._attempts)

    def add(self, attempt: Attempt) -> None:
        """From now on."""
        self._attempts[attempt.job.id] = attempt

    def remove(self, job_id: str) -> None:
        """It is over, or was never there."""
        self._attempts.pop(job_id, None)

    def clear(self) -> None:
        """Forget everybody."""
        self._attempts.clear()

    def find(self, job_id: str) -> Attempt | None:
        """The job's attempt under way."""
        return self._attempts.get(job_id)

    def has(self, attempt: Attempt) -> bool:
        """Whether that very attempt is still under way: what comes back from other threads may be too late."""
        return self._attempts.get(attempt.job.id) is attempt

    def painting(self) -> Iterator[Painting]:
        """Every picture that can take a step."""
        return (p for attempt in self._attempts.values() for p in attempt.paintings if p.stage is Stage.PAINTING)

    @property
    def free(self) -> int:
        """How many more pictures can be taken, if each that waits gets its slot first."""
        taken = sum(attempt.pictures_left for attempt in self._attempts.values() if not attempt.quiet)
        return max(self._slots - taken, 0)

    def fill_slots(self) -> None:
        """The next free slot goes to the job that has the fewest: so many pictures of one do not shut out others."""
        free = self._slots - sum(_under_way(attempt) for attempt in self._attempts.values())
        for _ in range(free):
            waiting = [a for a in self._attempts.values() if any(p.stage is Stage.WAITING for p in a.paintings)]
            if not waiting:
                return
            painting = next(p for p in min(waiting, key=_under_way).paintings if p.stage is Stage.WAITING)
            painting.stage = Stage.PAINTING
            painting.started = painting.since = time.monotonic()


def _under_way(attempt: Attempt) -> int:
    return sum(p.stage in UNDER_WAY for p in attempt.paintings)
