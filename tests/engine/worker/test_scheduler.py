"""What happens when memory runs out, step by step; and that what was measured is heeded."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pytest
import torch
from PIL import Image
from torch import nn

from engine.environment import MemoryRules, child_environment
from engine.errors import EngineUnusable, OutOfMemory
from engine.methods import Failed, Finished, Running, Step
from engine.methods.clip_diffusion import ClipDiffusion
from engine.protocol.messages import Job, Result, Submit
from engine.requests.request import build_request
from engine.runtime.device import Device, Peak, use_deterministic_kernels
from engine.runtime.runtime import SPARE, UNKNOWN_STEP, Runtime
from engine.runtime.tuning import Threads
from engine.worker.job_state import ImageTask, JobRun, Stage
from engine.worker.scheduler import WORTH, StepScheduler
from tests.engine.tiny import job_of
from tests.engine.workshop import Workshop

T = TypeVar("T")
NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory.")


class Card(Device):
    """A device with so much free memory, which says what a step took."""

    def __init__(self, free: int, budget: int = 0) -> None:
        super().__init__(torch.device("cpu"))
        self.available, self.taken = free, 0
        self.runtime = Runtime.on(self, models=budget)

    def free(self, loaded: int) -> int:
        return self.available

    @contextmanager
    def peak(self) -> Iterator[Peak]:
        peak = Peak()
        yield peak
        peak.bytes = self.taken


@dataclass
class State:
    job_id: str = "a"
    index: int = 0
    step: int = 0
    steps: int = 100
    weight: int = 100


@dataclass
class Painter:
    """A picture takes its state's weight; `reduce_memory` halves that down to *lightest*."""

    card: Card
    lightest: int = 1000
    needs: tuple[str, ...] = ()
    groups: list[list[int]] = field(default_factory=list)

    def batch_key(self, state: State) -> str:
        return "one"

    def advance(self, states: list[State], runtime: Runtime) -> list[Step]:
        for name in self.needs:
            runtime.net(name, lambda: nn.Linear(1, 1))
        self.groups.append([state.weight for state in states])
        self.card.taken = sum(state.weight for state in states)
        if self.card.taken > self.card.available:
            raise NO_MEMORY
        for state in states:
            state.step += 1
        return [Running(state.step, state.steps) for state in states]

    def reduce_memory(self, state: State, runtime: Runtime) -> bool:
        if state.weight // 2 < self.lightest:
            return False
        state.weight //= 2
        return True


def paintings(painter: Painter, count: int, weight: int = 100) -> list[ImageTask]:
    attempt = JobRun(Job("a", 1, "", build_request("a cat", seed=1)), {})
    return [ImageTask(attempt, i, painter, State(index=i, weight=weight), Stage.PAINTING) for i in range(count)]  # type: ignore[arg-type]


@dataclass
class Expecting:
    """Stands where `engine.memory_planning.plan.MemoryEstimate` does: what a picture takes in each of its forms."""

    forms: dict[int, int]
    learned: dict[int, int] = field(default_factory=dict)

    def known(self, memory_level: int) -> int:
        return self.forms.get(memory_level, 0)

    def learn(self, memory_level: int, taken: int) -> None:
        self.learned[memory_level] = taken


def expecting(crowd: list[ImageTask], forms: dict[int, int]) -> Expecting:
    needs = Expecting(forms)
    for painting in crowd:
        painting.needs = needs  # type: ignore[assignment]
    return needs


def lanes(card: Card) -> StepScheduler:
    return StepScheduler(card.runtime, Threads("1", 1))


def test_what_a_picture_took_says_how_many_are_begun_together() -> None:
    card = Card(1000)
    painter = Painter(card)
    crowd, all_lanes = paintings(painter, 8), lanes(card)
    all_lanes.advance(crowd[:2])

    card.available = 500
    group = all_lanes.next_group(crowd)

    assert 4 == len(group), "five would take all of it, and some is spared"
    assert {100} == {painting.memory for painting in crowd[:2]}


def test_no_more_begin_together_than_are_expected_to_fit_and_the_others_take_turns() -> None:
    card = Card(1000)
    painter = Painter(card)
    crowd, all_lanes = paintings(painter, 6, weight=250), lanes(card)
    expecting(crowd, {0: 250})

    turns = []
    for _ in range(3):
        card.taken = 0
        group = all_lanes.next_group(crowd)
        turns.append([p.index for p in group])
        for painting in group:
            painting.turn = 1 + len(turns)

    assert [[0, 1, 2], [3, 4, 5], [0, 1, 2]] == turns


