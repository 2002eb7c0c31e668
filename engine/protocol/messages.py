"""All that crosses the border between a client and the engine process: frozen values, no machinery, no torch.

    client → engine    Submit, Cancel, Embed, Drain
    engine → client    Ready, Progress, Picture, Result | Failure, Embeddings

Every attempt of a job ends in exactly one `Result` or `Failure`. Answers carry the attempt, so that late ones
can be dropped. Field types are JSON's, plus `bytes`; how they travel is `engine/protocol/framing.py`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.requests.request import DreamRequest, UpscaleRequest

Request: TypeAlias = DreamRequest | UpscaleRequest


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt at one request. *owner* is opaque to the engine: it does not know that it is a Discord user."""

    id: str
    attempt: int
    owner: str
    request: Request
    background: bool = False
    """Takes no slot from others: while one of theirs is painted, it gets one step in a few."""


# client → engine


@dataclass(frozen=True, slots=True)
class Submit:
    """Start *job*. *images* holds the bytes of every picture that its request names by SHA-256."""

    job: Job
    images: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop an attempt within one step. Answered by its `Failure(error="Cancelled")`, or by the end that was faster."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Embed:
    """Ask for CLIP embeddings, answered between two steps. Exactly one of *texts* and *images* is not empty."""

    id: str
    texts: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()
    perceptor: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """Admit nothing more, finish what runs, then exit."""


Command: TypeAlias = Submit | Cancel | Embed | Drain


# engine → client


@dataclass(frozen=True, slots=True)
class Ready:
    """What this engine can do; the first event, and again whenever it changes."""

    worker: str
    pid: int
    device: str
    slots: int
    """How many more pictures it can take now."""
    methods: tuple[str, ...]
    upscalers: tuple[str, ...]
    models: tuple[str, ...]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Name of a method or model, `upscaler <name>`, one of `DreamRequest.helpers`, or `engine` → why it is not here."""
    largest: Mapping[str, int] = field(default_factory=dict)
    """`DreamRequest.memory_kind` → pixels of the largest picture for which there is memory, where that is known."""
    compiled: str = ""
    """How far its nets are compiled, or why not, in a sentence without its full stop; empty where nobody wants that."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is. *snapshots*: picture index → encoded image (WebP or JPEG) of the current pred_xstart."""

    job_id: str
    attempt: int
    step: int
    steps: int
    seconds_per_step: float
    snapshots: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture of a job of many; durable at once. *facts* is JSON.

    Keys of *facts*: `replay` (the replay record, also in the PNG's text chunk), `width`, `height`, `seed`,
    `seconds` (phase → s), `memory` (bytes that it took at most beside its nets, or None), `clip_score` (cosine with
    the weighted positive prompts, or None), `notes` (sentences for the person), `embedding` (list of floats, or None),
    `perceptor`, `sha256` (of the RGB pixels).
    """

    job_id: str
    attempt: int
    index: int
    png: bytes
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """The attempt ended well: every one of its *pictures* has been sent. *seconds*: phase → s.

    Where some of many pictures failed, *pictures* is less than was asked for and *notes* say which, and why.
    """

    job_id: str
    attempt: int
    pictures: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """The attempt ended badly. *error* is the code of a DreamError, *message* what its person reads."""

    job_id: str
    attempt: int
    error: str
    message: str


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The answer to `Embed`: one L2-normalised vector per text or image, or *error* in words."""

    id: str
    vectors: tuple[tuple[float, ...], ...]
    perceptor: str
    error: str = ""


Event: TypeAlias = Ready | Progress | Picture | Result | Failure | Embeddings
