"""minigrad beside its peers, on the same weights and data: `python -m benchmarks`."""
