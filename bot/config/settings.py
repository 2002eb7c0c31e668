"""Loads config.toml and the environment into one frozen `Config`.

Every key has a default, so the bot runs without a file. Secrets come from the environment only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import Field, SecretStr, StringConstraints, ValidationError

from bot.config.messages import explain_all
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
from engine.errors import WeightsError
from engine.weights.store.custom_models import CustomModel, ModelName
from engine.weights.store.toml_file import read_toml

APP = "dreambot"
TOKEN_VARIABLE = "DISCORD_TOKEN"  # noqa: S105 - the variable's name, not a token
DATA_VARIABLE = "DREAMBOT_DATA"
CONFIG_VARIABLE = "DREAMBOT_CONFIG"
MONITOR_VARIABLE = "DREAMBOT_MONITOR"


DiscordId = Annotated[str, StringConstraints(pattern=r"^\d{1,20}$")]


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


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read *path*, else $DREAMBOT_CONFIG, ./config.toml or the user's config.toml; defaults if none exists.

    Raises ConfigError, which lists all mistakes of the file, one per line.
    """
    named = environ.get(CONFIG_VARIABLE, "").strip()
    usual = (Path("config.toml"), platformdirs.user_config_path(APP, False) / "config.toml")
    found = path or (Path(named) if named else next((place for place in usual if place.is_file()), None))
    try:
        tables = read_toml(found) if found else {}
    except WeightsError as error:
        raise ConfigError(str(error)) from error
    discord = tables.get("discord")
    if isinstance(discord, dict) and "token" in discord:
        raise ConfigError(
            f"{found}, [discord] token: a token is a secret; put it into the environment as DISCORD_TOKEN."
        )
    try:
        # Strict mode takes lists for tuples only from JSON. Dates become text, which no key accepts.
        config = Config.model_validate_json(json.dumps(tables, default=str))
    except ValidationError as error:
        raise ConfigError(explain_all(error, Config, str(found))) from error
    return _with_environment(config, environ)


def _with_environment(config: Config, environ: Mapping[str, str]) -> Config:
    token = SecretStr(_token(environ.get(TOKEN_VARIABLE, "")))
    folder = environ.get(DATA_VARIABLE, "").strip() or config.data.folder
    _check_folder(folder)
    monitor = _monitor(environ.get(MONITOR_VARIABLE, "").strip()) or config.monitor
    return config.model_copy(
        update={
            "monitor": monitor,
            "discord": config.discord.model_copy(update={"token": token}),
            "data": config.data.model_copy(update={"folder": folder}),
        }
    )


def _token(text: str) -> str:
    """The token itself: files of variables add quotes, web pages add “Bot”. Raises ConfigError for anything else."""
    token = text.strip(" \t\r\n\"'“”‘’\ufeff\u200b")
    token = token[4:].strip() if token[:4].lower() == "bot " else token
    if token and not re.fullmatch(r"[!-~]+", token):
        raise ConfigError(
            f"{TOKEN_VARIABLE} does not hold a token: a token is one word of letters, digits, dots, hyphens and "
            "underscores. Copy it again from the developer portal."
        )
    return token


def _check_folder(folder: str) -> None:
    if re.search(r"\$\{?[A-Za-z_]|%[A-Za-z_]+%", folder):
        raise ConfigError(f"The data folder “{folder}” holds a variable, which is not replaced here. Write it out.")
    try:
        Path(folder).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"The data folder “{folder}” cannot be found: there is no such home folder.") from error


def _monitor(text: str) -> MonitorSection | None:
    """`PORT` or `HOST:PORT`; None for an empty text. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    try:
        return MonitorSection(port=int(port), host=host.strip("[]") or "127.0.0.1") if text else None
    except ValueError as error:  # also pydantic's
        raise ConfigError(f"{MONITOR_VARIABLE}: “{text}” is not PORT or HOST:PORT, as in 127.0.0.1:9400.") from error
