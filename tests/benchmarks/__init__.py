"""Speed and memory, as ratios measured side by side in one run: `make bench`. Nothing here is asserted on in the tests.

A module of this folder is a benchmark if it has `run() -> list[Figure]`; its docstring says what is compared and why.
`python -m tests.benchmarks` runs all of them, `python -m tests.benchmarks journey optimiser` some.
"""
