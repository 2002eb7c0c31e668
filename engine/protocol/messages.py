"""Messages between a client and the engine process, as frozen values.

    client → engine    Submit, Cancel, Embed, Drain, Restart
    engine → client    Ready, Progress, Picture, Result | Failure, Embeddings

Every attempt at a job ends in exactly one `Result` or `Failure`. Events carry the attempt, so that a client can drop
late ones. Field types are those of JSON and `bytes`; `engine.protocol.framing` encodes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.requests.request import DreamRequest, UpscaleRequest

Request: TypeAlias = DreamRequest | UpscaleRequest
DEFAULT_PERCEPTOR = "primer"
"""The CLIP of an `Embed` that names none."""


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one request. *owner* is an opaque id to the engine."""

    id: str
    attempt: int
    owner: str
    request: Request
    background: bool = False
    """Uses separate slots, and takes one step in several while other images are in progress."""
    worker: str = ""
    """Name of the worker that takes it, one of `Ready.workers`; a single engine process ignores it."""


# client → engine


@dataclass(frozen=True, slots=True)
class Submit:
    """Starts *job*. *images*: SHA-256 → bytes of every image that its request names."""

    job: Job
    images: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stops an attempt within one step. The answer is `Failure(error="Cancelled")`, or an earlier end."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Embed:
    """Requests CLIP embeddings, computed between two steps. Exactly one of *texts* and *images* is not empty.

    With *pulls*, it asks about one image and up to 16 texts.
    """

    id: str
    texts: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()
    perceptor: str = ""
    pulls: bool = False


@dataclass(frozen=True, slots=True)
class Drain:
    """Stops admission; the engine exits after the running jobs."""


@dataclass(frozen=True, slots=True)
class Restart:
    """As `Drain`; its client then starts a new process. A router passes it to its workers, to one at a time."""


Command: TypeAlias = Submit | Cancel | Embed | Drain | Restart


# engine → client


STARTING = "it is starting"
"""`WorkerState.trouble` of a worker whose process is not ready yet."""
RESTARTS = "it restarts after its present jobs"
"""`WorkerState.trouble` of a worker between `Restart` and its end."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker process, which owns one device."""

    name: str
    pid: int
    device: str
    slots: int
    """Images that it advances at a time."""
    free: int
    """Slots without an image; 0 while images wait for a slot."""
    loaded: tuple[str, ...] = ()
    """`DreamRequest.nets`, or `clip_key` of a perceptor, of everything that it can begin without loading weights."""
    memory: int = 0
    """Resident bytes of the process, to 16 MiB; 0 = unknown."""
    lacks: tuple[str, ...] = ()
    """Names, as in `Ready.unavailable`, that this worker lacks and other workers have."""
    largest: Mapping[str, int] = field(default_factory=dict)
    """As `Ready.largest`, of this worker."""
    ends: int = 0
    """How often its process has ended."""
    last_words: str = ""
    """The last line that its latest ended process printed, or why it could not be started."""
    trouble: str = ""
    """Why it accepts no jobs now, without a full stop; empty if it does."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Capabilities of the engine; the first event, sent again after each change."""

    worker: str
    pid: int
    device: str
    slots: int
    """Free slots for images."""
    methods: tuple[str, ...]
    upscalers: tuple[str, ...]
    models: tuple[str, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Name of a method or model, `upscaler <name>`, one of `DreamRequest.helpers`, or `engine` → the reason."""
    largest: Mapping[str, int] = field(default_factory=dict)
    """`DreamRequest.memory_kind` → pixels of the largest image that fits into memory, if known."""
    compiled: str = ""
    """State of compilation as a sentence without its full stop; empty without compilation."""
    workers: tuple[WorkerState, ...] = ()
    """Every worker, also those that are restarting. A single engine process names itself."""
    trained: Mapping[str, str] | None = None
    """Name of each model and adapter that was trained there → its table as JSON; None = unknown."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an attempt. *snapshots*: image index → encoded image (WebP or JPEG) of the current pred_xstart."""

    job_id: str
    attempt: int
    step: int
    steps: int
    seconds_per_step: float
    snapshots: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished image of a job, sent as soon as it is encoded. *facts* is JSON.

    Keys of *facts*: `replay` (the replay record, also in the PNG's text chunk), `width`, `height`, `seed`,
    `seconds` (phase → s), `memory` (peak bytes without the models, or None), `clip_score` (cosine with
    the weighted positive prompts, or None), `notes` (sentences for the user), `embedding` (list of floats, or None),
    `perceptor`, `sha256` (of the RGB pixels).
    """

    job_id: str
    attempt: int
    index: int
    png: bytes
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """Success: all *pictures* (their number) have been sent. *seconds*: phase → s.

    If some images failed, *pictures* is smaller than the requested count, and *notes* name them and the reasons.
    """

    job_id: str
    attempt: int
    pictures: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Failure of an attempt. *error*: code of a DreamError; *message*: text for the user."""

    job_id: str
    attempt: int
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The answer to `Embed`: one L2-normalised vector per text, then per image, or *error* in words.

    *scale*: what cosines are multiplied by before a softmax, as in the perceptor's training. *pulls*: if requested, the
    norm of the gradient of each text's loss (squared spherical distance) by the image. *weights*: SHA-256 of the
    perceptor's weights, if known.
    """

    id: str
    vectors: tuple[tuple[float, ...], ...]
    perceptor: str
    error: str = ""
    scale: float = 100.0
    pulls: tuple[float, ...] = ()
    weights: str = ""


Event: TypeAlias = Ready | Progress | Picture | Result | Failure | Embeddings
