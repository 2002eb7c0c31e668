"""`python -m tests.benchmarks [NAME …]`: run benchmarks and print each figure beside that of docs/performance.md.

`--write` puts the new figures into that page.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
import time
from pathlib import Path

import torch

from engine.environment import MALLOC
from engine.runtime.runtime import Runtime
from tests.benchmarks import docs
from tests.benchmarks.measure import Figure

TOOLS = ("docs", "measure", "__main__")
NAMES = tuple(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in TOOLS)


def main() -> int:
    """Run what was asked for; 0 if everything could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none = all")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in NAMES]:
        parser.error(f"unknown benchmark {unknown[0]!r}; available: {', '.join(NAMES)}")
    _as_the_engine_is()
    torch.set_num_threads(1)
    print(machine(), flush=True)
    for name in chosen.names or NAMES:
        figures = measured(name)
        if chosen.write:
            docs.write(name, figures, machine())
    return 0


def _as_the_engine_is() -> None:
    """Begin again with the allocator's settings that an engine's process gets: it reads them when it starts."""
    if sys.platform == "linux" and not all(name in os.environ for name in MALLOC):
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]], MALLOC | os.environ)


def measured(name: str) -> list[Figure]:
    """Run one benchmark and print its figures beside those of the page."""
    started = time.perf_counter()
    print(f"\n{name}", flush=True)
    figures: list[Figure] = importlib.import_module(f"tests.benchmarks.{name}").run()
    for line in docs.comparison(figures, docs.published().get(name, docs.Published("", {}))):
        print(f"  {line}")
    print(f"  ({time.perf_counter() - started:.0f} s)", flush=True)
    return figures


def machine() -> str:
    """The machine in words."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), cpu)
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{Runtime.open().hardware.description}, {cpu} ({capability}), Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )


if __name__ == "__main__":
    sys.exit(main())
