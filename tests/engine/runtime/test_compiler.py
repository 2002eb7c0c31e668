"""What is compiled paints the same, nobody waits for it, and what cannot be compiled costs nothing.

Where it does not matter who compiles, torch's `aot_eager` does, which traces all and makes no machine code.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.debugging import aot_eager
from torch._dynamo.utils import counters

from engine.methods import find_method
from engine.protocol.messages import Job
from engine.protocol.step_log import ReplayPlan, read_replay_plan
from engine.requests.request import build_request
from engine.runtime import compiler as compiling
from engine.runtime.compiler import Compiler
from engine.runtime.runtime import Runtime
from tests.engine.tiny import tiny_net, tiny_perceptor
from tests.engine.workshop import Workshop

SCALE = [2.0]
"""What a graph may be made for, and no longer fit."""


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.inner(x)) * SCALE[0]


class Undecided(nn.Module):
    """What it does depends on numbers, which no single graph can say."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.sum()) > 0 else x - 1


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    SCALE[0] = 2.0
    counters.clear()
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def compiler(**settings: Any) -> Compiler:
    return Compiler(**{"backend": aot_eager, "waits": True, **settings})


def taken(by: Compiler, net: nn.Module | None = None) -> nn.Module:
    net = net or Toy()
    by.take(net)
    return net


def leaning(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf * 1).sum(), leaf)
    return gradient


