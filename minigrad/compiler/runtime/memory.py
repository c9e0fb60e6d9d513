"""A pool of memory for results. Blocks are aligned to a cache line and reused when no result refers to them any more."""

from __future__ import annotations

import ctypes
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from .. import loop_ir as L
from ..llvm.entry import ARRAY_DATA

KEPT_FROM = 2**12  # bytes; smaller arrays are not pooled, since their cost is the call of the allocator
WAITING_AT_MOST = 2**24  # bytes of unused blocks that the pool keeps, or as many as are in use
LOOKS = 8  # blocks of a size that are tried before a new one is allocated
TUPLE_ITEMS = tuple.__basicsize__  # the offset of the first item's address in a tuple
_address = ctypes.c_size_t.from_address
_blocks: dict[int, deque[np.ndarray]] = {}  # by size; the least recently used comes first
_counted = _made = 0  # bytes of all blocks when they were last counted, and bytes allocated since then


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array. Large arrays come from the pool and start on a cache line."""
    return maker(shape, dtype)(shape, dtype)


def maker(shape: tuple[int, ...], dtype: np.dtype) -> Callable[[tuple[int, ...], np.dtype], np.ndarray]:
    """What makes such arrays."""
    return np.empty if math.prod(shape) * dtype.itemsize < KEPT_FROM else _pooled


def _pooled(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array from the pool.

    Matrix-vector products of unaligned arrays took 1.3 to 1.8 times as long. Without the pool, the page faults of new memory took a fifth
    of a training step of a model with 700,000 parameters.
    """
    size = math.prod(shape) * dtype.itemsize
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
    block = _new_block(size)
    found = _on(block, shape, dtype)
    _blocks.setdefault(size, deque()).append(block)
    return found


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that starts on a cache line, in a block of its own, its base."""
    return _on(_new_block(math.prod(shape) * dtype.itemsize), shape, dtype)


def _new_block(size: int) -> np.ndarray:
    return np.empty(size + L.ALIGNMENT, np.uint8)


def _forget_waiting(size: int) -> None:
    """Drops all blocks from the pool when more bytes of them are unused than in use, as when results have other sizes than before.

    Blocks are counted only after a quarter more bytes were allocated, so the time per allocation does not grow with their number.
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
    """Every block, and whether it is unused. A yielded block is out of the pool until the next one is asked for."""
    for blocks in list(_blocks.values()):
        for _ in range(len(blocks)):
            count, block = _first(blocks)
            if block is not None:
                yield block, count == _UNUSED
                blocks.append(block)


def address(array: np.ndarray) -> int:
    """The address of an array's first element."""
    return _address(id(array) + ARRAY_DATA).value


def aligned(block: np.ndarray) -> np.ndarray:
    """The part of a block that starts on its first cache line."""
    return block[-address(block) % L.ALIGNMENT :]


def _on(block: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return np.ndarray(shape, dtype, block, -address(block) % L.ALIGNMENT)


def _first(blocks: deque[np.ndarray]) -> tuple[int, np.ndarray | None]:
    """Removes the first block; returns its reference count with it. An array and its views refer to the block that holds them."""
    try:
        block = blocks.popleft()
    except IndexError:
        return 0, None
    return sys.getrefcount(block), block


_UNUSED = _first(deque([np.empty(1, np.uint8)]))[0]


def _check_layout() -> None:
    array = np.empty(1)
    pair = (None, array)
    if address(array) != array.ctypes.data:
        raise ImportError("NumPy arrays do not keep their data pointer where minigrad expects it")
    if [_address(id(pair) + TUPLE_ITEMS + 8 * i).value for i in (0, 1)] != [*map(id, pair)]:
        raise ImportError("tuples do not keep the addresses of their items where minigrad expects them")


_check_layout()
