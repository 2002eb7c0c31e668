"""The processes of bot and engine: kept running, restarted, killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.playground import processes as processes_module
from bot.playground.child_process import Child
from bot.playground.processes import BotAndEngine, parent_of
from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.gateway.gateway import Gateway
from tests.wire.page.conftest import Browser

SLEEPER = "import time; print('2026-01-01 00:00:00 WARNING bot: up', flush=True); time.sleep(60)"


async def sleeper(log: Path) -> Child:
    """A process that sleeps, in place of the bot."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SLEEPER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    return Child(process, log)


@asynccontextmanager
async def kept(gateway: Gateway, folder: Path) -> AsyncIterator[tuple[BotAndEngine, list[Child]]]:
    lives: list[Child] = []

    async def start() -> Child:
        lives.append(await sleeper(folder / "bot.log"))
        return lives[-1]

    processes = BotAndEngine(start, gateway, folder)
    keeping = asyncio.create_task(processes.keep_running())
    await soon(lambda: lives)
    try:
        yield processes, lives
    finally:
        keeping.cancel()
        await processes.stop()
        await asyncio.gather(keeping, return_exceptions=True)


async def soon(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def test_a_restart_ends_the_old_process_before_the_new_one_starts(browser: Browser, tmp_path: Path) -> None:
    async with kept(browser.site.gateway, tmp_path) as (processes, lives):
        await processes.control("restart_bot")
        await soon(lambda: len(lives) == 2)

        assert [False, True] == [life.running for life in lives]


async def test_a_killed_bot_is_started_again(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes_module, "FIRST_DELAY", 0.01)
    async with kept(browser.site.gateway, tmp_path) as (processes, lives):
        await processes.control("kill_bot")
        await soon(lambda: len(lives) == 2)

    assert "The bot exited with status -9" in capsys.readouterr().err


async def test_the_log_goes_to_a_file_and_warnings_to_the_terminal(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "bot.log"
    async with kept(browser.site.gateway, tmp_path):
        await soon(lambda: log.exists() and "bot: up" in log.read_text())

    assert "bot: up" in capsys.readouterr().err


async def test_the_engine_state_comes_from_its_pid_files(browser: Browser, tmp_path: Path) -> None:
    async with kept(browser.site.gateway, tmp_path) as (processes, _):
        states = [processes.state()["engine"]["state"]]
        for name in ("engine.pid", "engine.ready"):
            (tmp_path / name).write_text("4242\n")
            states.append(processes.state()["engine"]["state"])

    assert ["gone", "starting", "ready"] == states


async def test_only_a_child_of_the_bot_is_killed_as_engine(browser: Browser, tmp_path: Path) -> None:
    async with kept(browser.site.gateway, tmp_path) as (processes, _):
        with pytest.raises(NotPossibleError, match="not running"):
            await processes.control("kill_engine")
        (tmp_path / "engine.pid").write_text(f"{os.getppid()}\n")
        with pytest.raises(NotPossibleError, match="is not the engine of this bot"):
            await processes.control("kill_engine")
        with pytest.raises(NotPossibleError, match="not known here"):
            await processes.control("fly")


def test_the_parent_of_a_process_is_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert os.getpid() == parent_of(child.pid)
        child.kill()


def test_a_bot_ends_when_its_parent_is_gone() -> None:
    """The end of its standard input raises SIGTERM."""
    holding = (
        "import time\n"
        "from bot.playground.parent_watch import watch_parent\n"
        "watch_parent()\n"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdin is not None
        assert b"held\n" == child.stdout.readline()
        child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        status = child.poll()
        child.kill()

    assert -signal.SIGTERM == status
