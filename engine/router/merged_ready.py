"""Merges the `Ready` messages of several workers into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from engine.protocol.messages import Ready, WorkerState
from engine.router.managed_worker import ManagedWorker

NAME = "router"


def merged_ready(workers: Sequence[ManagedWorker], pid: int) -> Ready | None:
    """The abilities of all *workers* together and of each; None before the first `Ready`.

    The engine can do what at least one worker can do; `WorkerState.lacks` names what a worker cannot. Only running
    workers count; if none runs, the last known states count, so that jobs are accepted and wait.
    """
    known = [worker for worker in workers if worker.known is not None]
    if not known:
        return None
    if all(worker.unusable for worker in workers):
        why = "; ".join(f"{worker.name}: {worker.unusable}" for worker in workers)
        return Ready(NAME, pid, "none", 0, (), (), (), {"engine": why}, workers=_states(workers, set()))
    able = [worker for worker in known if not worker.unusable]
    if not able:
        return None
    running = [worker for worker in able if not worker.cannot] or able
    readies = [worker.known for worker in running if worker.known]
    everywhere = set.intersection(*(set(ready.unavailable) for ready in readies))
    sizes = set.intersection(*(set(ready.largest) for ready in readies))
    states = _states(workers, everywhere)
    return Ready(
        worker=NAME,
        pid=pid,
        device=_devices([state.device for state in states if state.name in {w.name for w in running}]),
        slots=sum(state.free for state in states if not state.trouble),
        methods=_union([ready.methods for ready in readies]),
        upscalers=_union([ready.upscalers for ready in readies]),
        models=_union([ready.models for ready in readies]),
        unavailable={name: why for name, why in readies[0].unavailable.items() if name in everywhere},
        largest={kind: max(ready.largest[kind] for ready in readies) for kind in sorted(sizes)},
        compiled=next((ready.compiled for ready in readies if ready.compiled), ""),
        workers=states,
    )


def _states(workers: Sequence[ManagedWorker], everywhere: set[str]) -> tuple[WorkerState, ...]:
    """The state of each worker. Workers with `should_not` still accept jobs if no other worker can."""
    good = any(not worker.cannot and not worker.should_not for worker in workers)
    return tuple(
        replace(
            worker.state(),
            trouble=worker.cannot or (worker.should_not if good else ""),
            lacks=tuple(name for name in (worker.known.unavailable if worker.known else ()) if name not in everywhere),
        )
        for worker in workers
    )


def _union(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _devices(names: Sequence[str]) -> str:
    """``2 × NVIDIA RTX 4090 (24 GB), CPU``"""
    return ", ".join(f"{number} × {name}" if number > 1 else name for name, number in Counter(names).items()) or "none"
