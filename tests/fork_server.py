"""Starts fake engines by forking one warm process, because importing what they need takes 0.85 CPU seconds each time.

`engine.client.supervisor.start_child` is replaced while tests run: `FAKE` is forked, every other command is executed.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd

from engine.client.child_process import EngineProcess, start_child
from engine.client.transport import FD, SocketPair
from tests.fake_engine import serve

FAKE = (sys.executable, "-m", "tests.fake_engine")


class Forked:
    """What `EngineProcess` needs of an `asyncio.subprocess.Process`, for a process that was forked."""

    def __init__(self, process: BaseProcess, output: asyncio.StreamReader) -> None:
        self._process, self.stdout = process, output
        assert process.pid is not None
        self.pid: int = process.pid
        self._ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode if self._ended.done() else None

    def kill(self) -> None:
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set_result(self._process.exitcode)


async def start_fake_or_real(command: Sequence[str], environ: Mapping[str, str]) -> EngineProcess:
    """`start_child`, which forks the fake engine."""
    if tuple(command) != FAKE or sys.platform != "linux":
        return await start_child(command, environ)
    link = await SocketPair.make()
    near, far = os.pipe()
    try:
        process = _context().Process(
            target=_run, args=(dict(environ), DupFd(link.far.fileno()), DupFd(far)), daemon=True
        )
        process.start()
    except BaseException:
        link.close()
        os.close(near)
        raise
    finally:
        os.close(far)
    output = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), os.fdopen(near, "rb"))
    child = EngineProcess(Forked(process, output), await link.accept())  # type: ignore[arg-type]
    child.listen()
    return child


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.fake_engine"])
    return context


def _run(environ: dict[str, str], sock: DupFd, output: DupFd) -> None:
    """In the forked process: as if it had been executed with *environ* and these descriptors."""
    os.environ.clear()
    os.environ.update(environ)
    out = output.detach()
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ[FD] = str(sock.detach())
    serve()
