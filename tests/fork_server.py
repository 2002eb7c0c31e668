"""Starts fake engines by forking one warm process, because importing what they need takes 0.85 CPU seconds each time.

`engine.client.supervisor.start_child` is replaced while tests run: `FAKE` is forked, and so is `ROUTER` with fake
workers, which that router forks; `REAL` is forked from a process with torch; every other command is executed.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Protocol

from engine.client import supervisor
from engine.client.supervisor import DEFAULT_COMMAND as REAL
from engine.client.supervisor import EngineProcess, start_child
from engine.client.transport import FD, SocketPair
from engine.environment import WORKER_VARIABLE
from engine.router import main as router
from engine.router.settings import ROUTER_VARIABLE, RouterSettings
from engine.worker import main as worker
from tests.fake_engine import serve
from tests.torch_server import TorchProcess

FAKE = (sys.executable, "-m", "tests.fake_engine")
ROUTER = (sys.executable, "-m", "engine.router.main")


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
    """`start_child`, which forks the fake engine, the router of fake engines and the real engine."""
    fakes = tuple(command) == ROUTER and RouterSettings.of(environ).command == FAKE
    if sys.platform != "linux" or not (fakes or tuple(command) in (FAKE, REAL)):
        return await start_child(command, environ)

    def start(sock: int, output: int) -> BaseProcess:
        run = _run_router if fakes else _run
        args = dict(environ), DupFd(sock), DupFd(output)
        if tuple(command) == REAL:
            return TorchProcess(target=_run_real, args=args)
        return _context().Process(target=run, args=args, daemon=not fakes)  # a daemon may not fork

    return await _forked(start, environ)


async def _start_worker(_: Sequence[str], environ: Mapping[str, str]) -> EngineProcess:
    """In a forked router: `start_child`, which forks that process."""

    def start(sock: int, output: int) -> BaseProcess:
        return multiprocessing.get_context("fork").Process(target=_become, args=(dict(environ), sock, output, serve))

    return await _forked(start, environ)


async def _forked(make: Callable[[int, int], BaseProcess], environ: Mapping[str, str]) -> EngineProcess:
    link = await SocketPair.make()

    def start(output: int) -> BaseProcess:
        process = make(link.far.fileno(), output)
        process.start()
        return process

    try:
        process = await forked(start)
    except BaseException:
        link.close()
        raise
    child = EngineProcess(process, await link.accept(), environ.get(WORKER_VARIABLE, ""))  # type: ignore[arg-type]
    child.listen()
    return child


async def forked(start: Callable[[int], BaseProcess]) -> Forked:
    """The process that *start* starts with the descriptor of its output."""
    near, far = os.pipe()
    try:
        process = start(far)
    except BaseException:
        os.close(near)
        raise
    finally:
        os.close(far)
    output = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), os.fdopen(near, "rb"))
    return Forked(process, output)


class _Descriptor(Protocol):
    """What `DupFd` makes: a file descriptor on its way to another process."""

    def detach(self) -> int: ...


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.fake_engine", "tests.fork_server"])
    return context


def _run(environ: dict[str, str], sock: _Descriptor, output: _Descriptor) -> None:
    """In the forked process: as if it had been executed with *environ* and these descriptors."""
    _become(environ, sock.detach(), output.detach(), serve)


def _run_real(environ: dict[str, str], sock: _Descriptor, output: _Descriptor) -> None:
    _become(environ, sock.detach(), output.detach(), lambda: sys.exit(worker.main()))


def _run_router(environ: dict[str, str], sock: _Descriptor, output: _Descriptor) -> None:
    supervisor.start_child = _start_worker  # type: ignore[assignment]
    _become(environ, sock.detach(), output.detach(), router.main)
    os._exit(0)


def _become(environ: dict[str, str], sock: int, output: int, run: Callable[[], object]) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ[FD] = str(sock)
    for path in list(Path("/proc/self/fd").iterdir()):  # a fork inherits the sockets of others, which must close
        with contextlib.suppress(OSError):
            if int(path.name) != sock and stat.S_ISSOCK(os.fstat(int(path.name)).st_mode):
                os.close(int(path.name))
    run()


def router_of(workers: int, **settings: object) -> dict[str, str]:
    """The environment of a `ROUTER` with so many fake workers: `cpu-1`, `cpu-2`, …"""
    found = RouterSettings.model_validate({"command": FAKE, "devices": ("cpu",) * workers, **settings})
    return {ROUTER_VARIABLE: found.model_dump_json()}


def main() -> int:
    """`python -m tests.fork_server`: a router whose workers are fakes, whatever its settings say."""
    settings = RouterSettings.of(os.environ).model_copy(update={"command": FAKE})
    os.environ.update(settings.variables)
    return router.main()


if __name__ == "__main__":
    sys.exit(main())
