"""Facts for bug reports, and benchmarks."""
