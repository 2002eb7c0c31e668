"""What a method may use: the device, the dtype, and nets that are loaded once and leave when others need the memory.

One `Runtime` per engine process. Safe to use from the loading thread and the stepping loop at the same time.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn

from engine.errors import EngineUnusable, OutOfMemory
from engine.nets.onednn_patch import quicken
from engine.runtime.compiler import Compiler
from engine.runtime.device_memory import beyond, device_memory, free_memory, held_memory, within_reach
from engine.runtime.model_cache import Shelf, Use

if TYPE_CHECKING:
    from engine.guidance.perceptor import Perceptor
    from engine.memory_planning.size_limits import Line

T = TypeVar("T")

log = logging.getLogger(__name__)

NETS_SHARE = 0.6
"""Of the device's memory; the rest is for pictures on their way."""
IN_USE_SECONDS = 60.0
"""A net that was used within these seconds may belong to a picture that is about to begin, and leaves last."""
SPARE = 0.9
"""Of the memory within reach; the rest is for fragments and other programs."""
UNKNOWN_STEP = 0.2
"""Of the memory within reach: what is left for a step of which nobody knows what it takes."""
TELLING_SECONDS = 1.0
SMALL = 64 * 2**20
"""Bytes. Nets up to this size stay when the engine is idle: they are no burden, and people do not wait for them."""
MEBIBYTES_PER_SLOT = 1500
"""What one guided 512×512 picture needs on a GPU, roughly; too many are noticed and split, too few waste time."""


class DeviceLost(RuntimeError):
    """The device has failed for good; only a new process can use it again."""


@dataclass(slots=True)
class Peak:
    """Bytes that a piece of work took beyond what was taken before; 0 where the device does not say (a CPU)."""

    bytes: int = 0


