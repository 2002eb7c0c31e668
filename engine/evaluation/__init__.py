"""How good the pictures are, in figures with their uncertainty. Speed and memory are in tests/benchmarks."""
