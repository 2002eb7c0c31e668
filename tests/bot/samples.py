"""Jobs, pictures and updates to test the Discord side with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.models.job import JobRow, JobState, Origin, PictureRow, Priority, Update
from bot.scheduling.fair_queue import FairQueue
from bot.scheduling.worker_pool import Ticket
from engine.protocol.messages import Progress
from engine.requests.request import UpscaleRequest, build_request

NOW = 1_800_000_000.0


def job(prompt: str = "an owl", state: JobState = JobState.QUEUED, pictures: int = 0, **changes: Any) -> JobRow:
    """A job of Alice's; *changes* go to the row, unless `build_request` knows them."""
    known = {key: changes.pop(key) for key in ("seed", "count", "steps", "negative", "method") if key in changes}
    row = JobRow(
        id="abc123def4",
        attempt=1,
        crash_count=0,
        origin=Origin(channel_id=20, user_id=30, user_name="Alice", guild_id=10),
        owner="discord:30",
        request=build_request(prompt, **{"seed": 7, **known}),
        priority=Priority.NORMAL,
        state=state,
        error_code="",
        error_text="",
        cost=1.6384,
        created_at=NOW - 10,
        started_at=NOW - 8 if state is not JobState.QUEUED else None,
        finished_at=NOW if state.over else None,
        seconds={"running": 8.0} if state.over else {},
        pictures=tuple(picture(index) for index in range(pictures)),
    )
    return replace(row, **changes)


def done(prompt: str = "an owl", pictures: int = 1, **changes: Any) -> JobRow:
    """A finished one."""
    return job(prompt, JobState.DONE, pictures, count=max(pictures, 1), **changes)


def enlarged(**changes: Any) -> JobRow:
    """A finished upscale of somebody's picture."""
    origin = Origin(channel_id=20, user_id=30, user_name="Alice", guild_id=10, kind="upscale", parent_job="parent")
    request = UpscaleRequest(image="0" * 64, width=256, height=256)
    return replace(done(), **{"request": request, "origin": origin, "pictures": (picture(0, side=1024),), **changes})


def picture(index: int, score: float | None = None, side: int = 256, **facts: Any) -> PictureRow:
    """One finished picture."""
    known = {"seed": 7 + index, "clip_score": 0.25 + index / 100 if score is None else score, **facts}
    return PictureRow("abc123def4", index, Path("x.png"), side, side, f"{index:064d}", 2048, known)


def progress(step: int, steps: int = 25, seconds: float = 0.4, **snapshots: bytes) -> Progress:
    """How far it is."""
    return Progress("abc123def4", 1, step, steps, seconds, {int(key[1:]): data for key, data in snapshots.items()})


def running(step: int, **changes: Any) -> Update:
    """An update of a running job."""
    return Update(job(state=JobState.RUNNING, **changes), progress(step))


def next_in(room: int, queue: FairQueue) -> Ticket | None:
    """Hand out the next job of *queue*, whose single worker has *room* free slots."""
    for load in queue.workers:
        for job_id in load.jobs:
            load.seen(job_id)
        load.report(replace(load.state, slots=max(load.state.slots, room), free=room))
    return queue.next()
