"""Collects the prompts of a picture and of every picture that it was made from.

An upscaled picture has no prompt, and a remix may start from a picture of another prompt.
"""

from __future__ import annotations

from bot.models.comparison import Asked, parts_of
from bot.models.job import JobRow
from bot.policy.server_rules import PromptLineage, wanted_texts
from bot.storage import Store
from bot.storage.database import Session
from engine.requests.request import UpscaleRequest

ANCESTORS = 50
"""Pictures that are followed back; what is further away has left no trace."""


async def meant_by(store: Store, session: Session, request: Asked, parent_job: str = "") -> PromptLineage:
    """All that *request* is to show; *parent_job* is the job whose button or reaction it comes from."""
    texts, known, seen = dict.fromkeys(wanted_texts(request)), True, set[str]()
    line: list[tuple[Asked, str]] = [(request, parent_job)]
    for asked, parent in line:  # which grows while it is read
        for sha256 in asked.images:
            if sha256 in seen or len(seen) >= ANCESTORS:
                continue
            seen.add(sha256)
            source = await _source(store, session, sha256, parent)
            if source is not None:
                texts.update(dict.fromkeys(wanted_texts(source[0])))
                line.append(source)
            elif isinstance(asked, UpscaleRequest):  # else it is an attachment
                known = False
    return PromptLineage(tuple(texts), known)


async def _source(store: Store, session: Session, sha256: str, parent_job: str) -> tuple[Asked, str] | None:
    """The request that painted a picture, and its parent; None for what was not painted here, or is forgotten."""
    kept = await store.pictures.by_sha(sha256, session)
    if kept is not None and (job := await store.jobs.find(kept.job_id, session)) is not None:
        return _painter(job, kept.index), job.origin.parent_job
    for _ in range(ANCESTORS):  # the file is gone, but a parent job may have painted it
        parent = await store.jobs.find(parent_job, session) if parent_job else None
        if parent is None:
            return None
        for picture in parent.pictures:
            if picture.sha256 == sha256:
                return _painter(parent, picture.index), parent.origin.parent_job
        if sha256 not in parent.request.images:
            return None
        parent_job = parent.origin.parent_job
    return None


def _painter(job: JobRow, index: int) -> Asked:
    parts = parts_of(job.request)
    return job.request if len(parts) == 1 else parts[index].request
