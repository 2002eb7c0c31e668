"""The tables of config.toml as frozen models. Descriptions are printed by `dreambot config` and config.example.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

MOST_WORKERS = 64
"""Worker processes of one machine."""


class Section(BaseModel):
    """A table of config.toml: frozen, strict about types; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class DiscordSection(Section):
    """The bot on Discord. Its token is a secret and comes from the environment variable DISCORD_TOKEN."""

    token: SecretStr = Field(default=SecretStr(""), exclude=True)
    test_guild: int = Field(default=0, ge=0)
    """Register commands in this server only, where they appear at once; 0 = everywhere."""
    owner_ids: tuple[int, ...] = ()
    """User ids of the hosts. Hosts go first and have neither quota nor cooldown."""


class DataSection(Section):
    """The place of everything that must survive a restart."""

    folder: str = ""
    """Folder of the database and the pictures; empty = the default of this system. The environment variable
    DREAMBOT_DATA takes precedence."""


class RaySection(Section):
    """Workers on several machines, where [engine] workers is "ray". Needs pip install dreambot[ray]; see
    docs/scaling.md."""

    address: str = Field(default="auto", min_length=1)
    """"auto" joins the Ray cluster that this machine is part of; "host:6379" names one; "local" starts one for tests.
    """
    workers: int = Field(default=2, ge=1, le=1024)
    """Workers in the whole cluster."""
    gpus_per_worker: float = Field(default=1.0, ge=0, le=64)
    """GPUs of Ray that each worker takes; 0 = it paints on the CPU."""
    resources: Mapping[str, float] = Field(default_factory=dict, examples=[{}])
    """Custom resources of Ray that each worker takes, to choose the machines."""


class EngineSection(Section):
    """The process that paints."""

    device: str = Field(default="auto", min_length=1)
    """Device to paint on: "auto", "cpu", "cuda", "cuda:1", "mps"."""
    devices: tuple[str, ...] = Field(default=(), max_length=64)
    """Several devices, such as ["cuda:0", "cuda:1"]: one process paints on each; empty = on `device` alone."""
    workers: int | Literal["local", "ray"] = "local"
    """"local": one process per device. A number: so many processes, which share the devices. "ray": the processes that
    [engine.ray] describes, on several machines."""
    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads of each engine; 0 = one per core."""
    python: str = ""
    """Python that runs the engine; empty = the one that runs the bot."""
    nets_megabytes: int = Field(default=0, ge=0, le=10**6)
    """Device memory for loaded models; the least recently used leave first. Models of running pictures stay as long as
    the device has room. 0 = 60% of the device's memory."""
    idle_minutes: float = Field(default=15.0, ge=0, le=10**5)
    """Minutes without a job after which large models leave; 0 = never."""
    stall_seconds: float = Field(default=900.0, ge=10, le=86_400)
    """The engine is restarted if it has work and is silent for this long. Once the time of a step is known, it is
    restarted sooner: see stall_steps."""
    stall_steps: float = Field(default=20.0, ge=3, le=10_000)
    """The engine counts as stalled, and is restarted, after a silence of this many steps of the slowest running
    picture, but not within the first minute."""
    compile: Literal["off", "on"] = "off"
    """"on" lets PyTorch compile models, which the first step of each size waits for, and keeps the result in the folder
    "compiled" of the data folder. Meant for GPUs, but not measured on one. It needs a C++ compiler, or Triton."""
    ray: RaySection = RaySection()
    """Workers on several machines."""

    @field_validator("workers", mode="before")
    @classmethod
    def _known_workers(cls, workers: object) -> object:
        if workers in ("local", "ray") or (type(workers) is int and 1 <= workers <= MOST_WORKERS):
            return workers
        raise ValueError(f"workers is “local”, “ray” or a number from 1 to {MOST_WORKERS}")

    @field_validator("devices")
    @classmethod
    def _named_devices(cls, devices: tuple[str, ...]) -> tuple[str, ...]:
        if any(not device.strip() for device in devices):
            raise ValueError("devices holds an empty name; torch’s names are like “cuda:0” and “cpu”")
        return devices

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """The device of each worker process of this machine; one entry = a single engine without a router."""
        devices = self.devices or (self.device,)
        if not isinstance(self.workers, int):
            return devices
        return tuple(devices[number % len(devices)] for number in range(self.workers))


