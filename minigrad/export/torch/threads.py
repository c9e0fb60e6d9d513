"""PyTorch's own threads, on which minigrad's programs run inside PyTorch."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from ...compiler.runtime.openmp import OpenMP, current


@cache
def openmp() -> OpenMP | None:
    """PyTorch's OpenMP library; None where it has another kind of threads, or a library without GNU's names."""
    if not torch.backends.openmp.is_available():
        return None
    try:
        return OpenMP(ctypes.CDLL(torch._C.__file__), torch.get_num_threads)  # its symbols are those of the libraries that it needs
    except (OSError, AttributeError):
        return None


@contextmanager
def on_threads_of_torch() -> Iterator[None]:
    """Programs that are called here share their work with PyTorch's threads, if it has several."""
    token = current.set(openmp())
    try:
        yield
    finally:
        current.reset(token)
