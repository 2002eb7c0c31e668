"""Nets are loaded once and leave when memory is short; devices are tried before they are trusted."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from torch import nn

from engine.errors import EngineUnusable, WeightsError
from engine.runtime import Runtime, find_device, size_of


def test_a_net_is_loaded_once_however_many_threads_ask() -> None:
    runtime, loads = Runtime("cpu"), []

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
    runtime = Runtime("cpu")
    runtime._budget = 2500
    for name in ("a", "b"):
        runtime.net(name, lambda: nn.Linear(16, 16))  # 1,088 bytes

    runtime.net("a", lambda: nn.Linear(1, 1))
    runtime.net("c", lambda: nn.Linear(16, 16))

    assert ["a", "c"] == list(runtime._nets)


def test_a_net_that_is_over_the_budget_alone_may_stay() -> None:
    runtime = Runtime("cpu")
    runtime._budget = 10

    runtime.net("big", lambda: nn.Linear(16, 16))

    assert ["big"] == list(runtime._nets)


def test_a_load_that_failed_is_tried_again() -> None:
    runtime = Runtime("cpu")

    def fail() -> nn.Module:
        raise WeightsError("corrupt")

    with pytest.raises(WeightsError):
        runtime.net("a", fail)

    assert isinstance(runtime.net("a", lambda: nn.Linear(1, 1)), nn.Module)


def test_after_out_of_memory_all_but_the_last_net_leave() -> None:
    runtime = Runtime("cpu")
    for name in ("a", "b"):
        runtime.net(name, lambda: nn.Linear(1, 1))

    assert runtime.shed()
    assert ["b"] == list(runtime._nets)
    assert not runtime.shed()


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


def test_a_healthy_device_is_alive() -> None:
    assert Runtime("cpu").alive()
