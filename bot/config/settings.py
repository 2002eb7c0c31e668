"""config.toml → one frozen `Config`. An unknown key is an error that guesses; secrets come from the environment only.

Every key has a default, so that no file at all is a working configuration. `config.example.toml` is rendered from
these models (`bot.config.messages.render_example`), which is why every field has a description.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from bot.config.loader import as_json, read_tables, usual_places
from bot.config.messages import explain_all
from bot.errors import ConfigError
from bot.models.job import Priority
from engine.weights.store.custom_models import ModelName, OwnModel

APP = "dreambot"
TOKEN_VARIABLE = "DISCORD_TOKEN"  # noqa: S105 - the variable's name, not a token
DATA_VARIABLE = "DREAMBOT_DATA"
CONFIG_VARIABLE = "DREAMBOT_CONFIG"


class Section(BaseModel):
    """A table of config.toml: frozen, strict about types, and without room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DiscordSection(Section):
    """Who the bot is on Discord. Its token is a secret and comes from the environment: DISCORD_TOKEN."""

    token: SecretStr = Field(default=SecretStr(""), exclude=True)
    test_guild: int = Field(
        default=0, ge=0, description="Register commands in this server only, where they appear at once; 0 = everywhere."
    )
    owner_ids: tuple[int, ...] = Field(
        default=(), description="User ids of the hosts: they go first and have neither quota nor cooldown."
    )


class DataSection(Section):
    """Where everything that must outlive a restart is kept."""

    folder: str = Field(
        default="",
        description="Folder of the database and the pictures; empty = the usual place of this system. "
        "The environment variable DREAMBOT_DATA goes first.",
    )


class EngineSection(Section):
    """The process that paints."""

    device: str = Field(
        default="auto", min_length=1, description='"auto", "cpu", "cuda", "cuda:1", "mps": what the engine paints on.'
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="CPU threads of the engine; 0 = as many as it has cores."
    )
    python: str = Field(default="", description="Python that runs the engine; empty = the one that runs the bot.")
    nets_megabytes: int = Field(
        default=0,
        ge=0,
        le=10**6,
        description="Memory that models may take together on that device; those used longest ago leave, "
        "but none of a picture under way while memory suffices. 0 = six tenths of what it has.",
    )
    idle_minutes: float = Field(
        default=15.0,
        ge=0,
        le=10**5,
        description="Large models leave the memory when nobody has wanted a picture for so long; 0 = never.",
    )
    compile: Literal["off", "on"] = Field(
        default="off",
        description='"on" lets PyTorch compile models while they paint, and keeps that in the folder "compiled" of the '
        "data folder. Meant for GPUs, where nobody has measured it; it needs a C++ compiler or Triton.",
    )


class QueueSection(Section):
    """Who may wait, and how many."""

    per_user: int = Field(default=3, ge=1, le=1000, description="Jobs that one person may have waiting.")
    total: int = Field(default=200, ge=1, le=10_000, description="Jobs that may wait in all.")
    running_per_user: int = Field(default=1, ge=1, le=100, description="Jobs of one person that are painted at a time.")
    cooldown_seconds: float = Field(
        default=3.0, ge=0, le=86_400, description="Seconds between two submissions of one person; 0 = none."
    )
    drain_seconds: float = Field(
        default=6.0,
        ge=0,
        le=3600,
        description="Seconds that running jobs may take to finish when the bot is told to stop (SIGTERM); then they go "
        "back to the queue. It leaves soon afterwards, within 12 seconds.",
    )
    deaths: int = Field(
        default=2,
        ge=1,
        le=10,
        description="A job is set aside when the engine has died this many times under it; the bot's own ends do not "
        "count. Who was there at the first death is tried again alone, so that none is blamed for another's.",
    )


class QuotaSection(Section):
    """What one person may spend. A unit is a million pixels painted for one step: 256x256 in 25 steps costs 1.64."""

    units: float = Field(default=200.0, ge=0, le=1e9, description="Units per person and window; 0 = no limit.")
    window: Literal["day", "rolling"] = Field(
        default="day", description='"day" starts anew at midnight UTC; "rolling" looks back over the last `hours`.'
    )
    hours: float = Field(default=24.0, gt=0, le=24 * 366, description='Length of a "rolling" window.')
    server_units: float = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="Units per server and window, for all its members together; 0 = no limit.",
    )
    confirm_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="What costs more than this share of what its person has left is asked about first, by two "
        "buttons; 0 = nothing is, for this reason.",
    )
    confirm_least: float = Field(
        default=10.0, ge=0, le=1e9, description="… unless it costs fewer units than this: small pictures never ask."
    )
    confirm_cost: float = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="What costs more units than this is asked about however much is left; 0 = nothing is.",
    )
    moderators_grant: bool = Field(
        default=True,
        description="Whether a server's moderators may grant units and reset windows; false = hosts alone may.",
    )


