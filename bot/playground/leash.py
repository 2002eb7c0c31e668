"""`python -m bot` on a leash: ends when the process that started it has ended, however that came about.

The starter holds the other end of our stdin and never writes. When it dies, even by SIGKILL, reading gives the end of
the file; then the bot is asked to stop, and made to if it does not. So no bot is left behind.
"""

import os
import signal
import sys
import threading
import time

PATIENCE = 12.0
"""Seconds for a clean end; the bot gives running pictures 8."""


def _hold_on() -> None:
    while os.read(0, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)


def main() -> int:
    threading.Thread(target=_hold_on, name="leash", daemon=True).start()
    from bot.__main__ import main as run  # after the leash: it must hold from the start

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
