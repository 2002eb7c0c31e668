"""What the Discord side and the core say to each other: jobs, pictures, places in the queue. Frozen values only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from bot.models.comparison import Asked, Part, parts_of, picture_of
from engine.protocol.messages import Progress
from engine.requests.request import DreamRequest

Kind: TypeAlias = Literal["dream", "again", "variation", "remix", "upscale", "pick"]
ID_LENGTH = 10
RUNNING = "running"
"""Key of `JobRow.seconds`: seconds for which the engine had the job, by the bot's monotonic clock."""
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


class JobState(StrEnum):
    """Where a job is. The last three are ends: nothing leaves them."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Priority(IntEnum):
    """Who goes first among those who have cost the same; what each is worth stands in `bot.scheduling.fair_queue`."""

    BACKGROUND = -1
    """Of many pictures of one prompt: everybody else's are painted first, while these are under way too."""
    BATCH = 0
    NORMAL = 1
    ROLE = 2
    HOST = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job comes from: the person, the place, and the job whose button or reaction it was."""

    channel_id: int
    user_id: int
    user_name: str
    guild_id: int | None = None
    interaction_id: int | None = None
    interaction_token: str = field(default="", repr=False)
    """A secret of 15 minutes. Only on its way in: rows that are read back never carry it (see `store.interactions`)."""
    kind: Kind = "dream"
    parent_job: str = ""
    parent_index: int = 0
    server_id: int | None = None
    """The server in which it was asked for: the one that it is shown in, but for results that go by direct message."""
    spoiler: bool = False
    """The picture is to be covered until somebody wants to see it."""
    guest: bool = False
    """The bot is no member there (user-installed)."""
    thread_of: int | None = None
    """The channel that `channel_id` is a thread (or a forum's post) of."""

    def is_in(self, channel_id: int) -> bool:
        """Whether it is shown in that channel, or in a thread of it."""
        return channel_id in (self.channel_id, self.thread_of)

    @property
    def owner(self) -> str:
        """The opaque name under which queue, ledger and engine know this person."""
        return owner_of(self.user_id)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One finished picture: its file lies on disk, durable, before this row exists."""

    job_id: str
    index: int
    path: Path | None
    """The PNG; None when it is no longer kept."""
    width: int
    height: int
    sha256: str
    """Of the file's bytes: the name by which an `UpscaleRequest` asks for it."""
    size: int
    """Bytes."""
    facts: Mapping[str, object]
    """`engine.protocol.messages.Picture.facts` without the embedding."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job as the store knows it. Times are unix seconds, *cost* is in units (megapixel steps)."""

    id: str
    attempt: int
    crash_count: int
    """Engine crashes while this job ran; crashes of the bot do not count."""
    origin: Origin
    owner: str
    request: Asked
    priority: Priority
    state: JobState
    error_code: str
    """Code of the DreamError of a job that has failed, else empty."""
    error_text: str
    """Why it has failed or was cancelled; of a batch that is done, why it ended before all was painted."""
    cost: float
    created_at: float
    started_at: float | None = None
    """When the present attempt (of a finished job: the last one; of a batch: the first) crossed to the engine."""
    finished_at: float | None = None
    message_id: int | None = None
    """The message that shows the job, in `origin.channel_id`, once it is known."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The engine's timings of the finished job: phase → s."""
    running_limit: int = 1
    """How many jobs of this person may run at a time, as it was when they asked."""
    pictures: tuple[PictureRow, ...] = ()

    @property
    def on_disk(self) -> int:
        """How many of its pictures are still here; none of a job that is not done."""
        return sum(picture.path is not None for picture in self.pictures) if self.state is JobState.DONE else 0

    @property
    def is_batch(self) -> bool:
        """Many pictures that are rendered in the background, in portions (`bot.requests.batches`)."""
        return self.priority is Priority.BACKGROUND

    @property
    def in_parts(self) -> bool:
        """Whether it has several parts; a finished part stays, whatever happens to the others."""
        return self.is_batch or len(parts_of(self.request)) > 1

    @property
    def parts(self) -> tuple[Part, ...]:
        """One per way of a comparison and one per picture of a batch, else one."""
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
        """Indices of the pictures that are not painted yet."""
        painted = {picture.index for picture in self.pictures}
        return tuple(index for index in range(self.request.count) if index not in painted)

    def owned_by(self, user_id: int) -> bool:
        """Whether this is that person's own job."""
        return self.owner == owner_of(user_id)


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Where a waiting job stands under the fair order. Times are unix seconds and ranges, not promises."""

    position: int
    """1 = next."""
    waiting: int
    """How many jobs wait in all."""
    ahead_cost: float
    """Units that will be painted before it, what is left of the running jobs included."""
    starts: float
    """When it will probably begin."""
    earliest: float
    """The picture will be finished between this …"""
    latest: float
    """… and this."""
    ready: float = 0.0
    """When it will probably be finished."""
    held: bool = False
    """A moderator has paused the queue: nothing is known about when it goes on."""
    reason: str = ""
    """Why it is held, as the moderator has typed it."""


@dataclass(frozen=True, slots=True)
class Update:
    """What has become of one job; a newer one replaces all older ones."""

    job: JobRow
    progress: Progress | None = None
    """Of the running attempt: newest step, newest snapshot of every picture."""
    place: QueuePosition | None = None
    """Of a waiting job."""
    parting: bool = False
    """The bot is being stopped: the job goes on when it is back."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The pictures of one job by their indices, the best first, with their cosines. *note*: why it may be unfair."""

    order: tuple[tuple[int, float], ...]
    perceptor: str
    note: str = ""


def new_job_id() -> str:
    """A fresh id: 10 characters, 50 random bits; fits file names, custom ids and voices."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))


def owner_of(user_id: int) -> str:
    """``discord:<user id>``."""
    return f"discord:{user_id}"
