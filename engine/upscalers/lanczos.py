"""Lanczos: plain resampling with a windowed sinc. Invents nothing, sharpens nothing; fast, and always there."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from PIL import Image

from engine.methods import Step
from engine.protocol.messages import Job
from engine.upscalers import PLAIN, Axes
from engine.upscalers._tiles import Canvas, Cutting, open_small, prepare, resample

if TYPE_CHECKING:
    from engine.runtime.runtime import Runtime

CORE = 512


class Lanczos:
    """Resampling a box reads the pixels around it, so a tile needs no context of its own."""

    def missing(self) -> str:
        return ""

    def load(self, request: object, runtime: Runtime) -> None:
        """Nothing to load."""

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Canvas]:
        """Raises UnreadablePicture, InvalidRequest."""
        image, scale, wrap = open_small(job, images)
        return [self.enlarge(job.id, 0, image, scale, runtime, wrap)]

    def enlarge(
        self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime, wrap: Axes = PLAIN
    ) -> Canvas:
        return Canvas(job_id, index, prepare(image, wrap=wrap), scale, Cutting(CORE))

    def batch_key(self, state: Canvas) -> Hashable:
        """All share one lane: a step is cheap."""
        return "lanczos"

    def advance(self, states: list[Canvas], runtime: Runtime) -> list[Step]:
        steps = []
        for state in states:
            left, top, right, bottom = state.tile.core
            size = ((right - left) * state.scale, (bottom - top) * state.scale)
            steps.append(state.paste(resample(state.small, state.tile.core, size), {"upscaler": "lanczos"}))
        return steps


UPSCALER = Lanczos()
