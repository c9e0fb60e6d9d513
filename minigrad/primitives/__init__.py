"""Primitives: one entry per operation, with all its rules. The primitives of control flow are in `minigrad.control`."""
