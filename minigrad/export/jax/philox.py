"""Philox 4x64-10 (Salmon et al. 2011) in JAX: the bits of minigrad.random, from keys and counters alone."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ...primitives.index import PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL


def philox(key: Any, stream: Any, count: int, domain: int) -> Any:
    """`count` numbers uint64(…, count) for each key uint64(…, 2): the blocks of counters (1, 0, stream, domain), (2, 0, …), …"""
    numbers = jnp.arange(1, (count + 3) // 4 + 1, dtype="uint64")
    zero = jnp.zeros((*key.shape[:-1], numbers.size), "uint64")
    counter = [zero + numbers, zero, zero + stream[..., None], zero + np.uint64(domain)]
    keys = [key[..., i, None] for i in (0, 1)]
    for i in range(PHILOX_ROUNDS):
        if i:
            keys = [k + np.uint64(w) for k, w in zip(keys, PHILOX_WEYL, strict=True)]
        (high0, low0), (high1, low1) = (_product(counter[at], m) for at, m in zip((0, 2), PHILOX_MULTIPLIERS, strict=True))
        counter = [high1 ^ counter[1] ^ keys[0], low1, high0 ^ counter[3] ^ keys[1], low0]
    return jnp.stack(counter, -1).reshape(*key.shape[:-1], -1)[..., :count]


def _product(a: Any, multiplier: int) -> tuple[Any, Any]:
    """The upper and the lower 64 bits of a product, from products of halves."""
    half, mask, low, up = (np.uint64(v) for v in (32, 0xFFFFFFFF, multiplier & 0xFFFFFFFF, multiplier >> 32))
    a_low, a_up = a & mask, a >> half
    middle = a_up * low + (a_low * low >> half)
    cross = a_low * up + (middle & mask)
    return a_up * up + (middle >> half) + (cross >> half), a * np.uint64(multiplier)
