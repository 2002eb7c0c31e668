"""`python -m bot` that ends at a named crash point as if it had been killed: DREAMBOT_CRASH_AT."""

from __future__ import annotations

import os
import sys

from bot import crashpoints
from bot.__main__ import main

KILLED = 137


def die(name: str) -> None:
    if name == os.environ["DREAMBOT_CRASH_AT"]:
        os._exit(KILLED)


if __name__ == "__main__":
    crashpoints.install(die)
    sys.exit(main())
