"""A worker in this very process, and a tiny method that can misbehave: for tests of everything between job and result.

Words in the prompt make a picture misbehave: "nan", "boom", "hungry" (out of memory even alone), "small" (paints at a
quarter of the size), "spoiled" (its picture 1 becomes NaN), "other" (a lane of its own).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from engine.errors import NotFinite
from engine.images.tensors import noise, to_image
from engine.methods import Failed, Finished, Method, Running, Step
from engine.protocol.messages import Command, Event, Failure, Job, Picture, Progress, Result, Submit
from engine.requests.prompts import Prompt
from engine.requests.request import DreamRequest, PixelsOptions
from engine.runtime.runtime import Runtime
from engine.worker.event_loop import Loop
from engine.worker.worker import Worker


@dataclass
class TinyState:
    job_id: str
    index: int
    words: frozenset[str]
    x: Tensor
    steps: int
    step: int = 0


@dataclass
class TinyMethod:
    """Blurs and mixes noise with a convolution, everything in one forward pass."""

    most: int = 1000
    """So many pictures fit into memory."""
    groups: list[list[tuple[str, int]]] = field(default_factory=list)
    """Who took each step together: (job, step)."""
    pause: float = 0.0
    weights: Tensor = field(default_factory=lambda: noise(0, 0, 0, "tiny", (3, 3, 3, 3)) / 6)

    def load(self, request: DreamRequest, runtime: Runtime) -> None:
        if "unloadable" in words_of(request):
            raise RuntimeError("the file is on fire")

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[TinyState]:
        request = job.request
        assert isinstance(request, DreamRequest)
        words = words_of(request)
        shrink = 4 if "small" in words else 1
        shape = (3, request.height // shrink, request.width // shrink)
        return [
            TinyState(job.id, i, words, noise(request.seed, i, 0, "x", shape), request.options.steps)
            for i in range(request.count)
        ]

    def batch_key(self, state: TinyState) -> Hashable:
        return (tuple(state.x.shape), "other" in state.words)

    def advance(self, states: list[TinyState], runtime: Runtime) -> list[Step]:
        self.groups.append([(s.job_id, s.step) for s in states])
        time.sleep(self.pause)
        if len(states) > self.most or any("hungry" in s.words for s in states):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if any("boom" in s.words for s in states):
            raise RuntimeError("nobody thought of this")
        x = torch.stack([s.x for s in states])
        x = torch.tanh(torch.nn.functional.conv2d(x, self.weights, padding=1))
        return [self._commit(s, row) for s, row in zip(states, x, strict=True)]

    def _commit(self, state: TinyState, x: Tensor) -> Step:
        if "nan" in state.words or ("spoiled" in state.words and state.index == 1 and state.step == 2):
            return Failed(NotFinite("The numbers of this picture became infinite."))
        state.x, state.step = x, state.step + 1
        image = to_image(x / 2 + 0.5)
        return (
            Finished(image, {"clip_score": 0.5})
            if state.step == state.steps
            else Running(state.step, state.steps, lambda: image)
        )


def words_of(request: DreamRequest) -> frozenset[str]:
    return frozenset(word for p in request.prompts for word in p.text.split())


class Workshop:
    """A worker, its loop, and all that it has said."""

    def __init__(
        self,
        method: TinyMethod | None = None,
        *,
        slots: int = 8,
        runtime: Runtime | None = None,
        find: Callable[[str], Method[Any]] | None = None,
    ) -> None:
        torch.set_num_threads(1)
        self.method = method or TinyMethod()
        self.events: list[Event] = []
        self.loop = Loop()
        self.worker = Worker(
            runtime or Runtime.open("cpu"),
            self.loop,
            self.events.append,
            threads="1",
            slots=slots,
            find_method=find or cast("Callable[[str], Method[Any]]", lambda _: self.method),
        )

    def submit(
        self,
        job: str,
        prompt: str = "a cat",
        *,
        images: Mapping[str, bytes] | None = None,
        attempt: int = 1,
        init_image: str = "",
        size: int = 32,
        steps: int = 6,
        seed: int = 7,
        count: int = 1,
        background: bool = False,
    ) -> None:
        request = DreamRequest(
            prompts=(Prompt(text=prompt),),
            options=PixelsOptions(steps=steps),
            width=size,
            height=size,
            seed=seed,
            count=count,
            init_image=init_image,
        )
        self.handle(Submit(Job(job, attempt, "somebody", request, background), images or {}))

    def handle(self, command: Command) -> None:
        self.worker.handle(command)

    def run_until(self, over: Callable[[], bool], seconds: float = 100) -> None:
        """Runs the loop until *over* says so."""
        watch = _Watch(self, over, time.monotonic() + seconds)
        self.loop.run(watch)

    def run(self, *jobs: str) -> None:
        """Until each of *jobs* (all, if none is named) has had its last word."""
        wanted = set(jobs)
        self.run_until(lambda: wanted <= set(self.ends) if wanted else not self.worker._jobs)

    def run_until_step(self, job: str, step: int) -> None:
        self.run_until(lambda: any((job, step) in group for group in self.method.groups))

    @property
    def ends(self) -> dict[str, Result | Failure]:
        return {e.job_id: e for e in self.events if isinstance(e, Result | Failure)}

    def pictures(self, job: str) -> dict[int, Picture]:
        return {e.index: e for e in self.events if isinstance(e, Picture) and e.job_id == job}

    def progress(self, job: str) -> list[Progress]:
        return [e for e in self.events if isinstance(e, Progress) and e.job_id == job]


@dataclass
class _Watch:
    """Stands between loop and worker, and never lets the loop sleep for ever."""

    shop: Workshop
    over: Callable[[], bool]
    deadline: float

    def step(self) -> bool:
        busy = self.shop.worker.step()
        if self.over():
            self.shop.loop.stop()
        elif time.monotonic() > self.deadline:
            raise TimeoutError(f"still waiting; so far: {[type(e).__name__ for e in self.shop.events]}")
        if not busy:
            time.sleep(0.001)
        return True
