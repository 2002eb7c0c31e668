"""Ends this process after the process that started it has ended, even by SIGKILL.

The parent holds the other end of our stdin and never writes to it. The end of that file means that the parent is gone.
"""

import os
import signal
import threading
import time

STOP_SECONDS = 12.0
"""After SIGTERM the process may take this long; then it exits at once. Running jobs get 8 of these seconds."""


def watch_parent() -> None:
    """Watch stdin in a thread."""
    threading.Thread(target=_wait_for_end, name="parent-watch", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)