def test_what_is_measured_replaces_what_was_expected() -> None:
    card = Card(1000)
    crowd, all_lanes = paintings(Painter(card), 8), lanes(card)
    expecting(crowd, {0: 900})
    assert 1 == len(all_lanes.next_group(crowd))

    all_lanes.advance(crowd[:1])

    assert 8 == len(all_lanes.next_group(crowd)), "each took 100"


def test_a_finished_picture_tells_what_its_kind_takes() -> None:
    class Last(Painter):
        def advance(self, states: list[State], runtime: Runtime) -> list[Step]:
            super().advance(states, runtime)
            return [Finished(Image.new("RGB", (1, 1))) for _ in states]

    card = Card(1000)
    crowd = paintings(Last(card), 1)
    needs = expecting(crowd, {})

    lanes(card).advance(crowd)

    assert {0: 100} == needs.learned


def test_one_picture_is_always_tried() -> None:
    card = Card(150)
    crowd, all_lanes = paintings(Painter(card), 2), lanes(card)
    all_lanes.advance(crowd[:1])
    card.available = 10

    assert 1 == len(all_lanes.next_group(crowd))


def test_first_fewer_at_once_then_idle_nets_leave_then_the_step_becomes_lighter_then_words() -> None:
    card = Card(30)
    painter = Painter(card, lightest=40, needs=("used",))
    card.runtime.net("idle", lambda: nn.Linear(1, 1))
    crowd = paintings(painter, 2, weight=160)

    steps = lanes(card).advance(crowd)

    assert [[160, 160], [160], [160], [80], [40], [160], [80], [40]] == painter.groups
    assert ["used"] == list(card.runtime.cache.sizes)
    assert all(isinstance(step, Failed) and isinstance(step.error, OutOfMemory) for step in steps)
    assert "not enough memory for this, whatever was tried" in str(steps[0].error)


def test_a_lighter_step_continues_and_stays_light() -> None:
    card = Card(90)
    painter = Painter(card, lightest=10)
    (picture,) = paintings(painter, 1, weight=160)
    all_lanes = lanes(card)

    first = all_lanes.advance([picture])
    all_lanes.advance([picture])

    assert isinstance(first[0], Running)
    assert [[160], [80], [80]] == painter.groups


def test_nets_that_a_step_needs_never_leave_so_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(1)
    painter = Painter(card, needs=("net", "perceptor"))

    (step,) = lanes(card).advance(paintings(painter, 1))

    assert isinstance(step, Failed)
    assert 1 == len(painter.groups)


def test_a_job_that_finds_no_memory_is_begun_again_once_idle_nets_have_left() -> None:
    shop, tries = Workshop(), []
    load = shop.method.load
    shop.worker.runtime.net("idle", lambda: nn.Linear(1, 1))
    shop.worker.runtime.cache._entries["idle"].used -= 1000

    def hungry(request: object, runtime: Runtime) -> None:
        tries.append(list(runtime.cache.sizes))
        if "idle" in runtime.cache.sizes:
            raise NO_MEMORY
        load(request, runtime)  # type: ignore[arg-type]

    shop.method.load = hungry  # type: ignore[method-assign]
    shop.submit("a")
    shop.run("a")

    assert [["idle"], []] == tries
    assert 1 == shop.ends["a"].pictures


def test_a_job_for_which_there_is_no_memory_at_all_fails_in_words() -> None:
    shop = Workshop()

    def hungry(request: object, runtime: Runtime) -> None:
        raise NO_MEMORY

    shop.method.load = hungry  # type: ignore[method-assign]
    shop.submit("a")
    shop.run("a")

    assert "OutOfMemory" == shop.ends["a"].error
    assert "not enough memory while other images" in shop.ends["a"].message


def test_large_nets_leave_an_idle_engine_and_small_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.worker.SMALL", 1000)
    shop = Workshop()
    shop.worker._idle_seconds = 0.05
    for name, width in (("large", 64), ("small", 1)):
        shop.worker.runtime.net(name, lambda width=width: nn.Linear(width, 64))

    shop.run_until(lambda: len(shop.worker.runtime.cache.sizes) == 1)
    shop.submit("a")
    shop.run("a")

    assert "small" in shop.worker.runtime.cache.sizes and "large" not in shop.worker.runtime.cache.sizes


def test_a_host_s_rules_reach_the_engine() -> None:
    rules = MemoryRules(4000, 7.5)

    child = child_environment({}, device="cpu", threads="1", memory=rules)

    assert rules == MemoryRules.of(child)
    assert (4000 * 2**20, 450.0) == (rules.nets_bytes, rules.idle_seconds)
    assert MemoryRules() == MemoryRules.of({})
    with pytest.raises(EngineUnusable, match="are numbers, not “much” and “0”"):
        MemoryRules.of({"DREAMBOT_NETS_MEGABYTES": "much"})


