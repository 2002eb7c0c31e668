"""An engine for both stages: real pictures of one colour, painted when the stage says so."""

from __future__ import annotations

import asyncio
import io

from PIL import Image

from bot.bot import DreamBot
from engine.protocol.messages import Picture
from tests.bot.fakes import FakeEngine, size_of


class Painter(FakeEngine):
    """A FakeEngine whose pictures are PNG files: one of the two Discords looks into them."""

    def picture(self, job_id: str, index: int = 0, embedding: object = None) -> bytes:
        job = self.under_way[job_id]
        width, height = size_of(job)
        out = io.BytesIO()
        Image.new("RGB", (width, height), (40 * index, 90, 120)).save(out, "PNG")
        facts = {"width": width, "height": height, "seed": index, "clip_score": 0.3, "perceptor": "fake", "notes": []}
        self.say(Picture(job_id, job.attempt, index, out.getvalue(), {**facts, "embedding": None}))
        return out.getvalue()

    async def all_told(self, bot: DreamBot) -> bool:
        """Whether the next part of a job has arrived, or every job is over and its message shows that."""
        registry = bot.services.jobs.registry
        alive = [*registry.running(), *registry.queued()]
        return bool(self.under_way) or not (alive or await bot.store.deliveries.pending())

    async def finish(self) -> None:
        """Wait for a job, then paint all that is under way."""
        async with asyncio.timeout(10):
            while not self.under_way:
                await asyncio.sleep(0.01)
        for job_id in list(self.under_way):
            self.paint(job_id)
