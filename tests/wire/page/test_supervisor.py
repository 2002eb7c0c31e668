"""`python -m bot playground`: the printed address and the life of its processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.playground.server.world.json_types import Json

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PATIENCE = 60.0


class Playground:
    """The running command and its page."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, session: aiohttp.ClientSession) -> None:
        self.process, self.url, self.session = process, url, session

    async def snapshot(self) -> Json:
        async with self.session.get(f"{self.url}api/events") as stream:
            await stream.content.readline()
            data: Json = json.loads((await stream.content.readline()).decode().removeprefix("data: "))
            return data

    async def until(self, online: bool, engine: str) -> Json:
        deadline = time.monotonic() + PATIENCE
        while True:
            seen = await self.snapshot()
            if (seen["bot"]["online"], seen["engine"]["state"]) == (online, engine) and seen["commands"]:
                return seen
            assert time.monotonic() < deadline, (
                f"waited in vain for {online}, {engine}; it is {seen['bot']}, {seen['engine']}"
            )
            await asyncio.sleep(0.1)

    async def post(self, path: str, **given: object) -> Json:
        headers = {"Origin": self.url.rstrip("/")}
        async with self.session.post(self.url + path, headers=headers, **given) as response:  # type: ignore[arg-type]
            body: Json = await response.json()
            return body


@asynccontextmanager
async def playground(folder: Path, port: int) -> AsyncIterator[Playground]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    settings = folder / "config.toml"
    settings.write_text(f"[playground]\nport = {port}\n[delivery]\nedit_seconds = 0.2\n", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "playground", "--config", str(settings),
        stdout=asyncio.subprocess.PIPE, env=environ, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
    found = re.search(r"(http://127\.0\.0\.1:\d+/)\?token=\S+", line)
    assert found, line
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        try:
            async with session.get(found[0]) as page:
                assert page.status == 200
            yield Playground(process, found[1], session)
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)


def children(pid: int) -> list[int]:
    """All descendants of process *pid*."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [child for child, parent in pairs if parent == pid]
    return found + [each for child in found for each in children(child)]


async def test_a_taken_port_a_restart_a_killed_engine_and_a_clean_exit(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        async with playground(tmp_path, wanted) as play:
            first = await play.until(True, "ready")
            await play.post("api/control", json={"do": "restart_bot"})
            again = await play.until(True, "ready")
            await play.post("api/control", json={"do": "kill_engine"})
            await play.until(True, "starting")
            revived = await play.until(True, "ready")
            below = children(play.process.pid)
            play.process.send_signal(signal.SIGINT)
            status = await asyncio.wait_for(play.process.wait(), PATIENCE)

    assert f":{wanted}/" not in play.url
    assert 3 == len({snapshot["engine"]["note"] for snapshot in (first, again, revived)})
    assert 0 == status
    assert [] == [pid for pid in below if Path(f"/proc/{pid}").exists()]


async def test_no_process_survives_a_killed_playground(tmp_path: Path) -> None:
    async with playground(tmp_path, 8790) as play:
        await play.until(True, "ready")
        below = children(play.process.pid)
        play.process.kill()
        await play.process.wait()

    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in below):
        assert time.monotonic() < deadline, f"still there: {below}"
        await asyncio.sleep(0.1)
    assert len(below) >= 2
