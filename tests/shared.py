"""Where the reference numbers and Discord's schemas lie: a folder `shared` beside the checkout, or $DREAMBOT_SHARED."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("DREAMBOT_SHARED", Path(__file__).parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """The path of one shared file; skips the calling test, and says why, where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {'/'.join(parts)} in a folder “shared” beside the checkout, or in $DREAMBOT_SHARED")
    return path
