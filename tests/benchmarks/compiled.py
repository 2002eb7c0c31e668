"""Gain of compiling guiding nets (`engine.runtime.tuning`): the same forward and backward pass, eager and compiled, in
turn, on one thread; and what the first pass of a fresh process costs without a cache, and with that of another process.

CPU seconds include the C++ compiler, which it needs. Takes some twenty CPU minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from engine.environment import child_environment
from tests.benchmarks.measure import Figure

ROOT = Path(__file__).parents[2]
NETS = {
    "the primer's U-Net, 1 picture": "the primer's U-Net",
    "CLIP ViT-B/32, 32 cuts": "ViT-B/32, 32 cuts",
    "a U-Net of LSUN's size, 256×256": "a U-Net of LSUN's size",
}
"""Name in `tests.benchmarks.floor` → what it is called here."""
CHILD = """
import json, os, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from torch import nn
from engine.runtime import compiler as compiling
from engine.nets import kernels
from tests.benchmarks import floor
from tests.benchmarks.measure import side_by_side

by = compiling.make_compiler(Path(sys.argv[1]))
nets = []
def taken(net):
    net = net.eval().requires_grad_(False)
    nets.append(net)
    return net
floor._frozen = taken
work = floor.NETS[sys.argv[2]]()
kernels.usable()
if not nets:  # a perceptor's
    towers = work.__closure__[0].cell_contents.__self__
    nets.append(towers.visual)
by.take(nets[0])
spent = lambda: sum(os.times()[:4])
before = spent()
assert by.step("a", work)[1], by.problem
first = spent() - before
plain = lambda: by.step("a", work, False)
pair = side_by_side(plain, lambda: by.step("a", work), rounds=int(sys.argv[3]))
print(json.dumps({"first": first, "ratio": pair.ratio, "plain": pair.before}))
"""


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
    done = subprocess.run(
        [sys.executable, "-c", CHILD, folder, name, str(rounds)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
