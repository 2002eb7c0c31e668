"""Quality of the pictures, in figures with intervals. Speed and memory are in tests/benchmarks."""
