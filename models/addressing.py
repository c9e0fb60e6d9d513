"""Memory addressing of the Neural Turing Machine (Graves et al. 2014, §3.3; equation numbers are of this paper).

Shapes: memory M (batch, slots, width), weighting w (batch, heads, slots), key k (batch, heads, width); key strength β, interpolation gate g
and sharpening γ are (batch, heads, 1).
"""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad import Tensor

COSINE_EPSILON = 1e-8  # under the square root, so that a zero row has similarity 0 and a finite gradient
LOG_EPSILON = 1e-16  # w̃^γ is computed as exp(γ log(w̃ + ε)), which is finite at w̃ = 0


def memory_size(model: str, memory: Any) -> tuple[int, int]:
    """(slots, width) from the parameter `memory` of a model. Raises SettingError unless it is two positive integers."""
    match memory:
        case int(slots), int(width) if slots > 0 and width > 0:
            return slots, width
    problem = f"memory={memory!r} must be two positive integers, the number of slots and the width of each"
    raise mg.errors.setting_error(model, problem, "Write it as in memory=(128, 20)")


def similarity(k: Tensor, M: Tensor) -> Tensor:
    """Cosine similarity K[k, M(i)] = k·M(i) / √(|k|² |M(i)|² + ε), eq. 6: (batch, heads, slots)."""
    squares = mg.sum(k * k, -1, keepdims=True) * mg.expand_dims(mg.sum(M * M, -1), -2)
    return (k @ M.mT) / mg.sqrt(squares + COSINE_EPSILON)


def content(k: Tensor, beta: Tensor, M: Tensor) -> Tensor:
    """Content weighting w^c = softmax_i(β K[k, M(i)]), eq. 5: (batch, heads, slots)."""
    return mg.softmax(beta * similarity(k, M))


def interpolate(g: Tensor, w: Tensor, previous: Tensor) -> Tensor:
    """Interpolation w^g = g w^c + (1 − g) w_{t−1}, eq. 7: (batch, heads, slots). w is w^c, previous w_{t−1}."""
    return g * w + (1 - g) * previous


def shift(w: Tensor, s: Tensor) -> Tensor:
    """Circular convolution w̃(i) = Σ_j w^g(j) s(i − j mod N), eq. 8: (batch, heads, slots).

    s (batch, heads, 2k + 1) weighs the shifts −k … k; shift +1 moves a weighting to the next slot.
    """
    return mg.circular_convolution(w, s)


def sharpen(w: Tensor, gamma: Tensor) -> Tensor:
    """Sharpening w(i) = w̃(i)^γ / Σ_j w̃(j)^γ, eq. 9, computed as softmax(γ log(w̃ + ε)): (batch, heads, slots)."""
    return mg.softmax(gamma * mg.log(w + LOG_EPSILON))


def address(p: Tensor, M: Tensor, previous: Tensor, shifts: int) -> Tensor:
    """The weightings (batch, heads, slots) from head parameters p, memory M and the previous weightings w_{t−1} (Fig. 2).

    p (batch, heads, width + 3 + shifts) holds k, β, g, s and γ before their activations.
    """
    k, beta, g, s, gamma = mg.split(p, [M.shape[-1], 1, 1, shifts, 1])
    k, beta = mg.tanh(k).named("k"), mg.softplus(beta).named("beta")
    g, s = mg.sigmoid(g).named("g"), mg.softmax(s).named("s")
    gamma = (1 + mg.softplus(gamma)).named("gamma")
    w = content(k, beta, M).named("w_content")
    w = interpolate(g, w, previous).named("w_gated")
    w = shift(w, s).named("w_shifted")
    return sharpen(w, gamma)


def write(M: Tensor, w: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """Erase, M̃ = M ⊙ Π_heads (1 − w(i) e), eq. 3, and add, M̃ + Σ_heads w(i) a, eq. 4: (batch, slots, width).

    The erase vectors e and the add vectors a are (batch, heads, width).
    """
    for head in range(w.shape[1]):
        M = M * (1 - mg.expand_dims(w[:, head], -1) * mg.expand_dims(erase[:, head], 1))
    return M + w.mT @ add
