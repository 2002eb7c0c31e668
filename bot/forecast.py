"""When waiting jobs will begin and end: the fair order played through on the engine's slots. Pure."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from bot.jobs import Place
from bot.queue import Ticket
from bot.speeds import Span


@dataclass(frozen=True, slots=True)
class Underway:
    """A running job: its ticket, the seconds it will still take, and the part of it (0…1) that they paint."""

    ticket: Ticket
    left: Span
    share_left: float


def forecast(
    order: Iterable[Ticket],
    running: Sequence[Underway],
    expect: Callable[[Ticket], Span],
    slots: int,
    now: float,
) -> Mapping[str, Place]:
    """Job id → its place, for every job that waits. *slots*: pictures that the engine paints at a time.

    Played three times, with the low, the likely and the high duration of everything: ends that depend on many jobs
    are ranges that have grown with each of them.
    """
    waiting = [(ticket, expect(ticket)) for ticket in order]
    low, likely, high = (_play(waiting, running, pick, slots, now) for pick in (_LOW, _LIKELY, _HIGH))
    ahead = sum(job.ticket.cost * job.share_left for job in running if not job.ticket.background)
    places: dict[str, Place] = {}
    for number, (ticket, _) in enumerate(waiting):
        places[ticket.job_id] = Place(
            number + 1, len(waiting), ahead, likely[number][0], low[number][1], high[number][1]
        )
        ahead += ticket.cost
    return places


_LOW, _LIKELY, _HIGH = attrgetter("low"), attrgetter("likely"), attrgetter("high")


def _play(
    waiting: Sequence[tuple[Ticket, Span]],
    running: Sequence[Underway],
    pick: Callable[[Span], float],
    slots: int,
    now: float,
) -> Sequence[tuple[float, float]]:
    """(begin, end) of each. A job takes as many slots as it has pictures, and waits for its owner's running limit.

    What is in the background takes no slot: one after the other, it fills the time that all others leave.
    """
    free = [now] * max(slots, 1)
    mine: dict[str, list[float]] = {}
    behind = now
    for job in running:
        end = now + pick(job.left)
        if job.ticket.background:
            behind = end
            continue
        _occupy(free, job.ticket.pictures, end)
        insort(mine.setdefault(job.ticket.owner, []), end)
    plan: list[tuple[float, float]] = []
    for ticket, span in waiting:
        if ticket.background:
            begin, behind = max(behind, *free), max(behind, *free) + pick(span)
            plan.append((begin, behind))
            continue
        ends = mine.setdefault(ticket.owner, [])
        turn = ends[-ticket.running_limit] if len(ends) >= ticket.running_limit else now
        begin = max(_room(free, ticket.pictures), turn)
        end = begin + pick(span)
        _occupy(free, ticket.pictures, end)
        insort(ends, end)
        plan.append((begin, end))
    return plan


def _room(free: list[float], pictures: int) -> float:
    """When so many slots will be free; *free* is a heap."""
    return free[0] if pictures == 1 else heapq.nsmallest(min(pictures, len(free)), free)[-1]


def _occupy(free: list[float], pictures: int, until: float) -> None:
    for _ in range(min(pictures, len(free))):
        heapq.heapreplace(free, max(until, free[0]))
