"""Benchmarks: run with `make bench`; each prints what it measured and against what."""
