"""`python -m bot` in which something dies at a named crash point as if it had been killed.

DREAMBOT_CRASH_AT names the point, DREAMBOT_CRASH_VISIT which time it is reached, DREAMBOT_CRASH_WHO what dies there:
the bot, the engine (of several workers, their router), both, all workers, or the first one, which gets the first job.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from pathlib import Path

import psutil

from bot import retry as failpoints
from bot.__main__ import main

KILLED = 137
CAME_BY = "came-by"
"""A file in the data folder that appears when the point has been reached."""
visits = itertools.count(1)


def die(name: str) -> None:
    folder = Path(os.environ["DREAMBOT_DATA"])
    if name != os.environ["DREAMBOT_CRASH_AT"] or (folder / CAME_BY).exists():
        return
    if next(visits) < int(os.environ["DREAMBOT_CRASH_VISIT"]):
        return
    (folder / CAME_BY).touch()
    if os.environ["DREAMBOT_CRASH_WHO"] in ("engine", "both"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((folder / "engine.pid").read_text()), signal.SIGKILL)
    if (who := os.environ["DREAMBOT_CRASH_WHO"]) in ("workers", "worker"):
        workers = psutil.Process(int((folder / "engine.pid").read_text())).children()
        for worker in sorted(workers, key=lambda one: one.pid)[: 1 if who == "worker" else None]:
            worker.kill()
    if os.environ["DREAMBOT_CRASH_WHO"] in ("bot", "both"):
        os._exit(KILLED)


if __name__ == "__main__":
    failpoints.install(die)
    sys.exit(main())
