"""Models that `python -m engine train` has made: a folder each, in the folder of weights, with a table `model.json`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from engine.weights.store.folder import weights_folder

TABLE = "model.json"
log = logging.getLogger(__name__)


def trained_folder(environ: Mapping[str, str] = os.environ) -> Path:
    return weights_folder(environ).root / "trained"


def trained_tables(environ: Mapping[str, str] = os.environ) -> dict[str, object]:
    """Name → the table of every trained model. A table that cannot be read is left out with a warning."""
    tables: dict[str, object] = {}
    for path in sorted(trained_folder(environ).glob(f"*/{TABLE}")):
        try:
            tables[path.parent.name] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", path, error)
    return tables