class RoleSection(Section):
    """What members of one Discord role have beyond the others (its id stands in the heading).

    As many of these tables as there are such roles; the best of a person's roles counts, each key by itself.
    """

    units: float | None = Field(
        default=None, ge=0, le=1e9, description="Instead of quota.units; 0 = no limit.", examples=[1000.0]
    )
    per_user: int | None = Field(default=None, ge=1, le=1000, description="Instead of queue.per_user.", examples=[10])
    running_per_user: int | None = Field(
        default=None, ge=1, le=100, description="Instead of queue.running_per_user.", examples=[2]
    )
    cooldown_seconds: float | None = Field(
        default=None, ge=0, le=86_400, description="Instead of queue.cooldown_seconds.", examples=[1.0]
    )
    priority: Literal["host", "role", "normal", "batch"] = Field(
        default="role", description='Who goes first among equals: "host", "role", "normal", "batch".'
    )


class ServerSection(Section):
    """What one server has (its id stands in the heading). As many of these tables as there are such servers."""

    units: float = Field(ge=0, le=1e9, description="Instead of quota.server_units; 0 = no limit.", examples=[5000.0])


class LimitsSection(Section):
    """The largest thing that may be asked for."""

    max_size: int = Field(default=1024, ge=64, le=4096, description="Longest side of a painted picture, in pixels.")
    max_steps: int = Field(default=250, ge=2, le=2000, description="Steps of one picture.")
    max_count: int = Field(default=4, ge=1, le=10, description="Pictures of one job that are painted at once.")
    max_batch: int = Field(default=24, ge=0, le=100, description="Pictures of one batch: more than that; 0 = none.")
    max_upscaled: int = Field(default=4096, ge=256, le=16_384, description="Longest side after an upscale, in pixels.")


class DeliverySection(Section):
    """How messages are kept in step with jobs."""

    edit_seconds: float = Field(
        default=3.0, ge=0.1, le=60, description="Seconds between two edits of one message while it is painted."
    )
    burst: int = Field(default=2, ge=1, le=5, description="Edits of one message that may follow each other at once.")
    ping_after_seconds: float = Field(
        default=60.0, ge=0, le=86_400, description="A job that took longer pings its owner with a short reply."
    )
    press_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="A second press of the same button within these seconds is ignored."
    )


class SafetySection(Section):
    """A look at every finished picture by a CLIP; what looks like something for adults is covered.

    It errs in both directions and replaces no moderator. Pictures are covered while they are painted, too.
    """

    enabled: bool = Field(default=False, description="Whether pictures are looked at.")
    perceptor: str = Field(
        default="ViT-B/32",
        min_length=1,
        description="The CLIP that looks. It has to be downloaded: the small one that ships knows too few words.",
    )
    probes: tuple[str, ...] = Field(
        default=(
            "a photo of a naked person",
            "a pornographic picture",
            "an erotic drawing",
            "a picture of a mutilated, bloody body",
        ),
        min_length=1,
        description="What is looked for.",
    )
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
        description="What it is compared with.",
    )
    margin: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="By how much (a cosine) a probe must fit better than all that is harmless; more covers less.",
    )


class RetentionSection(Section):
    """How long things are kept. The record of a job stays; its pictures go."""

    pictures_days: float = Field(default=0.0, ge=0, le=36_500, description="Days that pictures are kept; 0 = for ever.")
    pictures_megabytes: int = Field(
        default=20_000,
        ge=0,
        le=10**9,
        description="Disk that pictures may take, attachments and what “Watch it form” shows included; 0 = all there "
        "is. First goes what “Watch it form” shows, then attachments, then pictures from which nobody has made another "
        "one, then the others, at last what somebody keeps; each time the oldest.",
    )
    keep_pictures: int = Field(
        default=100,
        ge=0,
        le=10**6,
        description="Pictures that one person may keep, so that they do not go for their age; 0 = none. What all keep "
        "together takes half of `pictures_megabytes` at most.",
    )
    free_megabytes: int = Field(
        default=500, ge=0, le=10**9, description="New jobs are refused while the disk has less room left than this."
    )