class QueueSection(Section):
    """Limits of the queue."""

    per_user: int = Field(default=3, ge=1, le=1000)
    """Queued jobs per person."""
    total: int = Field(default=200, ge=1, le=10_000)
    """Queued jobs in all."""
    running_per_user: int = Field(default=1, ge=1, le=100)
    """Running jobs per person."""
    cooldown_seconds: float = Field(default=3.0, ge=0, le=86_400)
    """Seconds between two submissions of one person; 0 = none."""
    costly_seconds: float = Field(default=2.0, ge=0, le=86_400)
    """Seconds between two requests of one person that paint nothing but take CPU time, such as /find, /describe,
    /explain and pages of the gallery. Three may come at once; 0 = no limit."""
    drain_seconds: float = Field(default=6.0, ge=0, le=3600)
    """Seconds that running jobs get to finish after SIGTERM; then they return to the queue. The bot ends within 12
    seconds more."""
    deaths: int = Field(default=2, ge=1, le=10)
    """A job fails after this many crashes of the engine under it alone. Jobs that shared a crashed engine are retried
    one at a time. Restarts of the bot do not count."""


class QuotaSection(Section):
    """Allowance per person. One unit is a million pixels painted for one step: 256x256 in 25 steps costs 1.64."""

    units: float = Field(default=200.0, ge=0, le=1e9)
    """Units per person and window; 0 = no limit."""
    window: Literal["day", "rolling"] = "day"
    """"day" restarts at midnight in the time zone of the server, UTC by default; "rolling" looks back over the last
    `hours`."""
    hours: float = Field(default=24.0, gt=0, le=24 * 366)
    """Length of a "rolling" window."""
    server_units: float = Field(default=0.0, ge=0, le=1e9)
    """Units per server and window, for all members together; 0 = no limit."""
    confirm_share: float = Field(default=0.5, ge=0, le=1)
    """The bot asks for confirmation if a job costs more than this share of the units left; 0 = never."""
    confirm_least: float = Field(default=10.0, ge=0, le=1e9)
    """Jobs that cost fewer units than this never need that confirmation."""
    confirm_cost: float = Field(default=0.0, ge=0, le=1e9)
    """The bot asks if a job costs more units than this; 0 = never."""
    moderators_grant: bool = True
    """Whether a server's moderators may grant units and reset windows; false = only hosts."""


class RoleSection(Section):
    """Other limits for members with a Discord role (its id is in the heading).

    Repeat the table for each role. If a person has several roles, the best value of each key counts.
    """

    units: float | None = Field(default=None, ge=0, le=1e9, examples=[1000.0])
    """Replaces quota.units; 0 = no limit."""
    per_user: int | None = Field(default=None, ge=1, le=1000, examples=[10])
    """Replaces queue.per_user."""
    running_per_user: int | None = Field(default=None, ge=1, le=100, examples=[2])
    """Replaces queue.running_per_user."""
    cooldown_seconds: float | None = Field(default=None, ge=0, le=86_400, examples=[1.0])
    """Replaces queue.cooldown_seconds."""
    priority: Literal["host", "role", "normal", "batch"] = "role"
    """Priority in the queue, from first to last: "host", "role", "normal", "batch"."""


class ServerSection(Section):
    """Other limits for one server (its id is in the heading). Repeat the table for each server."""

    units: float = Field(ge=0, le=1e9, examples=[5000.0])
    """Replaces quota.server_units; 0 = no limit."""


class LimitsSection(Section):
    """Largest jobs that are accepted."""

    max_size: int = Field(default=1024, ge=64, le=4096)
    """Longest side of a painted picture, in pixels."""
    max_steps: int = Field(default=250, ge=2, le=2000)
    """Steps per picture."""
    max_count: int = Field(default=4, ge=1, le=10)
    """Pictures of one job that are painted together."""
    max_batch: int = Field(default=24, ge=0, le=100)
    """Pictures of a batch, which are painted one after the other; 0 = none."""
    max_compare: int = Field(default=16, ge=2, le=25)
    """Pictures of one comparison, or of one prompt with lists."""
    max_film: int = Field(default=240, ge=0, le=2000)
    """Frames of a film; 0 = no films."""
    max_upscaled: int = Field(default=4096, ge=256, le=16_384)
    """Longest side after an upscale, in pixels."""


