"""Finds and parses config.toml. `bot.config.settings` validates the content."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import platformdirs

from bot.config.messages import toml_error
from bot.errors import ConfigError


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
