"""Nets that are compiled by torch, where their host wants that, while pictures are painted as they are.

    compiler.take(net)                   its forward may be compiled from now on
    compiler.step(kind, work)            → what *work* returned, and whether its nets ran compiled

One graph for each form of what comes in (sizes, number format, with or without gradients): nothing is dynamic, so
nothing is ever compiled again, and `MOST_GRAPHS` is the end of it. A form is compiled when steps have asked for it
`REGULAR` times, on a thread of its own; until its graphs are ready a step runs as it always did, so nobody waits,
nothing seems dead, and what cannot be compiled costs no picture. A step runs compiled as a whole or not at all: sums
are rounded otherwise, and a replay has to know one thing only.
"""

from __future__ import annotations

import copy
import logging
import os
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from engine.runtime.compile_cache import clear, leave, open_folder, under_way
from engine.runtime.cpu_threads import use_threads

T = TypeVar("T")
Backend = Callable[[Any, Any], Callable[..., Any]]

REGULAR = 6
"""Steps, from which on a form is worth it: minutes at first, seconds where it was kept."""
MOST_GRAPHS = 16
"""Of one net; further forms are painted as they always were."""
MOST_FORMS = 512
"""Of one net that are counted."""
MOST_KINDS = 64
"""Kinds of steps that are remembered."""

ELSEWHERE = "using FX to symbolically trace"
"""What torch complains of while another thread compiles: it takes that for this one. The next step will do."""

log = logging.getLogger(__name__)


