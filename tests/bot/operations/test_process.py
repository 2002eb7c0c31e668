"""The token is in no environment that the engine can read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.operations.process import resident_bytes

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
