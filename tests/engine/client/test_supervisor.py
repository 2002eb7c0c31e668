"""The supervisor: there is always one engine process, and never two."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.client.supervisor import Supervisor, SupervisorTimeouts
from engine.protocol.framing import Message
from engine.protocol.messages import Ready
from tests.fork_server import FAKE

SECONDS = 60


class Readies:
    """Who was ready, in order; *mishap* is called with each of them first."""

    def __init__(self, mishap: Callable[[int], None] = lambda _: None) -> None:
        self.pids: asyncio.Queue[int] = asyncio.Queue()
        self._mishap = mishap

    def received(self, message: Message) -> bool:
        assert isinstance(message, Ready)
        self.pids.put_nowait(message.pid)
        self._mishap(message.pid)
        return False

    def frame_budget(self, kind: str, body: Any) -> int | None:
        return 0

    def died(self) -> None:
        pass

    def gave_up(self, why: str) -> None:
        pass

    def slowest_step(self) -> float | None:
        return None

    async def next(self) -> int:
        return await asyncio.wait_for(self.pids.get(), SECONDS)


@contextlib.asynccontextmanager
async def keeping(readies: Readies, pid_file: Path | None = None) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(FAKE, os.environ, readies, SupervisorTimeouts(backoff=(0.05, 0.2)), pid_file)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("name", ["engine.pid", "engine.ready"])
async def test_a_child_lives_although_the_files_that_name_it_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (tmp_path / f"{name}.new").mkdir()  # as a full disk: nothing can be written there
    readies = Readies()
    with caplog.at_level(logging.WARNING, "engine.client.supervisor"):
        async with keeping(readies, tmp_path / "engine.pid") as supervisor:
            pid = await readies.next()
            assert supervisor.child is not None and supervisor.child.pid == pid

    assert ["could not be brought up to date" in line for line in caplog.messages] == [True]
    assert 0 == supervisor.ends


async def test_whatever_breaks_in_one_life_the_child_is_ended_and_another_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []

    def mishap(pid: int) -> None:
        seen.append(pid)
        if len(seen) == 1:
            raise RuntimeError("nobody expected this")

    readies = Readies(mishap)
    async with keeping(readies) as supervisor:
        first, second = await readies.next(), await readies.next()
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert supervisor.child is not None and supervisor.child.pid == second

    assert any(record.exc_info and "nobody expected this" in str(record.exc_info[1]) for record in caplog.records)
    assert "nobody expected this" in supervisor.last_words