class DeliverySection(Section):
    """Updates of the messages on Discord."""

    edit_seconds: float = Field(default=3.0, ge=0.1, le=60)
    """Seconds between two edits of one message while its picture forms."""
    burst: int = Field(default=2, ge=1, le=5)
    """Edits of one message that may follow each other at once."""
    ping_after_seconds: float = Field(default=60.0, ge=0, le=86_400)
    """The owner of a job that took longer is pinged by a short reply."""
    press_seconds: float = Field(default=10.0, ge=0, le=3600)
    """A repeated press of a button within this time is ignored."""


class SafetySection(Section):
    """A CLIP looks at every finished picture; pictures that look like adult content are covered as spoilers.

    It makes mistakes in both directions and does not replace a moderator. Previews are covered until the result.
    """

    enabled: bool = False
    """Whether pictures are checked."""
    perceptor: str = Field(default="ViT-B/32", min_length=1)
    """The CLIP for the check. Download it first; the small CLIP that ships knows too few words."""
    probes: tuple[str, ...] = Field(
        default=(
            "a photo of a naked person",
            "a pornographic picture",
            "an erotic drawing",
            "a picture of a mutilated, bloody body",
        ),
        min_length=1,
    )
    """Descriptions of pictures to cover."""
    harmless: tuple[str, ...] = Field(
        default=(
            "a photo of a person in clothes",
            "a picture of an animal",
            "a picture of a landscape",
            "a picture of a building",
            "a picture of a thing",
            "an abstract painting",
        ),
        min_length=1,
    )
    """Descriptions of harmless pictures, for comparison."""
    margin: float = Field(default=0.0, ge=-2, le=2)
    """A picture is covered if a probe fits better than every harmless text by more than this cosine. Higher values
    cover fewer pictures."""


class SearchSection(Section):
    """How `/find` and “More like this” compare pictures. They also search the words of prompts."""

    perceptor: str = ""
    """The CLIP that embeds every picture while no job waits; empty = the best one that is installed, "off" = search
    words only. After a change all pictures are embedded again, a few at a time."""


class RetentionSection(Section):
    """How long files are kept. Job records stay; their pictures are deleted."""

    pictures_days: float = Field(default=0.0, ge=0, le=36_500)
    """Days that pictures are kept; 0 = for ever."""
    pictures_megabytes: int = Field(default=20_000, ge=0, le=10**9)
    """Disk space of pictures, attachments and timelapses; 0 = no limit. Beyond it the oldest files are deleted, in this
    order: timelapses, attachments, pictures from which no other was made, other pictures, starred pictures."""
    keep_pictures: int = Field(default=1000, ge=0, le=10**6)
    """Pictures that one person may star, so that they are not deleted for their age; 0 = none. All starred pictures
    together take at most half of `pictures_megabytes`."""
    free_megabytes: int = Field(default=500, ge=0, le=10**9)
    """New jobs are refused while the disk has less free space than this."""


class LogSection(Section):
    """The log on stderr. It holds no tokens, and at "info" and above nothing that people wrote."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged: "debug", "info", "warning" or "error"."""
    format: Literal["text", "json"] = "text"
    """"text" for people; "json" for log collectors, one object per line."""


class MonitorSection(Section):
    """Metrics for Prometheus at /metrics, and the bot's health at /health. They name no person, server or prompt."""

    port: int = Field(default=0, ge=0, le=65_535)
    """Port to listen on; 0 = off. The environment variable DREAMBOT_MONITOR (PORT or HOST:PORT) takes precedence."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on: "127.0.0.1" for this machine only, "0.0.0.0" for other containers too."""


class PlaygroundSection(Section):
    """The small Discord on this machine."""

    port: int = Field(default=8765, ge=1, le=65_535)
    """Port of its page; if it is taken, the next free one."""
