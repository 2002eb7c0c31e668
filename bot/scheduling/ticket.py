"""A job in the queue: its owner, its cost, and what a worker needs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.models.job import Priority
from engine.protocol.messages import Request
from engine.requests.request import DreamRequest

SHARE: Mapping[Priority, float] = {
    Priority.HOST: 4.0,
    Priority.ROLE: 2.0,
    Priority.NORMAL: 1.0,
    Priority.BATCH: 0.5,
    Priority.BACKGROUND: 1.0,
}
"""Divisor of the cost by which an owner's virtual time grows."""


@dataclass(frozen=True, slots=True)
class JobNeeds:
    """What a worker needs for a job. *names*: as in `Ready.unavailable`. *batch*: equal ones share steps."""

    nets: str = ""
    names: frozenset[str] = frozenset()
    memory: str = ""
    pixels: int = 0
    batch: str = ""

    @classmethod
    def of(cls, request: Request) -> JobNeeds:
        if not isinstance(request, DreamRequest):
            return cls(nets=request.nets, names=frozenset({request.nets}), batch=request.nets)
        names = frozenset({request.method, request.model, *request.helpers})
        pixels = request.width * request.height
        shape = f"{request.nets}, {request.width}×{request.height}"
        return cls(request.nets, names, request.memory_kind, pixels, shape)


@dataclass(frozen=True, slots=True)
class Ticket:
    job_id: str
    owner: str
    cost: float
    """Units, > 0."""
    pictures: int = 1
    priority: Priority = Priority.NORMAL
    running_limit: int = 1
    """Jobs of this owner that may run at a time."""
    server: int = 0
    """The server of its request; 0 = none. Jobs of a server can be held."""
    isolated: bool = False
    """Suspected of crashing the engine: runs alone on a worker, so that a crash is attributable."""
    shuns: frozenset[str] = frozenset()
    """Workers that crashed under it; others are tried first."""
    needs: JobNeeds = JobNeeds()

    @property
    def background(self) -> bool:
        return self.priority is Priority.BACKGROUND

    @property
    def span(self) -> float:
        """The growth of its owner's virtual time."""
        return self.cost / SHARE[self.priority]
