"""Compiles networks with `torch.compile`, if the host wants it.

A step runs compiled as a whole or not at all, because compiled kernels round differently and a replay records one flag
per step. The first step of each kind waits for the compiler. A kind that cannot be compiled runs uncompiled from then
on. PyTorch keeps compiled code in a folder, which is executed later, so no other user may be able to write to it.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Hashable, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

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
            limits = {"isolate_recompiles": True, "recompile_limit": MOST_SHAPES}
            compile_: Any = torch.compile  # its types lack some arguments
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