def make_compiler(folder: Path | None, *, waits: bool = False) -> Compiler:
    """One that keeps what it compiles in *folder*, if that is to be trusted; without a folder nothing is compiled."""
    if folder is None:
        return Compiler(takes=False)
    # torch's own choice is a process for every core, each with a torch of its own in memory.
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(min(max((os.cpu_count() or 1) // 2, 1), 4)))
    return Compiler(open_folder(folder), waits=waits)


class _Missing(Exception):
    """A step that was to run compiled has come to a net that is not."""


class _Compiled(Exception):
    """What was to be compiled is; it need not be run."""


class Form(NamedTuple):
    """What a graph is made for."""

    inputs: tuple[tuple[str, tuple[object, ...] | None], ...]
    """Name (or place) → shape, strides, dtype, device, whether a gradient is wanted; None = not given."""
    gradients: bool
    threads: int
    """Of the CPU: the code is made for so many."""
    thrifty: bool
    """As in `engine.nets.adm`."""

    def __str__(self) -> str:
        shape = next((spec[0] for _, spec in self.inputs if spec), ())
        assert isinstance(shape, tuple)
        return "×".join(map(str, shape)) + (" with gradients" if self.gradients else "")


@dataclass(slots=True, eq=False, weakref_slot=True)
class Graph:
    """One net for one form."""

    forward: _Forward
    form: Form
    asked: int = 0
    begun: bool = False
    run: Callable[..., Any] | None = None
    """None until it is compiled, and for ever if that fails."""


@dataclass(slots=True)
class _Step:
    compiled: bool
    seen: list[Graph] = field(default_factory=list)


class Compiler:
    """Of one runtime; steps are taken on one thread. *folder*: where `engine.runtime.compile_cache` keeps what is
    compiled.

    *takes*: without it nothing is compiled. *waits*: a step waits until its nets are compiled, as a shell that paints
    one picture would have it. *backend*: what compiles, if not torch's own.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        takes: bool = True,
        waits: bool = False,
        regular: int = REGULAR,
        backend: Backend | None = None,
    ) -> None:
        self._folder, self.takes, self._waits, self._regular = folder, takes, waits, regular
        self._backend = backend or _inductor
        self._here = threading.local()
        self._kinds: OrderedDict[Hashable, list[weakref.ref[Graph]]] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None
        self._tried_anew = False
        self.ready = 0
        self.problem = ""
        """Why something could not be compiled, in words; the first reason."""

    @property
    def state(self) -> str:
        """For the host: one sentence; empty where nothing is to be compiled."""
        if not self.takes:
            return ""
        done = f"{self.ready} {'form' if self.ready == 1 else 'forms'} of nets compiled"
        return f"{done}; the rest is painted uncompiled: {self.problem}" if self.problem else done

    def take(self, net: nn.Module) -> None:
        """From now on *net* may run compiled within a step. Weights and names stay as they are."""
        if self.takes:
            net.forward = _Forward(net, self)

    def step(self, kind: Hashable, work: Callable[[], T], wanted: bool | None = None) -> tuple[T, bool]:
        """(What *work* returned, whether its nets ran compiled: all of them or none).

        *kind*: equal for steps that ask the same nets for the same forms. *work* may be done twice, so it must not
        change anything. *wanted*: a replay wants it as it was; None = as it comes. Where it cannot be, it is not.
        """
        if wanted is not False and self._are_ready(kind) and (done := self._try(work)):
            return done[0], True
        result, graphs = self._run(work, compiled=False)
        self._remember(kind, graphs)
        if wanted is False or not graphs:
            return result, False
        waits = self._waits or bool(wanted)
        for graph in dict.fromkeys(graphs):
            self._ask(graph, waits)
        if waits and self._are_ready(kind) and (done := self._try(work)):
            return done[0], True
        return result, False

    def close(self) -> None:
        """Compile nothing more; what is under way is left to end by itself."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._folder:
            leave(self._folder)

    def call(self, forward: _Forward, inputs: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A net is called: compiled within a step that runs so, else as it is (a judge's look, another thread's)."""
        step: _Step | None = getattr(self._here, "step", None)
        if step is None:
            return forward.plain(*args, **kwargs)
        graph = forward.graph(_form(inputs, getattr(forward.net, "thrifty", False)))
        step.seen.append(graph)
        if not step.compiled:
            return forward.plain(*args, **kwargs)
        if graph.run is None:
            raise _Missing
        try:
            return graph.run(*args, **kwargs)
        except _misfits() as error:
            graph.run = None
            self._give_up(f"a graph does not fit what it was made for: {_why(error)}")
            raise _Missing from None
        except RuntimeError as error:
            if ELSEWHERE in str(error):
                raise _Missing from None
            raise

    def _run(self, work: Callable[[], T], *, compiled: bool) -> tuple[T, list[Graph]]:
        step = self._here.step = _Step(compiled)
        try:
            return work(), step.seen
        finally:
            self._here.step = None

    def _try(self, work: Callable[[], T]) -> tuple[T] | None:
        """*work* on compiled nets; None where one of them is missing after all, or does not fit."""
        try:
            return (self._run(work, compiled=True)[0],)
        except _Missing:
            return None

    def _are_ready(self, kind: Hashable) -> bool:
        graphs = [graph() for graph in self._kinds.get(kind, ())]
        return bool(graphs) and all(graph is not None and graph.run is not None for graph in graphs)

    def _remember(self, kind: Hashable, graphs: list[Graph]) -> None:
        """Weakly: a net that leaves takes its graphs along."""
        self._kinds[kind] = [weakref.ref(graph) for graph in dict.fromkeys(graphs)]
        self._kinds.move_to_end(kind)
        while len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)

    def _ask(self, graph: Graph, waits: bool) -> None:
        graph.asked += 1
        wanted = waits or graph.asked >= self._regular
        if not wanted or graph.begun or not graph.forward.has_room():
            return
        graph.begun = True
        if waits:
            self._compile(graph)
            return
        self._pool = self._pool or ThreadPoolExecutor(1, "compiling")
        self._pool.submit(self._compile, graph)

    def _compile(self, graph: Graph) -> None:
        what, began = f"{type(graph.forward.net).__name__} for {graph.form}", time.monotonic()
        log.info("Compiling %s.", what)
        try:
            graph.run = self._compiled(graph)
        except Exception as error:  # noqa: BLE001 - the border to a compiler: whatever it dies of, pictures go on
            graph.run = self._anew(graph, error)
        if graph.run is not None:
            self.ready += 1
            log.info("Compiled %s in %.0f s.", what, time.monotonic() - began)

    def _anew(self, graph: Graph, error: Exception) -> Callable[..., Any] | None:
        """Once, it is tried without what was kept; if that helps, what was kept is broken and is thrown away."""
        if self._folder and not self._tried_anew:
            from torch._inductor.utils import fresh_cache

            self._tried_anew = True
            with suppress(Exception), fresh_cache():
                run = self._compiled(graph)
                log.warning("What was kept in %s is broken (%s), and is thrown away.", self._folder, _why(error))
                clear(self._folder)
                return run
        self._give_up(_why(error))
        return None

    def _compiled(self, graph: Graph) -> Callable[..., Any]:
        """A call that is compiled; nothing has been computed. Raises whatever the compiler raises."""
        from torch._functorch import config

        config.force_non_lazy_backward_lowering = True  # the way back now, not in the middle of a picture's step
        net = graph.forward.copy(graph.form)
        plain: Callable[..., Any] = type(net).forward.__get__(net)
        compile_: Any = torch.compile  # whose types do not know all of its arguments
        run: Callable[..., Any] = compile_(
            plain, fullgraph=True, dynamic=False, backend=self._stopping, isolate_recompiles=True, recompile_limit=1
        )
        args, kwargs = _blank(graph.form)
        self._here.compiling = True
        try:
            with _as_painted(graph.form), under_way(self._folder) if self._folder else nullcontext():
                run(*args, **kwargs)
        except _Compiled:
            return run
        finally:
            self._here.compiling = False
        raise RuntimeError("the compiler made nothing of it")

    def _stopping(self, module: Any, inputs: Any) -> Callable[..., Any]:
        """The backend, whose result does nothing while it is being compiled: the memory is for pictures."""
        compiled = self._backend(module, inputs)

        def run(*values: Any) -> Any:
            if getattr(self._here, "compiling", False):
                raise _Compiled
            return compiled(*values)

        return run

    def _give_up(self, why: str) -> None:
        """Say it once."""
        if not self.problem:
            self.problem = why
            log.warning("Something cannot be compiled, so it is painted uncompiled: %s", why)


class _Forward:
    """Stands where a net's forward stood."""

    def __init__(self, net: nn.Module, compiler: Compiler) -> None:
        self.net, self._compiler = net, compiler
        self.plain: Callable[..., Any] = net.forward
        self._graphs: dict[Form, Graph] = {}
        self._full = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = {**{str(place): value for place, value in enumerate(args)}, **kwargs}
        return self._compiler.call(self, inputs, args, kwargs)

    def graph(self, form: Form) -> Graph:
        """The one for *form*."""
        if form not in self._graphs and len(self._graphs) < MOST_FORMS:
            self._graphs[form] = Graph(self, form)
        return self._graphs.get(form) or Graph(self, form, begun=True)

    def has_room(self) -> bool:
        """For one more graph; said once where there is none."""
        full = sum(graph.begun for graph in self._graphs.values()) >= MOST_GRAPHS
        if full and not self._full:
            self._full = True
            log.info(
                "%s is compiled for %d forms; others are painted uncompiled.", type(self.net).__name__, MOST_GRAPHS
            )
        return not full

    def copy(self, form: Form) -> nn.Module:
        """The net as it is for *form*, which shares the weights; nobody else changes its flags."""
        net = copy.copy(self.net)
        del net.__dict__["forward"]
        if hasattr(net, "thrifty"):
            net.thrifty = form.thrifty  # type: ignore[assignment]
        return net


def _form(inputs: Mapping[str, Any], thrifty: bool) -> Form:
    def spec(value: Tensor) -> tuple[object, ...]:
        return tuple(value.shape), value.stride(), value.dtype, value.device, value.requires_grad

    specs = tuple((name, None if value is None else spec(value)) for name, value in inputs.items())
    return Form(specs, torch.is_grad_enabled(), torch.get_num_threads(), thrifty)


def _blank(form: Form) -> tuple[list[Any], dict[str, Any]]:
    """Something of that form."""

    def blank(spec: tuple[Any, ...] | None) -> Tensor | None:
        if spec is None:
            return None
        shape, strides, dtype, device, leans = spec
        return torch.empty_strided(shape, strides, dtype=dtype, device=device).requires_grad_(leans)

    values = {name: blank(spec) for name, spec in form.inputs}
    return [v for name, v in values.items() if name.isdigit()], {n: v for n, v in values.items() if not n.isdigit()}


@contextmanager
def _as_painted(form: Form) -> Iterator[None]:
    """This thread computes as the one does that takes the steps."""
    threads, devices = torch.get_num_threads(), {spec[3] for _, spec in form.inputs if spec}
    use_threads(form.threads)
    on = next(
        (torch.cuda.device(d) for d in devices if isinstance(d, torch.device) and d.type == "cuda"), nullcontext()
    )
    try:
        with torch.set_grad_enabled(form.gradients), on:
            yield
    finally:
        use_threads(threads)


def _inductor(module: Any, inputs: Any) -> Callable[..., Any]:
    """torch's own compiler. Without CUDA graphs, which would hold memory for every form."""
    from torch._inductor.compile_fx import compile_fx

    compiled: Any = compile_fx(module, inputs)
    run: Callable[..., Any] = compiled
    return run


def _misfits() -> tuple[type[BaseException], ...]:
    """What torch raises where a graph is called with what it was not made for. Nothing is loaded for asking."""
    exc = sys.modules.get("torch._dynamo.exc")
    return (exc.TorchDynamoException, exc.FailOnRecompileLimitHit) if exc else ()


def _why(error: BaseException) -> str:
    """The first line of what lies at the bottom: torch wraps what it meets."""
    inner: BaseException = getattr(error, "inner_exception", error)
    return (str(inner).strip().splitlines() or [type(inner).__name__])[0][:300]
