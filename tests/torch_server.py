"""Forks processes from one that has imported torch or the bot: that takes 2.2 and 0.9 CPU seconds each time."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from multiprocessing.popen_forkserver import Popen
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

BOT = ("bot.app", "bot.config.messages", "bot.operations.backup", "bot.operations.health", "bot.operations.restore")
"""What `python -m bot` imports for its commands."""


def _server(*modules: str) -> multiprocessing.forkserver.ForkServer:
    server = multiprocessing.forkserver.ForkServer()
    server.set_forkserver_preload([*modules, "tests.torch_server"])
    return server


class _Popen(Popen):
    def _launch(self, process: TorchProcess) -> None:
        usual = multiprocessing.forkserver.connect_to_new_process
        multiprocessing.forkserver.connect_to_new_process = process.server.connect_to_new_process
        try:
            super()._launch(process)  # type: ignore[misc]
        finally:
            multiprocessing.forkserver.connect_to_new_process = usual


class TorchProcess(ForkServerProcess):
    """A `multiprocessing.Process` that begins with torch imported, and with nothing of the engine."""

    server = _server("torch")

    @staticmethod
    def _Popen(process: BaseProcess) -> _Popen:  # noqa: N802 (multiprocessing's name)
        return _Popen(process)


class BotProcess(TorchProcess):
    """One that begins with the bot imported, and without torch."""

    server = _server(*BOT)


def start_python(
    *arguments: str, cwd: Path, env: Mapping[str, str], out: int, err: int, kind: type[TorchProcess]
) -> TorchProcess:
    """`python -c CODE` or `python -m NAME …` in a fork, with its output in these descriptors. Linux only."""
    process = kind(target=_run, args=(arguments, str(cwd), dict(env), DupFd(out), DupFd(err)))
    process.start()
    return process


def run_python(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] = os.environ,
    timeout: float = 100,
    kind: type[TorchProcess] = TorchProcess,
) -> subprocess.CompletedProcess[str]:
    """`python -c CODE` or `python -m NAME …`, its output captured. Raises TimeoutExpired after *timeout* seconds."""
    if sys.platform != "linux":
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start_python(*arguments, cwd=cwd, env=env, out=out.fileno(), err=err.fileno(), kind=kind)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout)
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(arguments, process.exitcode, out.read(), err.read())


def _run(arguments: Sequence[str], cwd: str, env: dict[str, str], out: Any, err: Any) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    os.dup2(out.detach(), 1)
    os.dup2(err.detach(), 2)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", 1, encoding="utf-8", closefd=False) for n in (1, 2))
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    option, what, *sys.argv[1:] = arguments
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
