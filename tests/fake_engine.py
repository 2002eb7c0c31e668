"""A child that speaks the engine's protocol and paints coloured tiles: no torch, ready in half a second.

    LocalEngine(command=[sys.executable, "-m", "tests.fake_engine"])

Every dream has 8 steps of DREAMBOT_FAKE_STEP seconds (0.02), every upscale 2; DREAMBOT_FAKE_SLOTS (4) pictures are
painted together, the others wait. Words in the prompt steer it:

    slowly      ten times as long               nan         Failure(NotFinite) at step 4
    hang        no progress, but cancellable    die         the process ends at step 3, on the first attempt only
    stall       the whole process stands still  die always  … on every attempt
    broken      an unknown error of the engine

SIGUSR1 makes every step take ten times as long, SIGUSR2 as long as before.
It looks for trained models at the begin and end of every job, and while it is idle.
The pictures' colours follow from prompt and seed, so that equal requests give equal pictures.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from engine.catalogue.models import MODELS
from engine.client.transport import take_socket
from engine.environment import WORKER_VARIABLE
from engine.errors import Cancelled, DreamError, EngineRestarting, InvalidRequest, NotFinite
from engine.images.opening import open_own
from engine.images.pictures import grid, pixels_sha256, snapshot, to_png
from engine.protocol.framing import SyncWire
from engine.protocol.messages import (
    Cancel,
    Command,
    Drain,
    Embed,
    Embeddings,
    Event,
    Failure,
    Job,
    Picture,
    Progress,
    Ready,
    Restart,
    Result,
    Submit,
    WorkerState,
)
from engine.protocol.replay_record import make_record, text_chunks
from engine.requests.request import DreamRequest
from engine.weights.store.trained_models import refresh_trained_models

STEPS = 8
LOOK_SECONDS = 0.5
STAMPED = os.environ.get("DREAMBOT_FAKE_STAMP") == "1"
"""Whether `Progress.seconds_per_step` is the time at which it was sent, for the measurement of delays."""


@dataclass
class Painting:
    job: Job
    images: Mapping[str, bytes]
    step: int = 0
    ticks: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def words(self) -> set[str]:
        request = self.job.request
        return {w for p in request.prompts for w in p.text.split()} if isinstance(request, DreamRequest) else set()

    @property
    def steps(self) -> int:
        return STEPS if isinstance(self.job.request, DreamRequest) else 2


class FakeEngine:
    def __init__(self, wire: SyncWire) -> None:
        self.wire = wire
        self.commands: queue.Queue[Command | None] = queue.Queue()
        self.paintings: dict[str, Painting] = {}
        self.draining = False
        self.step_seconds = float(os.environ.get("DREAMBOT_FAKE_STEP", "0.02"))
        self.slots = int(os.environ.get("DREAMBOT_FAKE_SLOTS", "4"))
        self.slower = 1
        self.trained: Mapping[str, str] = {}
        self.upscalers = tuple(os.environ.get("DREAMBOT_FAKE_UPSCALERS", "lanczos,primer").split(","))

    def run(self) -> None:
        if sys.platform != "win32":
            signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "slower", 10))
            signal.signal(signal.SIGUSR2, lambda *_: setattr(self, "slower", 1))
        threading.Thread(target=self.read, daemon=True).start()
        self.send_ready()
        while not (self.draining and not self.paintings):
            while not self.commands.empty() or not self.paintings:
                try:
                    command = self.commands.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    if self.look():
                        self.send_ready()
                    continue
                if command is None:
                    return
                self.handle(command)
                if self.draining and not self.paintings:
                    return
            for _ in range(self.slower):
                time.sleep(self.step_seconds)
            self.tick()

    def read(self) -> None:
        with contextlib.suppress(ConnectionResetError):  # the client has closed before it had read everything
            while (message := self.wire.receive()) is not None:
                self.commands.put(message)  # type: ignore[arg-type]
        os._exit(0)

    def handle(self, command: Command) -> None:
        match command:
            case Submit(job, images) if self.draining:
                self.fail(Painting(job, images), EngineRestarting("The engine is shutting down."))
            case Submit(job, images):
                self.paintings[job.id] = Painting(job, images)
                self.send_ready()
                if isinstance(job.request, DreamRequest) and job.request.model not in MODELS:
                    self.fail(self.paintings[job.id], InvalidRequest(f"There is no model “{job.request.model}”."))
            case Cancel(job_id, attempt):
                painting = self.paintings.get(job_id)
                if painting and painting.job.attempt == attempt:
                    self.fail(painting, Cancelled("Cancelled."))
            case Embed():
                self.wire.send(embed(command))
            case Drain() | Restart():
                self.draining = True

    def tick(self) -> None:
        """A step for everybody who has a slot: the eldest always, others while there is room for all their pictures."""
        taken = 0
        for painting in list(self.paintings.values()):
            if not taken or taken + painting.job.request.count <= self.slots:
                taken += painting.job.request.count
                self.advance(painting)

    def advance(self, painting: Painting) -> None:
        words = painting.words
        painting.ticks += 1
        if "hang" in words or ("slowly" in words and painting.ticks % 10):
            return
        painting.step += 1
        if "stall" in words:
            time.sleep(3600)
        if "die" in words and painting.step == 3 and (painting.job.attempt <= 1 or "always" in words):
            os._exit(1)
        if "nan" in words and painting.step == 4:
            self.fail(painting, NotFinite("The numbers of this picture became infinite; another seed may help."))
        elif "broken" in words and painting.step == 4:
            self.fail(painting, DreamError("Something went wrong; it has been logged (id 0fa4e0)."))
        elif painting.step < painting.steps:
            self.send_progress(painting)
        else:
            self.finish(painting)

    def send_progress(self, painting: Painting) -> None:
        done = painting.step / painting.steps
        request, snapshots = painting.job.request, {}
        if isinstance(request, DreamRequest):
            snapshots = {i: snapshot(paint(request, i, 32, 32, done), 128) for i in range(request.count)}
        self.wire.send(
            Progress(
                painting.job.id,
                painting.job.attempt,
                painting.step,
                painting.steps,
                time.time() if STAMPED else self.step_seconds,
                snapshots,
            )
        )

    def finish(self, painting: Painting) -> None:
        job = painting.job
        seconds = {"steps": time.monotonic() - painting.started}
        for index in range(job.request.count):
            image = result(job, painting.images, index)
            record = make_record(job.request, index, {"fake": True})
            facts = {
                "replay": record,
                "width": image.width,
                "height": image.height,
                "seed": job.request.seed + index if isinstance(job.request, DreamRequest) else None,
                "seconds": seconds,
                "clip_score": 0.3 - index / 50,
                "notes": [],
                "embedding": list(vector(f"{job.id}/{index}".encode())),
                "perceptor": "fake",
                "sha256": pixels_sha256(image),
            }
            self.wire.send(Picture(job.id, job.attempt, index, to_png(image, text_chunks(record)), facts))
        self.end(painting, Result(job.id, job.attempt, job.request.count, seconds))

    def fail(self, painting: Painting, error: DreamError) -> None:
        self.end(painting, Failure(painting.job.id, painting.job.attempt, error.code, str(error)))

    def end(self, painting: Painting, event: Event) -> None:
        self.paintings.pop(painting.job.id, None)
        self.wire.send(event)
        self.send_ready()

    def send_ready(self) -> None:
        taken = sum(painting.job.request.count for painting in self.paintings.values())
        name, free = os.environ.get(WORKER_VARIABLE, "fake"), max(self.slots - taken, 0)
        self.look()
        self.wire.send(
            Ready(
                worker=name,
                pid=os.getpid(),
                device="CPU (fake)",
                slots=free,
                workers=(WorkerState(name, os.getpid(), "CPU (fake)", self.slots, free, memory=2**24),),
                methods=("clip_diffusion", "clipdraw", "pixels"),
                upscalers=self.upscalers,
                models=("primer", *(name for name in self.trained if name in MODELS)),
                trained=self.trained,
            )
        )

    def look(self) -> bool:
        """Look for trained models; whether that has changed."""
        before, self.trained = self.trained, refresh_trained_models(keep=())
        return before != self.trained


def result(job: Job, images: Mapping[str, bytes], index: int) -> Image.Image:
    request = job.request
    if isinstance(request, DreamRequest):
        return paint(request, index, request.width, request.height, 1.0)
    image = open_own(images[request.image])
    return image.resize(request.result, Image.Resampling.LANCZOS)


def paint(request: DreamRequest, index: int, width: int, height: int, done: float) -> Image.Image:
    """Four tiles in colours that follow from prompt and seed; grey at first, in full colour when *done* is 1."""
    key = "|".join(f"{p.text}{p.image}:{p.weight}" for p in request.prompts) + f"|{request.seed + index}"
    digest = hashlib.sha256(key.encode()).digest()
    colours = [tuple(round(128 + (c - 128) * done) for c in digest[i : i + 3]) for i in (0, 3, 6, 9)]
    tiles = [Image.new("RGB", (max(width // 2, 1), max(height // 2, 1)), colour) for colour in colours]
    return grid(tiles).resize((width, height), Image.Resampling.NEAREST)


def vector(key: bytes) -> tuple[float, ...]:
    """A unit vector of 32 positive numbers, so that no two pictures are unrelated."""
    numbers = list(hashlib.sha256(key).digest())
    length = sum(n * n for n in numbers) ** 0.5
    return tuple(n / length for n in numbers)


def embed(question: Embed) -> Embeddings:
    try:
        keys = [t.encode() for t in question.texts] + [open_own(i).tobytes() for i in question.images]
    except DreamError as error:
        return Embeddings(question.id, (), "fake", str(error))
    pulls = tuple(1.0 + number for number, _ in enumerate(question.texts)) if question.pulls else ()
    return Embeddings(question.id, tuple(map(vector, keys)), question.perceptor or "fake", pulls=pulls)


def serve() -> None:
    """Runs a fake engine on the connection that the environment names."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has closed the connection
        FakeEngine(SyncWire(take_socket())).run()


if __name__ == "__main__":
    serve()
