"""Memory for results: it starts on a cache line, and is used again once nobody holds the result."""

from __future__ import annotations

import ctypes
import math
import sys
from collections import deque
from collections.abc import Iterator

import numpy as np

from .. import loop_ir as L
from ..llvm.to_llvm import ARRAY_DATA

KEPT_FROM = 2**12  # bytes; below, allocation itself is what counts
WAITING_AT_MOST = 2**24  # bytes that nobody uses, or as many as are in use
LOOKS = 8  # at blocks of a size before a new one is made
_address = ctypes.c_size_t.from_address
_blocks: dict[int, deque[np.ndarray]] = {}  # by size; the one used longest ago comes first
_counted = _made = 0  # bytes of all blocks when they were last counted, and made since


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array, large ones on a cache line: matrix-vector products of others took 1.3 to 1.8 times as long.

    Memory that is new to the process is not only allocated: the first touch of its pages took a fifth of a training step of 700,000
    parameters.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < KEPT_FROM:
        return np.empty(shape, dtype)
    blocks = _blocks.setdefault(size, deque())
    for _ in range(LOOKS):
        count, block = _first(blocks)
        if block is None:
            break
        found = _on(block, shape, dtype) if count == _UNUSED else None  # before another thread sees the block
        blocks.append(block)
        if found is not None:
            return found
    _forget_waiting(size)
    block = np.empty(size + L.ALIGNMENT, np.uint8)
    found = _on(block, shape, dtype)
    _blocks.setdefault(size, deque()).append(block)
    return found


def _forget_waiting(size: int) -> None:
    """Gives all blocks back to malloc when more of them wait than are in use: results have other sizes now.

    They are counted whenever a quarter more has been made, so that results that are kept cost no more the more there are.
    """
    global _counted, _made
    _made += size
    if 4 * _made < _counted:
        return
    total = waiting = 0
    for block, unused in all_blocks():
        total += block.nbytes
        waiting += block.nbytes * unused
    if waiting > max(WAITING_AT_MOST, total - waiting):
        _blocks.clear()
    _counted, _made = total, 0


def all_blocks() -> Iterator[tuple[np.ndarray, bool]]:
    """Every block, and whether nobody uses it; until the next is asked for, nobody else gets it."""
    for blocks in list(_blocks.values()):
        for _ in range(len(blocks)):
            count, block = _first(blocks)
            if block is not None:
                yield block, count == _UNUSED
                blocks.append(block)


def address(array: np.ndarray) -> int:
    """Where the elements of an array begin."""
    return _address(id(array) + ARRAY_DATA).value


def aligned(block: np.ndarray) -> np.ndarray:
    """Bytes from their first cache line on."""
    return block[-address(block) % L.ALIGNMENT :]


def _on(block: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.ndarray(shape, dtype, block, -address(block) % L.ALIGNMENT)


def _first(blocks: deque[np.ndarray]) -> tuple[int, np.ndarray | None]:
    """The first block, taken out, and how many hold it: an array, and a view of it, hold the block they are on."""
    try:
        block = blocks.popleft()
    except IndexError:
        return 0, None
    return sys.getrefcount(block), block


_UNUSED = _first(deque([np.empty(1, np.uint8)]))[0]


def _check_array_layout() -> None:
    array = np.empty(1)
    if address(array) != array.ctypes.data:
        raise ImportError("NumPy arrays do not keep their data pointer where minigrad expects it")


_check_array_layout()