class Runtime:
    """*device* is "auto", "cpu", "cuda", "cuda:1", "mps"; raises EngineUnusable for one that does not work here.

    *nets*: bytes that nets may take together; 0 = a share of the device's memory. Without a *compiler* nothing is
    compiled.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        dtype: torch.dtype | None = None,
        nets: int = 0,
        compiler: Compiler | None = None,
    ) -> None:
        self.device = find_device(device)
        self.compiler = compiler or Compiler(takes=False)
        self.dtype = dtype or fast_dtype(self.device)
        self._loading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self.lessons: dict[Hashable, int] = {}
        """What painters have learned about memory here, each by keys of its own; for the stepping loop and loading."""
        self.learnt: dict[Hashable, int] = {}
        """What a picture of some kind was seen to take beside its nets, in bytes; see
        `engine.memory_planning.estimate`."""
        self.room: dict[str, Line] = {}
        """What kinds of pictures take at least, by `DreamRequest.memory_kind`; see
        `engine.memory_planning.size_limits`."""
        self._held = held_memory()
        self._shelf = Shelf(nets or int(device_memory(self.device) * NETS_SHARE), self._suffices)
        self._here = threading.local()

    def net(self, key: str, load: Callable[[], T], expected: int = 0) -> T:
        """What *load* returned for *key*; it runs once, however many threads ask. Its modules count as memory.

        Others may have to leave for it (see `engine.runtime.model_cache`); who still holds one keeps it.
        *expected*: about how many bytes it will take; room is made before, and OutOfMemory raised if there is none.
        """
        with self._lock:
            turn = self._loading.setdefault(key, threading.Lock())
        with turn, self.using() as use:
            with self._lock:
                use.nets.add(key)
                if (found := self._shelf.find(key)) is not None:
                    return cast(T, found.value)
                self._check_expected(key, expected)
                left = self._shelf.make_room(expected)
            if left and expected:
                self.release()
            value, seconds = _timed(key, load)
            with self._lock:
                if self._shelf.put(key, value, size_of(value)):
                    use.again += seconds
            return value

    def perceptor(self, name: str) -> Perceptor:
        """The CLIP of that name, loaded once; raises DreamErrors in words."""
        from engine.guidance.perceptor import load_perceptor

        def load() -> Perceptor:
            perceptor = load_perceptor(name, self)
            for net in modules_in(perceptor):
                quicken(net)
            if tower := perceptor.image_tower:
                self.compiler.take(tower)
            return perceptor

        return self.net(f"perceptor:{name}", load)

    @contextmanager
    def using(self) -> Iterator[Use]:
        """Around work on one thread: the nets that it asks for stay until it is over. Within other such work, that."""
        if (outer := getattr(self._here, "use", None)) is not None:
            yield outer
            return
        use = self._here.use = Use()
        with self._lock:
            self._shelf.uses.append(use)
        try:
            yield use
        finally:
            self._here.use = None
            with self._lock:
                self._shelf.uses.remove(use)

    def hold(self, nets: Collection[str]) -> Use:
        """From now on these stay, until `let_go`: what has begun with them is not among the pictures under way yet."""
        held = Use(set(nets))
        with self._lock:
            self._shelf.uses.append(held)
        return held

    def let_go(self, held: Use) -> None:
        """The end of a `hold`; nothing leaves because of it alone."""
        with self._lock:
            self._shelf.uses.remove(held)

    def keep(self, nets: Collection[str], step: int = 0, coming: Collection[str] = ()) -> None:
        """What pictures under way used in their latest steps stays as long as memory suffices.

        *step*: bytes of the largest of their steps; 0 where that is not known. *coming*: the nets of the next step.
        """
        with self._lock:
            left = self._shelf.keep(nets, step, coming)
        if left:
            self.release()

    @property
    def nets(self) -> Mapping[str, int]:
        """What is loaded, the least recently used first → its bytes."""
        with self._lock:
            return {key: net.size for key, net in self._shelf.nets.items()}

    def shed(self, unused_since: float | None = None, larger_than: int = 0) -> bool:
        """Let all nets go that nobody has asked for since then (`time.monotonic`), and give freed memory back.

        Without a time: those that belong to no picture under way. True if any left.
        """
        since = time.monotonic() - IN_USE_SECONDS if unused_since is None else unused_since
        with self._lock:
            spared = self._shelf.kept | self._shelf.asked_for if unused_since is None else frozenset()
            leaving = [
                key
                for key, net in self._shelf.nets.items()
                if net.used < since and net.size > larger_than and key not in spared
            ]
            for key in leaving:
                self._shelf.remove(key)
        self.release()
        return bool(leaving)

    @contextmanager
    def peak(self) -> Iterator[Peak]:
        """Around work on the stepping loop: how much memory it takes at most, known when it is left."""
        peak = Peak()
        if self.device.type != "cuda":
            yield peak
            return
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        try:
            yield peak
        finally:
            peak.bytes = max(torch.cuda.max_memory_allocated(self.device) - before, 0)

    def release(self) -> None:
        """Collect what only cycles hold (a traceback holds every tensor of its frames) and empty torch's cache."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()

    def free_memory(self) -> int:
        """Bytes that the next step could take, without letting a net go."""
        if self.device.type == "cpu":
            return max(self.reach() - sum(self.nets.values()), 0)
        return free_memory(self.device)

    def reach(self) -> int:
        """Bytes that nets and the largest step can have together here, whatever is loaded or painted now."""
        return within_reach(self.device, self._held)

    def most(self) -> int:
        """Bytes beyond which nothing can go: what needs more is not even tried."""
        return self.reach() + beyond(self.device)

    def alive(self) -> bool:
        """Whether the device still computes. After an illegal access every CUDA call fails until the process ends."""
        try:
            return float(torch.ones(2, device=self.device).sum()) == 2.0
        except RuntimeError:
            return False

    def synchronize(self) -> None:
        """Wait for the device, so that clocks tell the truth."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    @property
    def slots(self) -> int:
        """How many pictures may be under way together."""
        if self.device.type == "cpu":
            return 4
        free = device_memory(self.device) * (1 - NETS_SHARE / 2)
        return min(max(int(free / 2**20 / MEBIBYTES_PER_SLOT), 1), 64)

    @property
    def description(self) -> str:
        """For people: ``NVIDIA H200 (143 GB)``, ``CPU (2 cores)``."""
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name(self.device)
            return f"{name} ({device_memory(self.device) / 1e9:.0f} GB)"
        return f"CPU ({cores()} cores)" if self.device.type == "cpu" else self.device.type.upper()

    def _suffices(self, nets: int, step: int) -> bool:
        """Whether memory holds *nets* bytes beside a step of *step* bytes, or beside any where that is not known."""
        reach = self.reach()
        return nets + (step or int(UNKNOWN_STEP * reach)) <= SPARE * reach

    def _check_expected(self, key: str, expected: int) -> None:
        if expected > (most := device_memory(self.device)):
            raise OutOfMemory(
                f"The weights of “{key.partition(':')[2]}” alone take {expected / 1e9:.1f} GB, and {self.description} "
                f"has {most / 1e9:.1f} GB in all."
            )


def _timed(key: str, load: Callable[[], T]) -> tuple[T, float]:
    """What *load* returns, and how long that took, which is told where it is worth telling."""
    started = time.monotonic()
    value = load()
    seconds = time.monotonic() - started
    if seconds > TELLING_SECONDS:
        log.info("“%s” was loaded in %.1f s.", key, seconds)
    return value, seconds


def find_device(name: str) -> torch.device:
    """The device of that name, tried out; "auto" takes the first GPU that computes, else the CPU."""
    if name != "auto":
        return _tried(name)
    for candidate in ("cuda", "mps"):
        if (torch.cuda if candidate == "cuda" else torch.backends.mps).is_available():
            try:
                return _tried(candidate)
            except EngineUnusable:
                continue
    return torch.device("cpu")


def _tried(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.ones(2, device=device).mul(2).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EngineUnusable(f"The device “{name}” does not work with this PyTorch: {why}") from error
    return device


def fast_dtype(device: torch.device) -> torch.dtype:
    """Half precision where the hardware is faster at it (NVIDIA from Volta on; Pascal is 64 times slower)."""
    if device.type == "cuda" and torch.version.cuda and torch.cuda.get_device_capability(device) >= (7, 0):
        return torch.float16
    return torch.float32


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def size_of(value: object) -> int:
    """Bytes of all parameters and buffers of the modules in *value*, itself or directly among its attributes."""
    tensors = {id(tensor): tensor for module in modules_in(value) for tensor in _tensors(module)}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def modules_in(value: object) -> Iterator[nn.Module]:
    """*value* itself, if it is one, or those directly among its attributes."""
    if isinstance(value, nn.Module):
        yield value
    else:
        yield from (item for item in getattr(value, "__dict__", {}).values() if isinstance(item, nn.Module))


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
