"""Gain of compiling guiding nets (`engine.runtime.tuning`): the same forward and backward pass, eager and compiled, in
turn, on one thread; and what the first pass of a fresh process costs without a cache, and with that of another process.

CPU seconds include the C++ compiler, which it needs. Takes some twenty CPU minutes.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from engine.environment import child_environment
from engine.nets import kernels
from engine.runtime.tuning import make_compiler
from tests.benchmarks import floor
from tests.benchmarks.measure import Figure, side_by_side

ROOT = Path(__file__).parents[2]
NETS = {
    "the primer's U-Net, 1 picture": "the primer's U-Net",
    "CLIP ViT-B/32, 32 cuts": "ViT-B/32, 32 cuts",
    "a U-Net of LSUN's size, 256×256": "a U-Net of LSUN's size",
}
"""Name in `tests.benchmarks.floor` → what it is called here."""


def run() -> list[Figure]:
    """Each net with nothing kept, then again in a process that finds it."""
    figures = []
    for name, words in NETS.items():
        with tempfile.TemporaryDirectory() as folder:
            cold, kept = _child(folder, name, rounds=5), _child(folder, name, rounds=1)
        figures += [
            Figure(f"{words}: a pass as it is", cold["plain"], "CPU s"),
            Figure(f"{words}: compiled, faster by", cold["ratio"], "×"),
            Figure(f"{words}: until the first one, nothing cached", cold["first"], "CPU s"),
            Figure(f"{words}: until the first one, cached", kept["first"], "CPU s"),
        ]
    return figures


def _child(folder: str, name: str, *, rounds: int) -> dict[str, float]:
    """A fresh process, as the engine's is started."""
    environment = child_environment(os.environ, device="cpu", threads="1") | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
    command = [sys.executable, "-m", "tests.benchmarks.compiled", folder, name, str(rounds)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(folder: Path, name: str, rounds: int) -> dict[str, float]:
    """Return CPU seconds of the first compiled pass, those of an eager pass, and eager over compiled."""
    torch.set_num_threads(1)
    compiler, nets = make_compiler(folder), list[nn.Module]()

    def taken(net: nn.Module) -> nn.Module:
        nets.append(net.eval().requires_grad_(False))
        return net

    with patch.object(floor, "_frozen", taken):
        work = floor.NETS[name]()
    kernels.usable()
    if not nets:  # a perceptor is frozen by its own loader
        nets.append(inspect.getclosurevars(work).nonlocals["net"].__self__.visual)
    compiler.take(nets[0])
    before = _spent()
    assert compiler.step("a", work)[1], compiler.problem
    first = _spent() - before
    pair = side_by_side(lambda: compiler.step("a", work, False), lambda: compiler.step("a", work), rounds=rounds)
    return {"first": first, "ratio": pair.ratio, "plain": pair.before}


def _spent() -> float:
    """CPU seconds of this process and of those it waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
