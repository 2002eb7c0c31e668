"""Loads config.toml and the environment into one frozen `Config`.

Every key has a default, so the bot runs without a file. Secrets come from the environment only.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import Field, SecretStr, StringConstraints, ValidationError

from bot.config.messages import explain_all, toml_error
from bot.config.sections import (
    DataSection,
    DeliverySection,
    DiscordSection,
    EngineSection,
    LimitsSection,
    LogSection,
    MonitorSection,
    PlaygroundSection,
    QueueSection,
    QuotaSection,
    RetentionSection,
    RoleSection,
    SafetySection,
    SearchSection,
    Section,
    ServerSection,
)
from bot.errors import ConfigError
from bot.models.job import Priority
from engine.weights.store.custom_models import CustomModel, ModelName


def usual_places(app: str) -> tuple[Path, Path]:
    """Paths that are tried, in order, when neither --config nor DREAMBOT_CONFIG names a file."""
    return Path("config.toml"), platformdirs.user_config_path(app, False) / "config.toml"


def read_tables(path: Path) -> dict[str, object]:
    """The parsed file, with or without a byte-order mark. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(toml_error(path, error)) from error
    except RecursionError as error:
        raise ConfigError(f"{path} cannot be read: its lists or tables are nested too deeply.") from error
    except (OSError, ValueError) as error:  # also numbers of thousands of digits
        raise ConfigError(f"{path} cannot be read: {error}.") from error


def as_json(tables: dict[str, object]) -> str:
    """*tables* as JSON, for pydantic."""
    # Pydantic's strict mode takes lists for tuples only when it reads JSON; dates become text, which no key accepts.
    return json.dumps(tables, default=str)


APP = "dreambot"
TOKEN_VARIABLE = "DISCORD_TOKEN"  # noqa: S105 - the variable's name, not a token
DATA_VARIABLE = "DREAMBOT_DATA"
CONFIG_VARIABLE = "DREAMBOT_CONFIG"
MONITOR_VARIABLE = "DREAMBOT_MONITOR"


DiscordId = Annotated[str, StringConstraints(pattern=r"^\d{1,20}$")]


@dataclass(frozen=True, slots=True)
class Standing:
    """The limits of one person, all roles considered."""

    units: float
    """Allowance per window; 0 = no limit."""
    waiting: int
    """Queued jobs."""
    running: int
    """Running jobs."""
    cooldown: float
    """Seconds between submissions."""
    priority: Priority


class Config(Section):
    discord: DiscordSection = DiscordSection()
    data: DataSection = DataSection()
    engine: EngineSection = EngineSection()
    queue: QueueSection = QueueSection()
    quota: QuotaSection = QuotaSection()
    limits: LimitsSection = LimitsSection()
    delivery: DeliverySection = DeliverySection()
    safety: SafetySection = SafetySection()
    search: SearchSection = SearchSection()
    retention: RetentionSection = RetentionSection()
    log: LogSection = LogSection()
    monitor: MonitorSection = MonitorSection()
    playground: PlaygroundSection = PlaygroundSection()
    roles: Mapping[DiscordId, RoleSection] = Field(default_factory=dict)
    servers: Mapping[DiscordId, ServerSection] = Field(default_factory=dict)
    models: Mapping[ModelName, CustomModel] = Field(default_factory=dict, examples=["my-paintings"])

    @property
    def folder(self) -> Path:
        """The data folder, which need not exist."""
        return Path(self.data.folder).expanduser() if self.data.folder else platformdirs.user_data_path(APP, False)

    def server_units(self, server_id: int | None) -> float:
        """Units of a server per window, for all members together; 0 = no limit."""
        if server_id is None:
            return 0.0
        own = self.servers.get(str(server_id))
        return self.quota.server_units if own is None else own.units

    def standing(self, user_id: int, roles: Collection[int] = ()) -> Standing:
        """The best value of each limit that this person's *roles* (ids) give."""
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
    """Read *path*, else $DREAMBOT_CONFIG, ./config.toml or the user's config.toml; defaults if none exists.

    Raises ConfigError, which lists all mistakes of the file, one per line.
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
    # A role may also lower the priority (batch), so NORMAL counts only for people without such roles.
    return max((Priority[role.priority.upper()] for role in held), default=Priority.NORMAL)


def _with_environment(config: Config, environ: Mapping[str, str]) -> Config:
    token = SecretStr(environ.get(TOKEN_VARIABLE, "").strip())
    folder = environ.get(DATA_VARIABLE, "").strip() or config.data.folder
    monitor = _monitor(environ.get(MONITOR_VARIABLE, "").strip()) or config.monitor
    return config.model_copy(
        update={
            "monitor": monitor,
            "discord": config.discord.model_copy(update={"token": token}),
            "data": config.data.model_copy(update={"folder": folder}),
        }
    )


def _monitor(text: str) -> MonitorSection | None:
    """`PORT` or `HOST:PORT`; None for an empty text. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    try:
        return MonitorSection(port=int(port), host=host.strip("[]") or "127.0.0.1") if text else None
    except ValueError as error:  # also pydantic's
        raise ConfigError(f"{MONITOR_VARIABLE}: “{text}” is not PORT or HOST:PORT, as in 127.0.0.1:9400.") from error
