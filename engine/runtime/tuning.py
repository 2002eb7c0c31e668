"""How steps are computed: compiled by `torch.compile` if the host wants it, on one CPU thread or on all cores.

A step runs compiled as a whole or not at all, because compiled kernels round differently and a replay records one flag
per step. The first step of each kind waits for the compiler. A kind that cannot be compiled runs uncompiled from then
on. PyTorch keeps compiled code in a folder, which is executed later, so no other user may be able to write to it.

The number of threads is chosen by timing real steps: on a busy machine two threads were 28 times slower than one.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import logging
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from engine.errors import InvalidRequest

T = TypeVar("T")

MOST_SHAPES = 16
"""Compiled variants of one network; steps of further shapes run uncompiled."""
WRITABLE = stat.S_IWGRP | stat.S_IWOTH

log = logging.getLogger(__name__)


def make_compiler(folder: Path | None) -> Compiler:
    """A compiler that keeps its code in *folder*; None = nothing is compiled."""
    if folder is None:
        return Compiler(takes=False)
    # By default torch starts one process per core, each with its own copy of torch in memory.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(min(max((os.cpu_count() or 1) // 2, 1), 4)))
    use_folder(folder)
    return Compiler()


class Compiler:
    """*takes*: whether anything is compiled. *backend*: as in `torch.compile`. Steps are taken on one thread."""

    def __init__(self, *, takes: bool = True, backend: str | Callable[..., Any] = "inductor") -> None:
        self.takes, self.backend, self.here = takes, backend, threading.local()
        self._compiled: set[Hashable] = set()
        self._refused: set[Hashable] = set()
        self.problem = ""  # the first reason why something could not be compiled

    @property
    def state(self) -> str:
        """One sentence for the host, without its full stop; empty if nothing is to be compiled."""
        if not self.takes:
            return ""
        done = f"{len(self._compiled)} {'kind' if len(self._compiled) == 1 else 'kinds'} of steps compiled"
        return f"{done}; others run uncompiled: {self.problem}" if self.problem else done

    def take(self, net: nn.Module) -> None:
        """Lets *net* run compiled within steps. Weights and names stay the same."""
        if self.takes:
            net.forward = _Forward(net, self)

    def step(self, kind: Hashable, work: Callable[[], T], wanted: bool | None = None) -> tuple[T, bool]:
        """(What *work* returned, whether its networks ran compiled.)

        *kind*: equal for steps that run the same networks on equal shapes. *work* must change nothing, because it is
        done again if compilation fails. *wanted*: what a replay recorded; None = as the host has it.
        """
        if not self.takes or wanted is False or kind in self._refused:
            return work(), False
        self.here.on, self.here.used = True, False
        try:
            result = work()
        except _compiler_errors() as error:
            self._refuse(kind, error)
        else:
            if self.here.used:
                self._compiled.add(kind)
            return result, self.here.used
        finally:
            self.here.on = False
        return work(), False

    def _refuse(self, kind: Hashable, error: BaseException) -> None:
        self._refused.add(kind)
        inner: BaseException = getattr(error, "inner_exception", error)
        why = (str(inner).strip().splitlines() or [type(inner).__name__])[0][:300]
        log.warning("A kind of step cannot be compiled and runs uncompiled: %s", why)
        self.problem = self.problem or why


class _Forward:
    """Replaces a network's forward: compiled within compiled steps, plain elsewhere."""

    def __init__(self, net: nn.Module, compiler: Compiler) -> None:
        self._compiler = compiler
        self._plain: Callable[..., Any] = net.forward
        self._compiled: dict[int, Callable[..., Any]] = {}  # by CPU threads, which generated code is made for

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not getattr(self._compiler.here, "on", False):
            return self._plain(*args, **kwargs)
        threads = torch.get_num_threads()
        if threads not in self._compiled:
            compile_: Any = torch.compile  # its types lack some arguments, and older versions lack these two
            known = inspect.signature(compile_).parameters
            wanted = {"isolate_recompiles": True, "recompile_limit": MOST_SHAPES}
            limits = {name: value for name, value in wanted.items() if name in known}
            self._compiled[threads] = compile_(
                self._plain, fullgraph=True, dynamic=False, backend=self._compiler.backend, **limits
            )
        result = self._compiled[threads](*args, **kwargs)
        self._compiler.here.used = True
        return result


