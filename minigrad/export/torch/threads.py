"""PyTorch's own threads, on which minigrad's programs run inside PyTorch."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from ...compiler.runtime.openmp import OpenMP, current


@cache
def openmp() -> OpenMP | None:
    """PyTorch's OpenMP library; None where it has another kind of threads, or a library without GNU's names."""
    if torch.backends.openmp.is_available():
        whole = [None] if sys.platform == "linux" else []  # the process: a library that was loaded before PyTorch is PyTorch's too
        for library in map(ctypes.CDLL, [*whole, torch._C.__file__]):  # the symbols of what it needs are its own
            if hasattr(library, "GOMP_parallel") and hasattr(library, "omp_get_thread_num"):
                return OpenMP(library, torch.get_num_threads)
    return None


@contextmanager
def on_threads_of_torch() -> Iterator[None]:
    """Programs that are called here share their work with PyTorch's threads, if it has several."""
    token = current.set(openmp())
    try:
        yield
    finally:
        current.reset(token)
