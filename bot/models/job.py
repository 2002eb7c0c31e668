"""Values shared by the whole bot: jobs, pictures, queue positions, updates. All are frozen."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple, TypeAlias

from pydantic import ValidationError

from bot.models.comparison import Comparison
from bot.models.film import FilmRequest, frame_costs, frames_of
from bot.text import plain
from engine.errors import DreamError, InvalidRequest, PromptError
from engine.protocol.messages import Progress, Request
from engine.requests.request import MAX_SEED, DreamRequest, request_from_json, request_to_json

JobRequest: TypeAlias = Request | Comparison | FilmRequest
"""The request of a job."""


@dataclass(frozen=True, slots=True)
class Part:
    """An engine request of a job. *first*: index of its first picture in the job; *label*: the way's name, or empty."""

    request: Request
    first: int = 0
    label: str = ""
    units: float | None = None
    """Its cost, if that is not the one of the request."""

    @property
    def cost(self) -> float:
        return self.request.cost if self.units is None else self.units

    @property
    def indices(self) -> range:
        return range(self.first, self.first + self.request.count)


def parts_of(request: JobRequest) -> tuple[Part, ...]:
    """One part per way of a comparison and per frame of a film, else one."""
    if isinstance(request, Comparison):
        return tuple(Part(way.request, index, way.label) for index, way in enumerate(request.ways))
    if isinstance(request, FilmRequest):
        costs = frame_costs(request)
        return tuple(Part(frame, i, units=costs[min(i, 1)]) for i, frame in enumerate(frames_of(request)))
    return (Part(request),)


def picture_of(request: DreamRequest, index: int) -> DreamRequest:
    return request.model_copy(update={"seed": request.seed + index, "count": 1})


@contextmanager
def named(label: str) -> Iterator[None]:
    """Prefix errors with *label* if there is one; an error in the prompt concerns all parts and gets no prefix."""
    try:
        yield
    except PromptError:
        raise
    except DreamError as error:
        if label:
            error.args = (f"{label}: {error}",)
        raise


def share_of(request: JobRequest, indices: Collection[int]) -> float:
    """The share (0…1) of the cost of *request* that its pictures *indices* cost."""
    parts = parts_of(request)
    if len(parts) == 1:
        return min(len(indices) / request.count, 1.0)
    return min(sum(part.cost for part in parts if part.first in indices) / request.cost, 1.0)


_PARSED: dict[str, JobRequest] = {}
"""Stored form → request, of the most recent ones: parsing is expensive, and requests are immutable."""
_REMEMBERED = 1000
_LOCK = Lock()


def job_request_to_json(request: JobRequest) -> str:
    """The stored form; `job_request_from_json` reads it back."""
    raw = request.model_dump_json() if isinstance(request, Comparison | FilmRequest) else request_to_json(request)
    _remember(raw, request)
    return raw


def job_request_from_json(raw: str) -> JobRequest:
    """Parse the stored form of any version. Raises InvalidRequest."""
    if (known := _PARSED.get(raw)) is not None:
        return known
    request = _parse(raw)
    _remember(raw, request)
    return request


def _remember(raw: str, request: JobRequest) -> None:
    with _LOCK:
        while len(_PARSED) >= _REMEMBERED:
            del _PARSED[next(iter(_PARSED))]
        _PARSED[raw] = request


def _parse(raw: str) -> JobRequest:
    try:
        kind = json.loads(raw).get("kind")
        if kind == "compare":
            return Comparison.model_validate_json(raw)
        if kind == "film":
            return FilmRequest.model_validate_json(raw)
    except (ValueError, AttributeError, ValidationError) as error:
        raise InvalidRequest("This comparison or film was stored by another version.") from error
    return request_from_json(raw)


Kind: TypeAlias = Literal[
    "dream", "again", "variation", "remix", "upscale", "pick", "init", "target", "blend", "outpaint", "crop", "entry"
]
ID_LENGTH = 10
PORTION = 8
"""Most pictures of a batch that are rendered together, and lost if the engine crashes."""
RUNNING = "running"
"""Key of `JobRow.seconds`: seconds for which the engine had the job, by the bot's monotonic clock."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


class JobState(StrEnum):
    """The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Priority(IntEnum):
    """Order among owners of equal cost; `bot.scheduling.fair_queue` gives each its weight."""

    BACKGROUND = -1
    """A batch or a film: all other jobs go first, even while it runs."""
    BATCH = 0
    NORMAL = 1
    ROLE = 2
    HOST = 3


