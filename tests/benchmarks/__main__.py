"""`python -m tests.benchmarks [NAME …]`: run them, print their figures, and with `--out FILE` keep them as a table."""

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
from tests.benchmarks.measure import Figure

TOOLS = ("measure", "__main__")
NAMES = tuple(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in TOOLS)


def main() -> int:
    """Run what was asked for; 0 if everything could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none = all")
    parser.add_argument("--out", type=Path, help="write the figures there, as a Markdown table")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in NAMES]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there is {', '.join(NAMES)}")
    _as_the_engine_is()
    torch.set_num_threads(1)
    print(machine(), flush=True)
    sections = [(name, measured(name)) for name in chosen.names or NAMES]
    if chosen.out:
        chosen.out.write_text("\n".join([f"Measured on {machine()}.", *(table(*s) for s in sections), ""]), "utf-8")
    return 0


def _as_the_engine_is() -> None:
    """Begin again with the allocator's settings that an engine's process gets: it reads them when it starts."""
    if sys.platform == "linux" and not all(name in os.environ for name in MALLOC):
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]], MALLOC | os.environ)


def measured(name: str) -> list[Figure]:
    """Run one benchmark and print its figures."""
    started = time.perf_counter()
    print(f"\n{name}", flush=True)
    figures: list[Figure] = importlib.import_module(f"tests.benchmarks.{name}").run()
    for figure in figures:
        print(f"  {figure}")
    print(f"  ({time.perf_counter() - started:.0f} s)", flush=True)
    return figures


def table(name: str, figures: list[Figure]) -> str:
    """One benchmark as a section of the report."""
    about = (importlib.import_module(f"tests.benchmarks.{name}").__doc__ or "").strip()
    rows = [f"| {f.what} | {f.value:.3g} {f.unit} | {f.aim or '–'} |" for f in figures]
    return "\n".join(["", f"## {name}", "", about, "", "| What | Measured | Aim |", "|---|---|---|", *rows])


def machine() -> str:
    """The machine in words."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), cpu)
    return (
        f"{Runtime.open().hardware.description}, {cpu}, Python {platform.python_version()}, torch {torch.__version__}"
    )


if __name__ == "__main__":
    sys.exit(main())
