"""Models that `python -m engine train` has made: a folder each, in the folder of weights, with a table `model.json`.

`refresh_trained_models` reads the folder again and registers what it finds, at any time and on any thread. The engine's
workers do so, and tell their client what there is by `Ready.trained`, because the folder may be on another machine.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from engine.catalogue.models import Model, set_trained_models
from engine.catalogue.registry import Entry, is_configured, set_trained_entries
from engine.errors import WeightsError, printable
from engine.weights.store.custom_models import (
    CustomModel,
    add_custom_models,
    check_custom_models,
    read_custom_models,
    share_tables,
)
from engine.weights.store.folder import weights_folder

TABLE = "model.json"
MOST = 500
"""Trained models and adapters that are looked at, in the order of their names."""
MOST_CHARACTERS = 200_000
"""Length of a table; 1,000 names of classes take about 20,000."""
MOST_TOGETHER = 1_000_000
"""Length of all tables, which travel in one message of the engine."""

log = logging.getLogger(__name__)
Tables = dict[str, str]
"""Name → table as JSON."""
_Version = tuple[int, int, int, int]
"""What changes with a file: device, inode, size, time of change in ns."""


def trained_folder(environ: Mapping[str, str] = os.environ) -> Path:
    return weights_folder(environ).root / "trained"


class Complaints:
    """Warnings that are logged once, and again after what they name was all right."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def say(self, about: str, text: str) -> None:
        if self._said.get(about) != text:
            self._said[about] = text
            log.warning("%s", printable(text).encode(errors="replace").decode())

    def settle(self, about: str) -> None:
        self._said.pop(about, None)


class TrainedFolder:
    """Reads the tables in a folder; a file only after it has changed. Problems are logged once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, tuple[_Version, str]] = {}
        """Name → version of its file, and its table; empty for one that cannot be used."""
        self._complaints = Complaints()

    def tables(self) -> Tables:
        """The tables now. While the folder or a file cannot be read (a network share), those of the last time."""
        try:
            with os.scandir(self._root) as found:
                names = sorted(item.name for item in found if not item.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            names = []
        except OSError as error:
            self._complaints.say("", f"The folder of trained models {self._root} cannot be read: {error}")
            names = [*self._read]
        else:
            self._complaints.settle("")
        self._read = {name: read for name in names if (read := self._look(name)) is not None}
        return {name: table for name, (_, table) in self._read.items() if table}

    def _look(self, name: str) -> tuple[_Version, str] | None:
        """None if there is no table."""
        path, known = self._root / name / TABLE, self._read.get(name)
        try:
            found = path.stat()
            version = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
            if known is not None and known[0] == version:
                return known
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("it is not a file")
            table = _table(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:  # perhaps for a moment; a circle of links is one of them
            self._complaints.say(name, f"{path} cannot be read: {error}")
            return known
        except (ValueError, RecursionError) as error:
            self._complaints.say(name, f"{path} cannot be read: {error}")
            return version, ""
        self._complaints.settle(name)
        return version, table


def _table(path: Path) -> str:
    """The table in a file, which names the weights beside it wherever the folder is now. Raises OSError, ValueError."""
    with path.open(encoding="utf-8") as file:
        text = file.read(MOST_CHARACTERS + 1)
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has more than {MOST_CHARACTERS:,} characters")
    table = json.loads(text)
    if isinstance(table, dict) and isinstance(given := table.get("file"), str):
        beside = path.with_name(Path(given).name or TABLE)
        if beside.is_file() or not Path(given).is_file():  # else the host has named another place
            table["file"] = str(beside)
    return json.dumps(table, ensure_ascii=False)


def bounded(tables: Mapping[str, str]) -> Tables:
    """The first of *tables* by name: at most `MOST`, of `MOST_TOGETHER` characters."""
    found: Tables = {}
    room = MOST_TOGETHER
    for name, text in sorted(tables.items())[:MOST]:
        room -= len(text)
        if room < 0:
            break
        found[name] = text
    return found


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a table describes. *model*: None for an adapter."""

    entry: Entry
    model: Model | None


class TableReader:
    """Reads each table once, however often it is seen. One that cannot be used is left out, and logged once."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, TrainedModel | None]] = {}
        self._complaints = Complaints()

    def models(self, tables: Mapping[str, str]) -> dict[str, TrainedModel]:
        """The models of as many *tables* as `bounded` leaves."""
        taken = bounded(tables)
        if left := len(tables) - len(taken):
            why = f"there may be {MOST} with tables of {MOST_TOGETHER:,} characters together"
            self._complaints.say("", f"{left} of {len(tables)} trained models are left out: {why}.")
        else:
            self._complaints.settle("")
        self._read = {name: self._model(name, text) for name, text in taken.items()}
        return {name: model for name, (_, model) in self._read.items() if model is not None}

    def _model(self, name: str, text: str) -> tuple[str, TrainedModel | None]:
        if name in self._read and self._read[name][0] == text:
            return self._read[name]
        try:
            table = read_custom_models({name: json.loads(text)})[name]
            found = TrainedModel(table.entry(name), table.model(name) if table.paints else None)
        except (WeightsError, ValueError, ArithmeticError, TypeError, RecursionError) as error:
            self._complaints.say(name, f"The trained model {name} is left out: {error}")
            return text, None
        self._complaints.settle(name)
        return text, found


def register_trained_models(found: Mapping[str, TrainedModel]) -> None:
    """Makes *found* the trained models of this process. A model of the configuration hides one of its name."""
    shown = [one for name, one in found.items() if not is_configured(name)]
    set_trained_entries(one.entry for one in shown)
    set_trained_models(one.model for one in shown if one.model is not None)


class _Known:
    """The folder as this process knows it."""

    def __init__(self, root: Path) -> None:
        self.folder, self.reader = TrainedFolder(root), TableReader()
        self.tables: Tables = {}
        """Those that can be used."""


_lock = threading.Lock()
_known: dict[Path, _Known] = {}


def refresh_trained_models(
    environ: Mapping[str, str] = os.environ, *, keep: Collection[str] | None = None
) -> Mapping[str, str]:
    """Reads the folder and registers what has changed. Returns the tables that can be used, by name.

    *keep*: names that stay although their folders are gone, because work needs them; None = all names stay.
    """
    root = trained_folder(environ)
    with _lock:
        known = _known.setdefault(root, _Known(root))
        found = known.folder.tables()
        kept = {name: table for name, table in known.tables.items() if keep is None or name in keep}
        tables = {**kept, **found}
        models = known.reader.models(tables)
        known.tables = {name: tables[name] for name in models}
        register_trained_models(models)
        return {name: table for name, table in known.tables.items() if not is_configured(name)}


def share_custom_models(own: Mapping[str, CustomModel], environ: MutableMapping[str, str]) -> None:
    """Registers *own* in this process and in every engine that is started with *environ*, and the trained models here.

    Raises WeightsError.
    """
    check_custom_models(own)
    add_custom_models(own)
    share_tables(own, environ)
    refresh_trained_models(environ, keep=())