def use_folder(wanted: Path, environ: MutableMapping[str, str] = os.environ) -> Path:
    """Makes torch keep compiled code in *wanted*, or in a temporary folder if others could write to it."""
    folder = wanted.expanduser().absolute()
    if problem := _problem(folder):
        log.warning("Compiled code is not kept: %s", problem)
        folder = Path(tempfile.mkdtemp(prefix="dreambot-compiled-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environ["TORCHINDUCTOR_CACHE_DIR"], environ["TRITON_CACHE_DIR"] = str(folder), str(folder / "triton")
    return folder


def _problem(folder: Path) -> str:
    """Why *folder*, which is made if it is missing, cannot be used; empty if it can. Windows is not checked."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for place in (folder.resolve(), *folder.resolve().parents) if hasattr(os, "getuid") else ():
            own, seen = place == folder.resolve(), place.stat()
            if seen.st_uid not in ({os.getuid()} if own else {os.getuid(), 0}):
                return f"{place} belongs to another user."
            if seen.st_mode & WRITABLE and (own or not seen.st_mode & stat.S_ISVTX):
                return f"others may write to {place}, and its code would be run; chmod go-w {place}."
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror or error}."
    return ""


def _compiler_errors() -> tuple[type[BaseException], ...]:
    """What torch raises when it cannot compile; nothing is imported for it."""
    exc, inductor = sys.modules.get("torch._dynamo.exc"), sys.modules.get("torch._inductor.exc")
    found = [getattr(exc, name, None) for name in ("TorchDynamoException", "FailOnRecompileLimitHit")]
    return tuple(error for error in (*found, getattr(inductor, "InductorError", None)) if error)


WARM_UP = 1
"""Steps after a change of threads that are not timed."""
TRIALS = 2
"""Timed steps per number of threads."""
WORTH = 0.9
"""All cores are used if they bring the time of a step down to this share."""
COLLAPSE = 3.0
"""Two steps in a row that are this many times slower than the best end the use of all cores."""
AGAIN_SECONDS = 600.0
"""The choice is measured again after this time, because machines become busy and idle."""


AUTO = "auto"
MOST = 1024
"""Upper limit of `[engine] threads`."""


def use_threads(count: int) -> None:
    """Sets the number of threads that torch computes with when called from this thread."""
    torch.set_num_threads(count)
    torch.get_num_threads()  # otherwise the first computation would use what another thread sets later


class Threads:
    """*wanted* is a number, or "auto"; raises InvalidRequest for anything else.

    Must be used on one thread only: torch counts threads per thread.
    """

    def __init__(
        self,
        wanted: str,
        cores: int,
        *,
        apply: Callable[[int], None] = use_threads,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        fixed = 0 if wanted == AUTO else _number(wanted)
        self._candidates = (fixed,) if fixed else (1, cores) if cores > 1 else (1,)
        self._apply, self._clock, self._cores = apply, clock, cores
        self.count = 0
        self._decided_at = clock()
        self._trial: _Trial | None = _Trial(self._candidates) if len(self._candidates) > 1 else None
        self._best: dict[Hashable, float] = {}
        self._slow = 0
        self._use(self._candidates[0])

    @contextlib.contextmanager
    def step(self, kind: Hashable, count: int = 0) -> Iterator[None]:
        """Around one step. Only steps of one *kind* (batch key and size) are compared with each other.

        *count*: the threads that a replay recorded; used if there are so many cores and the host fixed no number.
        """
        if 0 < count <= self._cores and len(self._candidates) > 1:
            with self._as_wanted(count):
                yield
            return
        if self._trial is None and len(self._candidates) > 1 and self._clock() - self._decided_at > AGAIN_SECONDS:
            self._trial = _Trial(self._candidates)
        if self._trial:
            self._use(self._trial.count(kind))
        started = self._clock()
        yield
        seconds = self._clock() - started
        if self._trial:
            self._take(self._trial, kind, seconds)
        else:
            self._watch(kind, seconds)

    @contextlib.contextmanager
    def _as_wanted(self, count: int) -> Iterator[None]:
        former = self.count
        self._use(count)
        try:
            yield
        finally:
            self._use(former)

    def _take(self, trial: _Trial, kind: Hashable, seconds: float) -> None:
        if (verdict := trial.add(kind, seconds)) is not None:
            self._trial, self._decided_at, self._slow = None, self._clock(), 0
            self._best.clear()
            self._use(verdict)

    def _watch(self, kind: Hashable, seconds: float) -> None:
        """Goes back to one thread when steps on all cores become much slower, because other programs need the cores."""
        best = self._best[kind] = min(self._best.get(kind, seconds), seconds)
        self._slow = self._slow + 1 if seconds > best * COLLAPSE else 0
        if self._slow >= 2 and self.count > 1 and len(self._candidates) > 1:
            self._decided_at, self._slow = self._clock(), 0
            self._use(1)

    def _use(self, count: int) -> None:
        if count != self.count:
            self.count = count
            self._apply(count)


def _number(wanted: str) -> int:
    if not wanted.isdecimal() or len(wanted) > 4 or not 1 <= int(wanted) <= MOST:
        raise InvalidRequest(
            f"“{wanted[:40]}” is not a number of CPU threads: use 1 to {MOST}, or {AUTO}, which finds the fastest."
        )
    return int(wanted)


class _Trial:
    """Times steps of each kind with one thread, then with all cores. The first kind that is done decides."""

    def __init__(self, candidates: tuple[int, ...]) -> None:
        self._candidates = candidates
        self._times: dict[Hashable, list[list[float]]] = {}

    def count(self, kind: Hashable) -> int:
        """The number of threads for the next step of *kind*."""
        return self._candidates[len(self._times.get(kind, [[]])) - 1]

    def add(self, kind: Hashable, seconds: float) -> int | None:
        """Records one step; returns the number of threads to use once it is known."""
        times = self._times.setdefault(kind, [[]])
        times[-1].append(seconds)
        if len(times[-1]) < WARM_UP + TRIALS:
            return None
        if len(times) < len(self._candidates):
            times.append([])
            return None
        few, many = (min(times[WARM_UP:]) for times in times)
        return self._candidates[1] if many < few * WORTH else self._candidates[0]
