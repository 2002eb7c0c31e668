"""The parent of a process, by which a stale pid file is recognised."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bot.playground.processes import parent_of


def test_a_process_is_the_child_of_its_parent() -> None:
    assert os.getppid() == parent_of(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="asks a program elsewhere")
def test_an_ended_process_has_no_parent_also_where_no_program_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as ended:
        ended.wait()
    monkeypatch.setenv("PATH", "")

    assert None is parent_of(ended.pid)
