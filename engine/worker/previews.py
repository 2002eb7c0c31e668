"""Draws and encodes previews of unfinished images, off the stepping loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from PIL import Image

from engine.errors import DreamError
from engine.images.pictures import snapshot
from engine.methods._base import Running
from engine.runtime.error_boundary import catch
from engine.worker.job_state import SNAPSHOT_SECONDS, ImageTask
from engine.worker.thread_pool import Background


class Snapshots:
    """At most one preview of an image is encoded at a time; steps that come too soon get none, unless `closely`."""

    def __init__(self, background: Background, ready: Callable[[ImageTask], None]) -> None:
        self._background, self._ready = background, ready

    def offer(self, task: ImageTask, step: Running) -> None:
        """Encodes a preview of *step*, stores it in the run, and calls `ready`."""
        now = time.monotonic()
        if step.preview and task.run.closely:  # a film of a walk needs every frame, even of very short steps
            self._take(task, catch(_draw, step.preview))
        elif step.preview and not task.encoding and now - task.snapshot_at >= SNAPSHOT_SECONDS:
            task.encoding, task.snapshot_at = True, now
            self._background.run(partial(_draw, step.preview), partial(self._take, task))

    def _take(self, task: ImageTask, data: bytes | DreamError) -> None:
        task.encoding = False
        if isinstance(data, bytes) and not task.is_over:
            task.run.snapshots[task.index] = data
            self._ready(task)


def _draw(preview: Callable[[], Image.Image]) -> bytes:
    return snapshot(preview())