class LogSection(Section):
    """What the bot writes to stderr. Neither tokens nor, at "info" and above, anything that people wrote."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description='What is logged: "debug", "info", "warning" or "error", and worse.'
    )
    format: Literal["text", "json"] = Field(
        default="text", description='"text" for people, "json" for log collectors: one object per line.'
    )


class MonitorSection(Section):
    """Figures for Prometheus at /metrics and the bot's health at /health, for this machine only (127.0.0.1)."""

    port: int = Field(default=0, ge=0, le=65_535, description="Port on loopback; 0 = nothing is served.")


class PlaygroundSection(Section):
    """The small Discord on loopback."""

    port: int = Field(default=8765, ge=1, le=65_535, description="Port of its page; the next free one if it is taken.")


DiscordId = Annotated[str, StringConstraints(pattern=r"^\d{1,20}$")]


@dataclass(frozen=True, slots=True)
class Standing:
    """What one person may do, all roles considered."""

    units: float
    """Of the allowance per window; 0 = no limit."""
    waiting: int
    running: int
    cooldown: float
    """Seconds."""
    priority: Priority


class Config(Section):
    """All settings of one dreambot."""

    discord: DiscordSection = DiscordSection()
    data: DataSection = DataSection()
    engine: EngineSection = EngineSection()
    queue: QueueSection = QueueSection()
    quota: QuotaSection = QuotaSection()
    limits: LimitsSection = LimitsSection()
    delivery: DeliverySection = DeliverySection()
    safety: SafetySection = SafetySection()
    retention: RetentionSection = RetentionSection()
    log: LogSection = LogSection()
    monitor: MonitorSection = MonitorSection()
    playground: PlaygroundSection = PlaygroundSection()
    roles: Mapping[DiscordId, RoleSection] = Field(default_factory=dict)
    servers: Mapping[DiscordId, ServerSection] = Field(default_factory=dict)
    models: Mapping[ModelName, OwnModel] = Field(default_factory=dict, examples=["my-paintings"])

    @property
    def folder(self) -> Path:
        """The data folder; nothing has been created yet."""
        return Path(self.data.folder).expanduser() if self.data.folder else platformdirs.user_data_path(APP, False)

    def server_units(self, server_id: int | None) -> float:
        """What all members of a server may spend together per window; 0 = no limit."""
        if server_id is None:
            return 0.0
        own = self.servers.get(str(server_id))
        return self.quota.server_units if own is None else own.units

    def standing(self, user_id: int, roles: Collection[int] = ()) -> Standing:
        """The best that this person's *roles* give them, each limit by itself."""
        held = [self.roles[str(role)] for role in roles if str(role) in self.roles]
        host = user_id in self.discord.owner_ids
        units = [self.quota.units, *(role.units for role in held if role.units is not None)]
        cooldowns = [self.queue.cooldown_seconds, *(r.cooldown_seconds for r in held if r.cooldown_seconds is not None)]
        return Standing(
            units=0.0 if host or 0 in units else max(units),
            waiting=max(self.queue.per_user, *(role.per_user or 0 for role in held), 0),
            running=max(self.queue.running_per_user, *(role.running_per_user or 0 for role in held), 0),
            cooldown=0.0 if host else min(cooldowns),
            priority=Priority.HOST if host else _best_priority(held),
        )


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read *path*; without one $DREAMBOT_CONFIG, ./config.toml, the user's own, or plain defaults.

    Raises ConfigError: every mistake of the file in one text, a line each.
    """
    named = environ.get(CONFIG_VARIABLE, "").strip()
    found = path or (Path(named) if named else next((place for place in usual_places(APP) if place.is_file()), None))
    tables = read_tables(found) if found else {}
    discord = tables.get("discord")
    if isinstance(discord, dict) and "token" in discord:
        raise ConfigError(
            f"{found}, [discord] token: a token is a secret; put it into the environment as DISCORD_TOKEN."
        )
    try:
        config = Config.model_validate_json(as_json(tables))
    except ValidationError as error:
        raise ConfigError(explain_all(error, Config, str(found))) from error
    return _with_environment(config, environ)


def _best_priority(held: list[RoleSection]) -> Priority:
    # A role may also lower its members (batch), so NORMAL only counts where no role says anything.
    return max((Priority[role.priority.upper()] for role in held), default=Priority.NORMAL)


def _with_environment(config: Config, environ: Mapping[str, str]) -> Config:
    token = SecretStr(environ.get(TOKEN_VARIABLE, "").strip())
    folder = environ.get(DATA_VARIABLE, "").strip() or config.data.folder
    return config.model_copy(
        update={
            "discord": config.discord.model_copy(update={"token": token}),
            "data": config.data.model_copy(update={"folder": folder}),
        }
    )
