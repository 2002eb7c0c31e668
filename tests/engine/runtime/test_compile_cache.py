"""What is compiled is kept where nobody else can write, and whatever becomes of it, the next start paints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import compile_cache as compiled_folder
from engine.runtime.compile_cache import MARK, clear, leave, open_folder, under_way

posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other rights")
ROOT = Path(__file__).parents[3]
CHILD = """
import json, logging, sys
from pathlib import Path
logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
import torch
from torch import nn
from engine.runtime.compiler import make_compiler
by = make_compiler(Path(sys.argv[1]), waits=True)
net = nn.Sequential(nn.Linear(4, 4), nn.Tanh()).requires_grad_(False)
by.take(net)
def step():
    x = torch.linspace(-1, 1, 8).view(2, 4).requires_grad_()
    return torch.autograd.grad(net(x * 1).square().sum(), x)[0]
torch.manual_seed(0)
found, compiled = by.step("a", step)
plain, _ = by.step("a", step, False)
from torch._dynamo.utils import counters
print(json.dumps({"compiled": compiled, "close": torch.allclose(found, plain, atol=1e-6), "problem": by.problem,
    "hits": counters["inductor"]["fxgraph_cache_hit"], "misses": counters["inductor"]["fxgraph_cache_miss"]}))
"""


def opened(wanted: Path) -> tuple[Path, dict[str, str]]:
    environ: dict[str, str] = {}
    return open_folder(wanted, environ), environ


def test_a_folder_of_one_s_own_is_made_and_used(tmp_path: Path) -> None:
    folder, environ = opened(tmp_path / "data" / "compiled")

    assert tmp_path / "data" / "compiled" == folder
    assert {"TORCHINDUCTOR_CACHE_DIR": str(folder), "TRITON_CACHE_DIR": str(folder / "triton")} == environ
    assert not hasattr(os, "getuid") or 0o700 == folder.stat().st_mode & 0o777


@posix
@pytest.mark.parametrize("open_to_others", ["data/compiled", "data"])
def test_where_others_may_write_nothing_is_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, open_to_others: str
) -> None:
    (tmp_path / "data" / "compiled").mkdir(parents=True, mode=0o700)
    (tmp_path / open_to_others).chmod(0o777)

    folder, _ = opened(tmp_path / "data" / "compiled")

    assert tmp_path not in folder.parents
    assert 0o700 == folder.stat().st_mode & 0o777
    assert f"others may write to {tmp_path / open_to_others}" in caplog.text


@posix
def test_a_folder_of_somebody_else_is_not_used_and_neither_is_a_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "compiled").mkdir(mode=0o700)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)

    folder, _ = opened(tmp_path / "compiled")

    assert tmp_path not in folder.parents
    assert "belongs to another user" in caplog.text


def test_where_there_can_be_no_folder_it_is_a_temporary_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("x")

    folder, _ = opened(tmp_path / "file" / "compiled")

    assert folder.is_dir()
    assert "What is compiled is not kept" in caplog.text


@posix
def test_what_a_process_left_that_died_in_it_is_thrown_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "code.so").write_text("x")
    (tmp_path / f"{MARK}{ended.pid}").touch()

    opened(tmp_path)

    assert [] == list(tmp_path.iterdir())
    assert "died while it compiled" in caplog.text


def test_who_is_still_at_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "code.so").write_text("x")
    with under_way(tmp_path):
        opened(tmp_path)
        assert (tmp_path / "code.so").exists()

    assert ["code.so"] == [path.name for path in tmp_path.iterdir()]


def test_who_ends_in_good_order_leaves_no_mark_though_something_is_under_way(tmp_path: Path) -> None:
    with under_way(tmp_path):
        leave(tmp_path)

        assert [] == list(tmp_path.iterdir())


def test_more_than_it_may_take_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_folder, "MOST_BYTES", 10)
    (tmp_path / "code.so").write_bytes(b"x" * 11)

    opened(tmp_path)

    assert [] == list(tmp_path.iterdir())


@posix
def test_clearing_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / "link").symlink_to(tmp_path / "precious")

    clear(tmp_path / "compiled")

    assert [] == list((tmp_path / "compiled").iterdir())
    assert (tmp_path / "precious" / "file").exists()


def start(folder: Path, **environ: str) -> tuple[dict[str, Any], str]:
    """One process that compiles a small net, or finds it compiled."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        cwd=ROOT,
        env={**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": "1", **environ},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)  # a C++ compiler on a busy machine
def test_what_was_compiled_is_found_again_and_what_is_broken_is_made_anew(tmp_path: Path) -> None:
    well = {"compiled": True, "close": True, "problem": ""}
    first, _ = start(tmp_path)
    if "compiler" in first["problem"].lower():
        pytest.skip(f"there is no compiler here: {first['problem']}")
    again, _ = start(tmp_path)
    for path in tmp_path.rglob("*.so"):
        path.write_bytes(b"broken" * 100)
    mended, log = start(tmp_path)

    assert well | {"hits": 0, "misses": 2} == first
    assert well | {"hits": 2, "misses": 0} == again
    assert well == {name: mended[name] for name in well}
    assert 1 == log.count("is broken")
    assert not list(tmp_path.rglob("*.so"))


@pytest.mark.slow
def test_without_a_compiler_everything_is_painted_as_it_always_was(tmp_path: Path) -> None:
    found, log = start(tmp_path, CXX=str(tmp_path / "none"))

    assert not found["compiled"]
    assert found["close"]
    assert found["problem"]
    assert 1 == log.count("so it is painted uncompiled")
