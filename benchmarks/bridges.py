"""minigrad's model inside a PyTorch program, beside minigrad's own training step and the same model written in PyTorch."""

from __future__ import annotations

from . import steps
from .work import ntm

OVERHEAD, SPEEDUP = 1.2, 5.0  # bars: at most so many times minigrad's own step, and so many times faster than PyTorch's


def run(rounds: int, quick: bool) -> list[steps.Row]:
    return steps.run([ntm(16), ntm(64)], ["torch", "minigrad in torch"], rounds, quick)
