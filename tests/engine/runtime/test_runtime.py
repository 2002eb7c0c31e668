"""Nets are loaded once and leave when memory is short; devices are tried before they are trusted."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.errors import EngineUnusable, OutOfMemory, WeightsError
from engine.runtime.device import Device, container_memory, device_memory, find_device
from engine.runtime.model_cache import size_of
from engine.runtime.runtime import Runtime, is_out_of_memory


def test_a_net_is_loaded_once_however_many_threads_ask() -> None:
    runtime, loads = Runtime.open("cpu"), []

    def load() -> nn.Module:
        time.sleep(0.05)
        loads.append(1)
        return nn.Linear(2, 2)

    nets: list[nn.Module] = []
    threads = [threading.Thread(target=lambda: nets.append(runtime.net("a", load))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [1] == loads
    assert 1 == len({id(net) for net in nets})


def test_the_net_that_was_used_longest_ago_leaves_first() -> None:
    runtime = Runtime.open("cpu", models=2500)
    for name in ("a", "b"):
        runtime.net(name, lambda: nn.Linear(16, 16))  # 1,088 bytes

    runtime.net("a", lambda: nn.Linear(1, 1))
    runtime.net("c", lambda: nn.Linear(16, 16))

    assert ["a", "c"] == list(runtime.cache.sizes)


def test_a_net_that_is_over_the_budget_alone_may_stay() -> None:
    runtime = Runtime.open("cpu", models=10)

    runtime.net("big", lambda: nn.Linear(16, 16))

    assert ["big"] == list(runtime.cache.sizes)


def test_a_load_that_failed_is_tried_again() -> None:
    runtime = Runtime.open("cpu")

    def fail() -> nn.Module:
        raise WeightsError("corrupt")

    with pytest.raises(WeightsError):
        runtime.net("a", fail)

    assert isinstance(runtime.net("a", lambda: nn.Linear(1, 1)), nn.Module)


def test_nets_not_used_since_a_step_began_are_unloaded() -> None:
    runtime = Runtime.open("cpu")
    for name in ("a", "b", "c"):
        runtime.net(name, lambda: nn.Linear(1, 1))
    began = time.monotonic()
    runtime.net("b", lambda: nn.Linear(1, 1))

    assert runtime.cache.shed(unused_since=began)
    assert {"b": 8} == runtime.cache.sizes
    assert not runtime.cache.shed(unused_since=began)


def test_nets_of_pictures_under_way_stay_and_small_ones_too_if_wanted() -> None:
    runtime = Runtime.open("cpu")
    for name, width in (("large", 64), ("small", 1)):
        runtime.net(name, lambda width=width: nn.Linear(width, 64))

    assert not runtime.cache.shed(), "they were used a moment ago"
    assert runtime.cache.shed(unused_since=time.monotonic() + 1, larger_than=1000)
    assert ["small"] == list(runtime.cache.sizes)


def test_room_is_made_before_a_net_comes() -> None:
    runtime, seen = Runtime.open("cpu", models=2500), []
    for name in ("a", "b"):
        runtime.net(name, lambda: nn.Linear(16, 16))

    def load() -> nn.Module:
        seen.extend(runtime.cache.sizes)
        return nn.Linear(16, 16)

    runtime.net("c", load, expected=1088)

    assert ["b"] == seen
    assert ["b", "c"] == list(runtime.cache.sizes)


def test_what_no_memory_could_hold_is_said_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime.open("cpu")
    monkeypatch.setattr("engine.runtime.device.device_memory", lambda device: 8 * 10**9)

    with pytest.raises(OutOfMemory, match=r"The weights of “imagenet-256” alone take 9\.0 GB, and CPU .* has 8\.0 GB"):
        runtime.net("diffusion:imagenet-256", lambda: pytest.fail("loaded"), expected=9 * 10**9)


def test_a_container_s_limit_counts_as_the_memory_there_is(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("700000000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 200000000\n")

    (tmp_path / "memory.max").write_text("max\n")
    assert (0, 0) == container_memory(tmp_path)
    (tmp_path / "memory.max").write_text("1000000000\n")
    assert (1_000_000_000, 500_000_000) == container_memory(tmp_path)
    assert (0, 0) == container_memory(tmp_path / "absent")


def test_what_a_process_holds_counts_as_within_its_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [500]
    monkeypatch.setattr("engine.runtime.device.free_memory", lambda device: 10_000)
    monkeypatch.setattr("engine.runtime.device.held_memory", lambda: held[0])
    monkeypatch.setattr("engine.runtime.device.held_memory", lambda: held[0])
    runtime = Runtime.open("cpu")
    runtime.net("a", lambda: nn.Linear(16, 16))  # 1,088 bytes

    held[0] = 7500  # what pictures have freed lies in the allocator

    assert 17_000 == runtime.hardware.reach()
    assert 17_000 - 1088 == runtime.free_memory(), "nets stay while a step is taken"


def test_memory_is_known() -> None:
    runtime = Runtime.open("cpu")

    assert 0 < runtime.free_memory() <= device_memory(runtime.device)


def test_the_size_of_a_thing_is_that_of_the_modules_in_it_each_counted_once() -> None:
    class Holder:
        def __init__(self, net: nn.Module) -> None:
            self.net, self.same, self.name = net, net, "x"

    net = nn.BatchNorm1d(4)

    assert 4 * 4 * 4 + 8 == size_of(net) == size_of(Holder(net))
    assert 0 == size_of("nothing")


def test_a_device_that_is_not_there_is_said_in_words() -> None:
    with pytest.raises(EngineUnusable, match="The device “quantum” does not work"):
        find_device("quantum")


def test_auto_finds_something_that_computes() -> None:
    assert 2.0 == float(torch.ones(2, device=find_device("auto")).sum())


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 20.00 GiB",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12",
        "MPS backend out of memory (MPS allocated: 17.01 GB, other allocations: 1.00 GB, max allowed: 18.13 GB).",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_lack_of_memory_is_recognised_on_every_system(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))


def test_loaded_models_leave_less_memory_on_a_device_that_shares_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.device.free_memory", lambda device: 10_000)
    monkeypatch.setattr("engine.runtime.device.held_memory", lambda: 0)

    assert 4_000 == Device(torch.device("mps"), torch.float32).free(loaded=6_000)


def test_a_healthy_device_is_alive() -> None:
    assert Runtime.open("cpu").hardware.alive()


@pytest.mark.parametrize(("gibibytes", "slots"), [(1, 1), (8, 3), (24, 11), (1000, 64)])
def test_a_small_card_begins_fewer_pictures_and_keeps_fewer_nets(
    gibibytes: int, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.device.device_memory", lambda device: gibibytes * 2**30)
    card = Device(torch.device("cuda"), torch.float16)

    assert slots == card.slots
    assert 0.5 < Runtime.on(card).cache._budget / (gibibytes * 2**30) < 0.7, "images need the rest"


def test_processes_that_share_a_card_divide_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.device.device_memory", lambda device: 24 * 2**30)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Card")
    card = Device(torch.device("cuda"), torch.float16, sharing=3)

    assert (8 * 2**30, 3, "Card (26 GB)") == (card.total, card.slots, card.description)