class Narrow(Card):
    """A device whose memory holds so many bytes of nets beside a step, with a budget that holds none."""

    def __init__(self, memory: int) -> None:
        super().__init__(1000, budget=1)
        self.memory, self.loads, self.now = memory, Counter[str](), 0.0

    def reach(self) -> int:
        return int(self.memory / (SPARE - UNKNOWN_STEP)) + 1


def nets_of(name: str) -> frozenset[str]:
    return frozenset() if name == "-" else frozenset({f"unet {name}", f"clip {name}"})


@dataclass
class Model(Painter):
    """Every lane but “-” has two nets of its own: 100 bytes each, and five seconds to load; a step takes one."""

    def batch_key(self, state: State) -> str:
        return state.job_id

    def advance(self, states: list[State], runtime: Runtime) -> list[Step]:
        card = self.card
        assert isinstance(card, Narrow)
        for name in nets_of(states[0].job_id):
            runtime.net(name, partial(self._load, card, name))
        steps = super().advance(states, runtime)
        card.now += 1
        card.taken = 0
        return steps

    def _load(self, card: Narrow, name: str) -> nn.Module:
        card.now += 5
        card.loads[name] += 1
        return nn.Linear(25, 1, bias=False)


def turns(card: Narrow, monkeypatch: pytest.MonkeyPatch, names: str, rounds: int) -> str:
    """Whose picture took each of so many steps."""
    monkeypatch.setattr(time, "monotonic", lambda: card.now)
    painter, all_lanes = Model(card), lanes(card)
    crowd = [p for name in names for p in paintings(painter, 1)]  # type: ignore[arg-type]
    for painting, name in zip(crowd, names, strict=True):
        painting.state.job_id, painting.nets = name, nets_of(name)
    taken = []
    for _ in range(rounds):
        group = all_lanes.next_group(crowd)
        all_lanes.advance(group)
        taken.append(group[0].state.job_id)
    monkeypatch.undo()
    return "".join(taken)


def test_models_that_take_turns_beyond_the_budget_are_loaded_once_where_memory_holds_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = Narrow(400)
    assert "ab" * 25 == turns(card, monkeypatch, "ab", 50)
    assert {"unet a": 1, "clip a": 1, "unet b": 1, "clip b": 1} == card.loads


def test_where_memory_does_not_hold_them_each_takes_so_many_steps_that_loading_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = Narrow(399)
    long = int(WORTH * 10)
    assert "ab" + "a" * (long + 1) + "b" * (long + 1) == turns(card, monkeypatch, "ab", 2 * long + 4)
    assert {"unet a": 2, "clip a": 2, "unet b": 2, "clip b": 2} == card.loads


def test_a_job_with_loaded_weights_does_not_wait_for_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Narrow(399)
    assert "a-b" + "a-" * 15 == turns(card, monkeypatch, "a-b", 33)
    assert {"unet a": 2, "clip a": 2, "unet b": 1, "clip b": 1} == card.loads


def test_the_nets_of_a_picture_are_loaded_once_however_small_the_budget() -> None:
    runtime, loads = Runtime.open("cpu", models=1), Counter[str]()
    get = runtime.cache.get

    def counted(key: str, load: Callable[[], T], expected: int = 0) -> T:
        def counting() -> T:
            loads[key] += 1
            return load()

        return get(key, counting, expected)

    runtime.cache.get = counted  # type: ignore[method-assign]
    shop = Workshop(runtime=runtime, find=lambda _: ClipDiffusion())
    shop.handle(Submit(job_of("a red house", {"steps": "6"}, seed=1, size="192x192"), {}))
    shop.run("job")

    assert isinstance(shop.ends["job"], Result)
    assert (1, 1) == (loads["diffusion:primer"], loads["perceptor:primer"])
    assert 1 == len(shop.worker.runtime.cache.sizes), "what is over the budget leaves when the picture is finished"


def test_an_operation_without_a_deterministic_kernel_is_repeated_with_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Strange(Painter):
        def advance(self, states: list[State], runtime: Runtime) -> list[Step]:
            if torch.are_deterministic_algorithms_enabled():
                raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation, but you set it.")
            return super().advance(states, runtime)

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    card = Card(1000)
    try:
        use_deterministic_kernels(torch.device("cpu"))
        assert not torch.are_deterministic_algorithms_enabled(), "a CPU adds in a fixed order anyway"
        use_deterministic_kernels(torch.device("cuda"))
        (step,) = lanes(card).advance(paintings(Strange(card), 1))
    finally:
        torch.set_deterministic_debug_mode("default")

    assert isinstance(step, Running)
