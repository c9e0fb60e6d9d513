"""Runs GradBench's JAX tool so that its clock waits for results: JAX returns before it has computed them.

python -m benchmarks.gradbench.with_jax run.py [--multithreaded]
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def waiting(decorated: Callable[..., Any]) -> Callable[..., Any]:
    """GradBench's decorator of timed functions, for functions that block until their results are there."""
    import jax

    return lambda **kwargs: lambda f: decorated(**kwargs)(lambda x: jax.block_until_ready(f(x)))


if __name__ == "__main__":
    from gradbench import wrap  # of the checkout

    wrap.function, wrap.multiple_runs = waiting(wrap.function), waiting(wrap.multiple_runs)
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
