"""Memory of processes, protection of this process's memory, and pauses of its event loop."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import sys
import threading
import time
from traceback import walk_stack

import psutil

from bot.operations.metrics import Timing

log = logging.getLogger(__name__)
TICK = 0.1
"""Seconds between two looks at the event loop."""
STALL = 0.1
"""Seconds of delay from which on the stack is logged."""
_PR_SET_DUMPABLE = 4
"""prctl(2)."""


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of process *pid* (None: this one) in bytes; 0 if there is no such process."""
    try:
        return int(psutil.Process(pid).memory_info().rss)  # type: ignore[no-untyped-call]
    except psutil.Error:
        return 0


def hide_memory() -> None:
    """Deny other processes of this user this one's memory, environment and core dumps, which hold the token.

    Linux only. The superuser and processes with CAP_SYS_PTRACE can still read them.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
            log.warning("The token is not protected from other processes: %s", os.strerror(ctypes.get_errno()))


def freeze_memory() -> None:
    """Exempt all present objects from garbage collection; a full collection of the bot's modules takes 60 ms of CPU.

    Call it once, when the start-up is over.
    """
    gc.collect()
    gc.freeze()


class LoopWatch:
    """Measures how late the event loop is. At debug level, it logs where the loop was during a stall.

    *lags*: gets the delay in seconds, ten times a second.
    """

    def __init__(self, lags: Timing) -> None:
        self._lags = lags
        self._due = 0.0
        """When the loop should look at the clock next (monotonic); 0 if it need not."""
        self._stack = ""

    async def run(self) -> None:
        """Measure the event loop's lag every `TICK` seconds until cancelled."""
        self._due = time.monotonic() + TICK
        if log.isEnabledFor(logging.DEBUG):
            threading.Thread(target=self._sample, args=(threading.get_ident(),), name="loop watch", daemon=True).start()
        try:
            while True:
                busy, self._stack, self._due = time.thread_time(), "", time.monotonic() + TICK
                await asyncio.sleep(TICK)
                lag, busy = max(0.0, time.monotonic() - self._due), time.thread_time() - busy
                self._lags.add(lag)
                if lag >= STALL:
                    log.debug("the event loop was %.2f s late and computed for %.2f s %s", lag, busy, self._stack)
        finally:
            self._due = 0.0

    def _sample(self, loop_thread: int) -> None:
        """Keep the stack of the loop's thread halfway to a stall. The thread ends with `run`."""
        while due := self._due:
            time.sleep(STALL / 4)
            frame = sys._current_frames().get(loop_thread)
            if not self._stack and due == self._due and time.monotonic() > due + STALL / 2 and frame is not None:
                stack = [f"\n  {one.f_code.co_filename}:{line} {one.f_code.co_name}" for one, line in walk_stack(frame)]
                self._stack = "in:" + "".join(stack)
