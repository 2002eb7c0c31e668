"""Compiled steps compute the same, and what cannot be compiled costs nothing.

The backend `aot_eager` traces everything and generates no machine code; one slow test uses torch's own compiler.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.debugging import aot_eager

from engine.methods import find_method
from engine.protocol.messages import Job
from engine.protocol.replay_record import ReplayPlan, read_replay_plan
from engine.requests.request import build_request
from engine.runtime import tuning as module
from engine.runtime.runtime import Runtime
from engine.runtime.tuning import Compiler, make_compiler, use_folder
from tests.engine.tiny import tiny_perceptor, tiny_runtime
from tests.engine.workshop import Workshop

posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="rights of POSIX")


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4).requires_grad_(False)
        self.plain_calls = 0

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.inner(x)) * 2


class Undecided(nn.Module):
    """Branches on data, which no single graph can express."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.sum()) > 0 else x - 1


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def taken(compiler: Compiler, net: nn.Module) -> nn.Module:
    compiler.take(net)
    return net


def test_a_step_runs_compiled_and_computes_the_same_with_its_gradient() -> None:
    compiler, x = Compiler(backend=aot_eager), torch.rand(2, 4)
    net = taken(compiler, Toy())

    def work() -> Tensor:
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(net(leaf).sum(), leaf)
        return gradient

    plain, compiled = compiler.step("a", work, wanted=False), compiler.step("a", work)

    assert [False, True] == [plain[1], compiled[1]]
    torch.testing.assert_close(plain[0], compiled[0])
    assert "1 kind of steps compiled" == compiler.state


def test_outside_of_steps_and_on_other_threads_a_network_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    compiler, x, seen = Compiler(backend=aot_eager), torch.rand(2, 4), []
    net = taken(compiler, Toy())
    net(x)

    def elsewhere() -> tuple[()]:
        thread = threading.Thread(target=lambda: seen.append(net(x)))
        thread.start()
        thread.join()
        return ()

    assert ((), False) == compiler.step("a", elsewhere)
    assert 1 == len(seen)


def test_a_step_that_cannot_be_compiled_runs_as_it_is_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    compiler, x, runs = Compiler(backend=aot_eager), torch.ones(2, 4), []
    good, bad = taken(compiler, Toy()), taken(compiler, Undecided())

    def work() -> Tensor:
        runs.append(1)
        return bad(good(x))

    results = [compiler.step("a", work) for _ in range(2)]

    assert [False, False] == [compiled for _, compiled in results], "the first network alone does not count"
    assert 3 == len(runs), "once in vain, and twice as it is"
    assert "0 kinds of steps compiled; others run uncompiled: " in compiler.state
    assert 1 == sum("cannot be compiled" in line for line in caplog.messages)
    assert compiler.step("b", lambda: good(x))[1]


def test_shapes_beyond_the_limit_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SHAPES", 2)
    compiler = Compiler(backend=aot_eager)
    net = taken(compiler, Toy())

    found = [compiler.step(size, lambda size=size: net(torch.rand(size, 4)))[1] for size in (2, 3, 4, 2)]  # type: ignore[misc]

    assert [True, True, False, True] == found


def test_errors_of_the_work_itself_pass_through() -> None:
    compiler = Compiler(backend=aot_eager)
    net = taken(compiler, Toy())

    def work() -> Tensor:
        net(torch.rand(2, 4))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError):
        compiler.step("a", work)
    assert not compiler.here.on and "" == compiler.problem


def test_nothing_is_compiled_without_a_folder() -> None:
    compiler, net = make_compiler(None), Toy()
    compiler.take(net)

    assert "forward" not in net.__dict__ and "" == compiler.state


def painted(compiler: Compiler, plan: ReplayPlan | None = None) -> tuple[str, Any]:
    runtime = Runtime.open("cpu", compiler=compiler)
    perceptor = tiny_perceptor()
    assert perceptor.image_tower is not None
    compiler.take(perceptor.image_tower)
    runtime.net("perceptor:primer", lambda: perceptor)
    shop = Workshop(runtime=runtime, find=find_method)
    request = build_request("a red circle", method="pixels", seed=7, steps=5, size="256x256", settings={"cutouts": "4"})
    shop.worker.submit(Job("a", 1, "somebody", request), {}, plan)
    shop.run("a")
    facts = shop.pictures("a")[0].facts
    record: Any = facts["replay"]
    return str(facts["sha256"]), record["resolved"]


def test_the_record_knows_which_steps_ran_compiled_and_a_replay_is_equal() -> None:
    first, resolved = painted(Compiler(backend=aot_eager))
    again, repeated = painted(Compiler(backend=aot_eager), read_replay_plan(resolved))
    changed = [[1, 1, 0, 2], [1, 1, 0, 3, 1]]
    _, mixed = painted(Compiler(backend=aot_eager), read_replay_plan({**resolved, "course": changed}))

    assert [[1, 1, 0, 5, 1]] == resolved["course"] == repeated["course"]
    assert first == again
    assert changed == mixed["course"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_torchs_own_compiler_works_on_the_diffusion_network(tmp_path: Path) -> None:
    runtime = tiny_runtime(channel_mult="1")
    compiler, net = make_compiler(tmp_path / "compiled"), runtime.net("diffusion:primer", lambda: None).net  # type: ignore[attr-defined]
    x = torch.randn(1, 3, 64, 64)
    plain = net(x, torch.tensor([500]))
    compiler.take(net)
    result, compiled = compiler.step("a", lambda: net(x, torch.tensor([500])))

    assert compiled or compiler.problem, "there may be no C++ compiler"
    torch.testing.assert_close(plain, result, atol=1e-4, rtol=1e-3)


def test_a_new_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    folder = use_folder(tmp_path / "data" / "compiled", environ)

    assert tmp_path / "data" / "compiled" == folder
    assert {"TORCHINDUCTOR_CACHE_DIR": str(folder), "TRITON_CACHE_DIR": str(folder / "triton")} == environ
    assert not hasattr(os, "getuid") or 0o700 == folder.stat().st_mode & 0o777


@posix
@pytest.mark.parametrize("open_to_others", ["data/compiled", "data"])
def test_a_folder_that_others_may_write_to_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, open_to_others: str
) -> None:
    (tmp_path / "data" / "compiled").mkdir(parents=True, mode=0o700)
    (tmp_path / open_to_others).chmod(0o777)
    folder = use_folder(tmp_path / "data" / "compiled", {})

    assert tmp_path not in folder.parents and 0o700 == folder.stat().st_mode & 0o777
    assert f"others may write to {tmp_path / open_to_others}" in caplog.text


@posix
def test_a_folder_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    use_folder(tmp_path / "compiled", {})

    assert "belongs to another user" in caplog.text


def test_a_folder_that_cannot_be_made_is_replaced_by_a_temporary_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    folder = use_folder(tmp_path / "file" / "compiled", {})

    assert folder.is_dir() and "cannot be used" in caplog.text
