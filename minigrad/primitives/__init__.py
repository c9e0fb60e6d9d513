"""Primitives: one entry an operation, with all that the engine knows of it. Those of control flow stand in `minigrad.control`."""
