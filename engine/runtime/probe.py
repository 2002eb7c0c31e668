"""`python -m engine.runtime.probe`: which devices torch sees here and whether they compute, as one line of JSON. With
`--compile DEVICE` also whether nets can be compiled for that one.

Runs in a separate process, because a driver that does not match its torch may crash the process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import torch


def main() -> None:
    if sys.argv[1:2] == ["--compile"]:
        print(json.dumps({"problem": _compile_problem(sys.argv[2])}))
        return
    print(json.dumps({"torch": torch.__version__, "cuda": torch.version.cuda or "", "devices": _devices()}))


def _devices() -> list[dict[str, object]]:
    found = [_gpu(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "title": "Apple GPU", "problem": _problem("mps"), "bytes": 0})
    return [*found, {"name": "cpu", "title": f"CPU ({os.cpu_count()} cores)", "problem": _problem("cpu"), "bytes": 0}]


def _gpu(index: int) -> dict[str, object]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "name": f"cuda:{index}",
        "title": properties.name,
        "bytes": properties.total_memory,
        "capability": f"{properties.major}.{properties.minor}",
        "served": torch.cuda.get_arch_list(),
        "problem": _problem(f"cuda:{index}"),
    }


def _problem(device: str) -> str:
    """Why the device cannot even convolve a small picture; empty if it can."""
    try:
        net = torch.nn.Conv2d(3, 4, 3).to(device)
        with torch.inference_mode():
            total = float(net(torch.ones(1, 3, 8, 8, device=device)).sum())
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "" if total == total else "it computes NaN"


def _compile_problem(name: str) -> str:
    """Why not even a small net can be compiled for the device of that name; empty if it can."""
    from engine.runtime.device import find_device
    from engine.runtime.tuning import make_compiler

    device = find_device(name)
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.SiLU()).requires_grad_(False).to(device)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        compiler = make_compiler(Path(folder))
        compiler.take(net)
        compiler.step("probe", lambda: net(torch.ones(2, 4, device=device)))
    return compiler.problem


if __name__ == "__main__":
    main()
