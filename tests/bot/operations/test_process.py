"""Memory is known, hidden from others and frozen after the start; pauses of the event loop are measured."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from bot.operations.metrics import LAGS, Timing
from bot.operations.process import LoopWatch, resident_bytes

HIDDEN = """
import ctypes, os
from bot.operations.process import hide_memory
hide_memory()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), os.stat(f"/proc/{os.getpid()}/environ").st_uid)
"""
"""Prints PR_GET_DUMPABLE, and who owns the environment."""


def test_resident_memory_is_known_of_living_processes_only() -> None:
    assert 5 * 2**20 < resident_bytes() < 20 * 2**30
    assert 0 == resident_bytes(2**22 + 1)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_memory_and_environment_are_hidden_from_other_processes_of_the_user() -> None:
    found = subprocess.run([sys.executable, "-c", HIDDEN], check=True, capture_output=True, text=True)

    assert "0 0" == found.stdout.strip()


@pytest.fixture
def lags() -> Timing:
    return Timing("loop_lag_seconds", "Delay.", LAGS, CollectorRegistry())


async def blocked(lags: Timing, condition: Callable[[], bool]) -> None:
    """Watch a loop that stands still again and again, until *condition* is true."""
    watching = asyncio.create_task(LoopWatch(lags).run())
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.15)
            stand_still()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def stand_still() -> None:
    time.sleep(0.4)


async def test_a_pause_of_the_event_loop_is_measured(lags: Timing) -> None:
    await blocked(lags, lambda: lags.total > 0.25)

    assert lags.count > 0


async def test_at_debug_level_the_log_names_the_call_that_blocked(
    lags: Timing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bot.operations.process")
    await blocked(lags, lambda: " stand_still" in caplog.text)

    assert "the event loop was 0." in caplog.text
    for watcher in [thread for thread in threading.enumerate() if thread.name == "loop watch"]:
        watcher.join(10)
        assert not watcher.is_alive()


FROZEN = """
import gc, bot.app
from bot.operations.process import freeze_memory
before = len(gc.get_objects())
freeze_memory()
print(before > 50_000, len(gc.get_objects()) < 1000)
"""


def test_the_objects_of_the_start_are_not_collected_again() -> None:
    found = subprocess.run([sys.executable, "-c", FROZEN], check=True, capture_output=True, text=True)

    assert "True True" == found.stdout.strip()
