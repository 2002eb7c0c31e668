"""Renews `.packaging/locks` with uv (`make lock`): every dependency with the hashes of its files on PyPI.

run.txt     what bot and engine need, without PyTorch
dev.txt     what the tests need besides
ray.txt     what the tests of a Ray cluster need besides both
logs.txt    TensorBoard and Weights & Biases, to which training logs
cuda.txt    PyTorch from PyPI, with CUDA. PyTorch's CPU builds lie on an index of their own and are pinned by version.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / ".packaging" / "locks"
COMPILE = (
    "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes", "--universal",
    "--python-version", "3.11", "--constraint", "constraints.txt", "pyproject.toml",
)  # fmt: skip
PYTORCH = re.compile(r"(torch|torchvision|triton|cuda-.*|nvidia-.*)\Z")
HEAD = """\
# {title}
# Install: pip install --require-hashes --no-deps -r .packaging/locks/{name}     Renew: make lock
"""


def compiled(*extras: str) -> dict[str, str]:
    """Package → its lines of a requirements file, hashes included."""
    options = [part for extra in extras for part in ("--extra", extra)]
    command = (*COMPILE, *options)
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - constant
    packages = re.split(r"\n(?=\w)", found.stdout.strip())
    return {re.split(r"[^\w.-]", text)[0]: text for text in packages}


def write(name: str, title: str, packages: Mapping[str, str], chosen: Collection[str]) -> None:
    """Write the *chosen* ones of *packages* into a lock file."""
    text = "".join(f"{packages[package]}\n" for package in sorted(chosen))
    (LOCKS / name).write_text(HEAD.format(title=title, name=name) + text, encoding="utf-8")


def main() -> int:
    """Write the five files."""
    run, everything, cluster = compiled("playground", "video"), compiled("dev"), compiled("ray")
    logs = compiled("train", "wandb")
    pytorch = {name for name in run if PYTORCH.match(name)}
    write("run.txt", "What bot and engine need, without PyTorch.", run, run.keys() - pytorch)
    write("dev.txt", "What the tests need besides run.txt.", everything, everything.keys() - run.keys())
    write("ray.txt", "Ray, for the slow tests.", cluster, cluster.keys() - everything.keys() - run.keys())
    write("logs.txt", "Logs of a training, for its tests.", logs, logs.keys() - everything.keys() - run.keys())
    write("cuda.txt", "PyTorch with CUDA, from PyPI.", run, pytorch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
