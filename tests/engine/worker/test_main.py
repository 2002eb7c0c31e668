"""The real child process: torch, the worker, the protocol, and no process left behind."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from engine.client.supervisor import DEFAULT_COMMAND, UNUSABLE_STATUS
from engine.images.opening import open_own
from engine.images.pictures import to_png
from engine.protocol.messages import Failure, Job, Picture, Result
from engine.requests.request import UpscaleRequest
from tests.engine.client.test_local import Client, is_running, started

ROOT = Path(__file__).parents[3]
EXECUTED = (sys.executable, "-u", "-m", "engine.worker.main")
"""The engine as a new process, not forked from one with torch."""
PARENT = """
import asyncio, sys
from engine.client.local import LocalEngine
from engine.protocol.messages import Ready

async def main():
    engine = LocalEngine([sys.executable, "-m", "engine.worker.main"], threads=1)
    await engine.start()
    async for event in engine.events():
        print(event.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def upscale(client: Client, job: str, side: int, scale: int) -> None:
    png = to_png(Image.radial_gradient("L").resize((side, side)))
    request = UpscaleRequest(
        image=hashlib.sha256(png).hexdigest(), upscaler="lanczos", scale=scale, width=side, height=side
    )
    await client.engine.submit(Job(job, 1, "somebody", request), {request.image: png})


async def test_the_real_child_works_whatever_the_terminal_says_and_is_answered_for_when_it_dies() -> None:
    async with started(command=EXECUTED, threads=1) as client:
        await client.until(lambda seen: bool(seen), 60)
        first = client.readies[0]
        for number in (signal.SIGINT, signal.SIGTERM):  # they reach parent and child; they are the parent's to answer
            os.kill(first.pid, number)
        await upscale(client, "a", 64, 2)
        await client.until(lambda _: bool(client.ends("a")), 30)
        await upscale(client, "b", 2000, 8)
        os.kill(first.pid, signal.SIGKILL)
        await client.until(lambda _: bool(client.ends("b")))

    picture = next(event for event in client.seen if isinstance(event, Picture))
    assert (128, 128) == open_own(picture.png).size
    assert [Result, Failure] == [type(client.ends(job)[0]) for job in ("a", "b")]
    assert "lanczos" in first.upscalers


def test_the_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()

    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def test_alone_it_says_that_it_is_started_by_a_client() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine.worker.main"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (2, "This process must be started by its client; it found no connection in its environment.\n") == (
        done.returncode,
        done.stderr,
    )


async def test_a_device_that_does_not_work_makes_the_engine_unusable_in_words() -> None:
    async with started(command=DEFAULT_COMMAND, device="quantum") as client:
        await client.until(lambda seen: bool(seen), 60)

    assert "The device “quantum” does not work" in client.readies[0].unavailable["engine"]
    assert 78 == UNUSABLE_STATUS


async def test_a_command_that_is_no_command_ends_the_child() -> None:
    async with started(command=DEFAULT_COMMAND, threads=1) as client:
        await client.until(lambda seen: bool(seen), 60)
        pid = client.readies[0].pid
        child = client.engine._supervisor.child
        assert child
        child.streams[1].write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(20):
            while client.engine.ready:
                await asyncio.sleep(0.05)

    assert not is_running(pid)
