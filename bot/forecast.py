"""When waiting jobs will begin and end: the fair order played through on the engine's slots. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    waiting = list(order)
    runs = [
        _play(waiting, running, lambda span: span.low, expect, slots, now),
        _play(waiting, running, lambda span: span.likely, expect, slots, now),
        _play(waiting, running, lambda span: span.high, expect, slots, now),
    ]
    ahead = sum(job.ticket.cost * job.share_left for job in running)
    places: dict[str, Place] = {}
    for position, ticket in enumerate(waiting, start=1):
        low, likely, high = (run[ticket.job_id] for run in runs)
        places[ticket.job_id] = Place(position, len(waiting), ahead, likely[0], low[1], high[1])
        ahead += ticket.cost
    return places


def _play(
    waiting: Sequence[Ticket],
    running: Sequence[Underway],
    pick: Callable[[Span], float],
    expect: Callable[[Ticket], Span],
    slots: int,
    now: float,
) -> Mapping[str, tuple[float, float]]:
    """Job id → (begin, end). A job takes as many slots as it has pictures, and waits for its owner's running limit."""
    free = [now] * max(slots, 1)
    mine: dict[str, list[float]] = {}
    for job in running:
        _occupy(free, job.ticket, now + pick(job.left))
        mine.setdefault(job.ticket.owner, []).append(now + pick(job.left))
    plan: dict[str, tuple[float, float]] = {}
    begin = now
    for ticket in waiting:
        ends = sorted(mine.setdefault(ticket.owner, []))
        turn = ends[-ticket.running_limit] if len(ends) >= ticket.running_limit else now
        room = heapq.nsmallest(min(ticket.pictures, len(free)), free)[-1]
        begin = max(room, turn)
        end = begin + pick(expect(ticket))
        _occupy(free, ticket, end)
        mine[ticket.owner].append(end)
        plan[ticket.job_id] = begin, end
    return plan


def _occupy(free: list[float], ticket: Ticket, until: float) -> None:
    heapq.heapify(free)
    for _ in range(min(ticket.pictures, len(free))):
        heapq.heapreplace(free, max(until, free[0]))
