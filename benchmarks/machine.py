"""The machine and the libraries that the numbers belong to, and what the machine can do at best."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .work import Work

PACKAGES = ["minigrad", "numpy", "numba", "llvmlite", "scipy", "jax", "jaxlib", "torch", "pytensor", "autograd", "mygrad"]


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def best(f: Callable[[], Any], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return min(times)


def gemm_rate(n: int = 1024) -> float:
    """FLOP/s of a large float32 matrix product, NumPy's BLAS on all cores."""
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    return 2 * n**3 / best(lambda: a @ a)


def copy_rate(megabytes: int = 256) -> float:
    """Bytes read and written a second by one large copy, one thread."""
    a = np.ones(megabytes << 20, np.uint8)
    b = np.ones_like(a)
    return 2 * a.nbytes / best(lambda: np.copyto(b, a))


def products(work: Work) -> int:
    """FLOP of the matrix products and of the passes over memory of one step, gradient included; the elementwise rest is left out."""
    h, rows = work.hidden, work.length * work.batch
    gates = {"lstm": 4, "gru": 3, "rnn": 1}
    if work.kind in gates:
        return rows * 2 * gates[work.kind] * h * (3 * h + 2 * work.inputs)
    if work.kind not in ("ntm", "mann"):
        return 0
    read = work.heads * work.width
    heads = 2 * (work.width + 6) + 2 * work.width if work.kind == "ntm" else work.heads * (work.width + 1)
    dense = 4 * h * (3 * (read + h) + 2 * work.inputs) + 3 * h * heads + 3 * (h + read) * work.outputs
    addresses = 2 * work.heads if work.kind == "ntm" else work.heads
    memory = 3 * work.slots * work.width * (2 * addresses + 3 * work.heads + 2)
    return rows * 2 * (dense + memory)


def run() -> dict[str, Any]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload]
    threads = {"numpy": os.environ.get("OPENBLAS_NUM_THREADS", "all")}
    if importlib.util.find_spec("torch"):
        import torch

        threads["torch"] = str(torch.get_num_threads())
        threads["torch BLAS"] = "MKL" if torch.backends.mkl.is_available() else "other"
    found = {p: importlib.metadata.version(p) for p in PACKAGES if importlib.util.find_spec(p)}
    return {
        "cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "packages": found,
        "numpy BLAS": f"{blas['name']} {blas['version']}", "threads": threads, "load": os.getloadavg()[0],
        "gemm": gemm_rate(), "copy": copy_rate(),
    }  # fmt: skip