class Applied(NamedTuple):
    """A default that a job used: *what* ("style", "negative", …), its *value*, and *whose* it is ("this channel")."""

    what: str
    value: str
    whose: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job comes from: person, channel, and the job whose button or reaction asked for it."""

    channel_id: int
    user_id: int
    user_name: str
    guild_id: int | None = None
    interaction_id: int | None = None
    interaction_token: str = field(default="", repr=False)
    """A secret that lives 15 minutes. Rows from the store do not have it; see `bot.storage.messages.Interactions`."""
    kind: Kind = "dream"
    parent_job: str = ""
    parent_index: int = 0
    server_id: int | None = None
    """The server where it was asked for; differs from `guild_id` for results sent by direct message."""
    spoiler: bool = False
    """The picture is sent as a spoiler."""
    guest: bool = False
    """The bot is not a member of the server (user-installed)."""
    thread_of: int | None = None
    """The parent channel, if `channel_id` is a thread or a forum post."""
    applied: tuple[Applied, ...] = ()
    """Defaults that the request contains, beside those of the person and the model."""

    @property
    def shown_name(self) -> str:
        """The person in texts to others; the author of an entry is not named, because a challenge is blind."""
        return "its author" if self.kind == "entry" else plain(self.user_name) or "its owner"

    def is_in(self, channel_id: int) -> bool:
        return channel_id in (self.channel_id, self.thread_of)

    @property
    def owner(self) -> str:
        return owner_of(self.user_id)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One finished picture. Its file is durable before the row is written."""

    job_id: str
    index: int
    path: Path | None
    """The PNG; None once it is deleted."""
    width: int
    height: int
    sha256: str
    """Hash of the file, by which an `UpscaleRequest` names it."""
    size: int
    """Bytes."""
    facts: Mapping[str, object]
    """`engine.protocol.messages.Picture.facts` without the embedding."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as stored. Times are unix seconds; *cost* is in units (megapixel steps)."""

    id: str
    attempt: int
    crash_count: int
    """Engine crashes while this job ran; crashes of the bot do not count."""
    origin: Origin
    owner: str
    request: JobRequest
    priority: Priority
    state: JobState
    error_code: str
    """Class name of the DreamError of a failed job, else empty."""
    error_text: str
    """Why it failed or was cancelled, or why a finished batch is incomplete."""
    cost: float
    created_at: float
    started_at: float | None = None
    """Start of the present or last attempt; of a batch, of the first one."""
    finished_at: float | None = None
    message_id: int | None = None
    """The message in `origin.channel_id` that shows the job, once known."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Durations of the finished job: engine phase → s, and `RUNNING`; before that, `RUNNING` of its finished parts."""
    running_limit: int = 1
    """Jobs of this person that may run at a time, as of the submission."""
    pictures: tuple[PictureRow, ...] = ()

    @property
    def stored(self) -> tuple[PictureRow, ...]:
        """Its pictures whose files are kept."""
        return tuple(picture for picture in self.pictures if picture.path is not None)

    @property
    def on_disk(self) -> int:
        """Number of its stored pictures; 0 for a job that is not done."""
        return len(self.stored) if self.state is JobState.DONE else 0

    def picture(self, index: int) -> PictureRow | None:
        return next((picture for picture in self.pictures if picture.index == index), None)

    @property
    def in_background(self) -> bool:
        return self.priority is Priority.BACKGROUND

    @property
    def has_timelapse(self) -> bool:
        """Whether its previews are kept: not those of a batch, a comparison, a film or an upscale."""
        return isinstance(self.request, DreamRequest) and not self.is_batch

    @property
    def is_batch(self) -> bool:
        """Many pictures that are rendered in the background, in portions of up to `PORTION`."""
        return self.in_background and isinstance(self.request, DreamRequest)

    @property
    def in_parts(self) -> bool:
        """Whether it has several parts; a finished part stays, whatever happens to the others."""
        return self.in_background or isinstance(self.request, Comparison)

    @property
    def parts(self) -> tuple[Part, ...]:
        """One per way of a comparison, per picture of a batch and per frame of a film, else one."""
        whole = parts_of(self.request)
        if not self.is_batch or not isinstance(whole[0].request, DreamRequest):
            return whole
        return tuple(Part(picture_of(whole[0].request, index), index) for index in range(self.request.count))

    def part(self, index: int) -> Part:
        """The part that renders picture *index*. Raises IndexError."""
        for part in parts_of(self.request):
            if index in part.indices:
                if self.is_batch and isinstance(part.request, DreamRequest):
                    return Part(picture_of(part.request, index), index)
                return part
        raise IndexError(f"job {self.id} has no picture {index}")

    @property
    def missing(self) -> tuple[int, ...]:
        painted = {picture.index for picture in self.pictures}
        return tuple(index for index in range(self.request.count) if index not in painted)

    def owned_by(self, user_id: int) -> bool:
        return self.owner == owner_of(user_id)


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position of a waiting job in the fair order. Times are estimates in unix seconds."""

    position: int
    """1 = next."""
    waiting: int
    """Number of waiting jobs."""
    starts: float
    """Expected start."""
    earliest: float
    """Lower bound of the expected end."""
    latest: float
    """Upper bound of the expected end."""
    ready: float = 0.0
    """Expected end."""
    held: bool = False
    """A moderator has paused the queue, so the times are unknown."""
    reason: str = ""
    """The moderator's reason for the pause."""


@dataclass(frozen=True, slots=True)
class Update:
    """The state of one job; a newer update replaces all older ones."""

    job: JobRow
    progress: Progress | None = None
    """Of a running job: newest step, newest snapshot of every picture."""
    place: QueuePosition | None = None
    """Of a waiting job."""
    parting: bool = False
    """The bot is stopping; the job continues after the restart."""
    frames: Sequence[Mapping[int, bytes]] = ()
    """Of a job that ends: its previews in order, picture index → encoded picture."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """(index, cosine) of a job's pictures, the best first. *note*: why the comparison may be unfair."""

    order: tuple[tuple[int, float], ...]
    perceptor: str
    note: str = ""


def new_job_id() -> str:
    """A new id: 10 characters with 50 random bits, valid in file names and custom ids."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))


def new_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)


def owner_of(user_id: int) -> str:
    """``discord:<user id>``."""
    return f"discord:{user_id}"
