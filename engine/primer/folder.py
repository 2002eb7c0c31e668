"""The folder outside the repository that holds icons, painted pictures, checkpoints and sample sheets."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def training_folder() -> Path:
    """Return `DREAMBOT_TRAINING`, or a folder in the user's cache; create it if it is missing."""
    folder = Path(os.environ.get("DREAMBOT_TRAINING") or platformdirs.user_cache_path("dreambot") / "training")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