def until(over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not over():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nobody_waits_a_step_runs_as_it_is_until_its_nets_are_compiled() -> None:
    by = compiler(waits=False, regular=2)
    net, x = taken(by), torch.rand(2, 4)

    first = [by.step("a", lambda: net(x)) for _ in range(2)]
    until(lambda: by.ready == 1)
    result, compiled = by.step("a", lambda: net(x))

    assert [False, False] == [was for _, was in first]
    assert compiled
    torch.testing.assert_close(first[0][0], result)
    assert "1 form of nets compiled" == by.state
    by.close()


def test_who_paints_one_picture_waits() -> None:
    by = compiler()
    net, x = taken(by), torch.rand(2, 4)

    gradient, compiled = by.step("a", lambda: leaning(net, x))

    assert compiled
    torch.testing.assert_close(leaning(Toy.forward.__get__(net), x), gradient)


def test_each_form_is_compiled_once_and_nothing_ever_again() -> None:
    by = compiler()
    net = taken(by)
    for _ in range(3):
        for rows in (1, 2, 4):
            x = torch.rand(rows, 4)
            assert by.step(rows, lambda x=x: net(x))[1]  # type: ignore[misc]
            assert by.step((rows, "leaning"), lambda x=x: leaning(net, x))[1]  # type: ignore[misc]

    assert 6 == counters["stats"]["unique_graphs"] == by.ready


def test_beyond_so_many_forms_the_rest_is_painted_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MOST_GRAPHS", 2)
    by = compiler()
    net = taken(by)

    ways = [by.step(n, lambda n=n: net(torch.rand(n, 4)))[1] for n in (1, 2, 3, 1, 3)]  # type: ignore[misc]

    assert [True, True, False, True, False] == ways
    assert 2 == by.ready


def test_a_step_is_compiled_as_a_whole_or_not_at_all() -> None:
    by = compiler()
    good, bad = taken(by), taken(by, Undecided())
    x = torch.rand(2, 4)

    result, compiled = by.step("a", lambda: good(x) + bad(x))

    assert not compiled
    assert torch.equal(Toy.forward(good, x) + Undecided().forward(x), result)  # type: ignore[arg-type]
    assert by.step("b", lambda: good(x))[1]


def test_what_cannot_be_compiled_is_said_once_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(module: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler for C++ anywhere")

    by = compiler(backend=broken)
    net, x = taken(by), torch.rand(2, 4)
    with caplog.at_level(logging.WARNING):
        ways = [by.step(name, lambda: net(x))[1] for name in ("a", "a", "b")]

    assert [False] * 3 == ways
    assert "no compiler for C++ anywhere" in by.state
    assert 1 == len([record for record in caplog.records if record.name == "engine.runtime.compiler"])


def test_a_graph_that_does_not_fit_after_all_is_given_up_and_the_step_is_right() -> None:
    by = compiler()
    net, x = taken(by), torch.rand(2, 4)
    assert by.step("a", lambda: net(x))[1]
    SCALE[0] = 3.0

    result, compiled = by.step("a", lambda: net(x))

    assert not compiled
    assert torch.equal(Toy.forward(net, x), result)  # type: ignore[arg-type]
    assert "does not fit" in by.problem
    assert [False] * 3 == [by.step("a", lambda: net(x))[1] for _ in range(3)]


def test_while_another_thread_compiles_a_step_that_torch_refuses_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    by = compiler()
    net, x = taken(by), torch.rand(2, 4)
    assert by.step("a", lambda: net(x))[1]

    with monkeypatch.context() as tracing:
        tracing.setattr("torch.fx._symbolic_trace._is_fx_tracing_flag", True)
        result, compiled = by.step("a", lambda: net(x))

    assert not compiled
    assert torch.equal(Toy.forward(net, x), result)  # type: ignore[arg-type]
    assert not by.problem
    assert by.step("a", lambda: net(x))[1]


def test_what_fails_in_a_compiled_step_is_the_step_s_own_affair() -> None:
    by = compiler()
    net, x = taken(by), torch.rand(2, 4)
    assert by.step("a", lambda: net(x))[1]

    def hungry() -> None:
        net(x)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        by.step("a", hungry)
    assert by.step("a", lambda: net(x))[1]


def test_a_replay_gets_its_nets_as_they_were() -> None:
    by = compiler(waits=False, regular=99)
    net, x = taken(by), torch.rand(2, 4)

    assert not by.step("a", lambda: net(x), wanted=False)[1]
    assert by.step("a", lambda: net(x), wanted=True)[1]
    assert not by.step("a", lambda: net(x), wanted=False)[1]
    assert by.step("a", lambda: net(x), wanted=None)[1]
    assert not Compiler(takes=False).step("a", lambda: net(x), wanted=True)[1]


def test_outside_of_steps_and_on_other_threads_a_net_is_as_it_always_was() -> None:
    by, seen = compiler(), list[Tensor]()
    net, x = taken(by), torch.rand(2, 4)
    plain = Toy.forward(net, x)  # type: ignore[arg-type]

    def step() -> Tensor:
        other = threading.Thread(target=lambda: seen.append(net(x)))
        other.start()
        other.join()
        result: Tensor = net(x)
        return result

    assert by.step("a", step)[1]
    assert torch.equal(plain, net(x))
    assert all(torch.equal(plain, other) for other in seen)
    assert 1 == by.ready


def test_a_net_that_leaves_takes_its_graphs_along() -> None:
    by = compiler()
    net, x = taken(by), torch.rand(2, 4)
    assert by.step("a", lambda: net(x))[1]
    weight = weakref.ref(net.get_parameter("inner.weight"))

    net = nn.Identity()
    gc.collect()

    assert weight() is None


def test_nothing_is_taken_where_nobody_wants_it() -> None:
    by = Compiler(takes=False)
    net = taken(by)

    assert "forward" not in net.__dict__
    assert "" == by.state


@pytest.mark.slow
@pytest.mark.parametrize(("thrifty", "dtype"), [(False, torch.float32), (True, torch.bfloat16)])
def test_the_diffusion_net_is_the_same_compiled(thrifty: bool, dtype: torch.dtype) -> None:
    by, net = compiler(), tiny_net(channel_mult="1").net.set_torso_dtype(dtype)
    net.thrifty = thrifty
    x, told = torch.randn(2, 3, 64, 64), torch.randn(2, 16)

    def run() -> Tensor:
        return leaning(lambda y: net(y, torch.tensor([500, 20]), context=told), x)

    plain = run()
    by.take(net)
    gradient, compiled = by.step("a", run)

    assert compiled
    close = 1e-4 if dtype is torch.float32 else 0.05
    assert float((plain - gradient).abs().max()) <= close * float(plain.abs().max())


def runtime_with(by: Compiler) -> Runtime:
    runtime = Runtime.open("cpu", compiler=by)
    net, perceptor = tiny_net(channel_mult="1"), tiny_perceptor()
    assert perceptor.image_tower is not None
    by.take(net.net)
    by.take(perceptor.image_tower)
    runtime.net("diffusion:primer", lambda: net)
    runtime.net("perceptor:primer", lambda: perceptor)
    return runtime


def painted(
    by: Compiler, method: str, script: ReplayPlan | None = None, runtime: Runtime | None = None
) -> tuple[str, Any]:
    shop = Workshop(runtime=runtime or runtime_with(by), find=find_method)
    settings = {"cutouts": "4"} if method != "clip_diffusion" else {"cutouts": "4", "clip_guidance_scale": "5"}
    request = build_request("a red circle", method=method, seed=7, steps=5, size="256x256", settings=settings)
    shop.worker.submit(Job("a", 1, "somebody", request), {}, script)
    shop.run("a")
    facts = shop.pictures("a")[0].facts
    record: Any = facts["replay"]
    return str(facts["sha256"]), record["resolved"]


@pytest.mark.parametrize(
    "method", [pytest.param("clip_diffusion", marks=[pytest.mark.slow, pytest.mark.timeout(900)]), "pixels"]
)
def test_the_record_knows_which_steps_ran_compiled_and_a_replay_is_equal(method: str) -> None:
    first, resolved = painted(compiler(), method)

    assert [[1, 1, 0, 5, 1]] == resolved["course"]
    assert (first, resolved["course"]) == (
        (again := painted(compiler(waits=False), method, read_replay_plan(resolved)))[0],
        again[1]["course"],
    )
    changed = [[1, 1, 0, 2], [1, 1, 0, 3, 1]]
    _, mixed = painted(compiler(), method, read_replay_plan({**resolved, "course": changed}))
    assert changed == mixed["course"]


def test_pictures_are_painted_while_their_nets_are_compiled() -> None:
    by, courses = compiler(waits=False, regular=2), list[Any]()
    runtime = runtime_with(by)
    until(lambda: courses.append(painted(by, "pixels", runtime=runtime)[1]["course"]) or len(courses[-1][-1]) == 5)
    by.close()

    first = courses[0][0]
    assert 4 == len(first)
    assert first[3] >= 2
