"""Differential fuzzing: random programs run many ways that must agree. `python -m tests.fuzz --help`; figures in README.md."""
