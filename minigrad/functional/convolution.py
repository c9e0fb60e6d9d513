"""Convolutions."""

from __future__ import annotations

from .. import ops
from ..errors import setting_error, shape_error
from ..graph import dims
from ..ops.elementwise import Like
from ..tensor import Tensor, tensor


def circular_convolution(w: Like, s: Like) -> Tensor:
    """w̃(i) = Σ_j w(i − j mod N) s(j) over the last axis, j = −k … k for a kernel of 2k + 1 entries, s[0] being j = −k.

    A one-hot s moves w by its shift: s(+1) = 1 gives w̃(i) = w(i − 1) (Graves et al. 2014, eq. 8). Raises ShapeError for an even kernel.
    """
    a, kernel = tensor(w), tensor(s)
    width = kernel.shape[-1]
    if width % 2 == 0 or width > a.shape[-1]:
        raise shape_error("circular_convolution", f"a kernel of odd length up to {a.shape[-1]} is needed, got {width}")
    return sum(
        (ops.roll(a, j - width // 2) * kernel[..., j : j + 1] for j in range(1, width)), ops.roll(a, -(width // 2)) * kernel[..., :1]
    )


def conv2d(x: Like, W: Like, stride: int = 1, padding: int = 0) -> Tensor:
    """y(i, j, ·) = Σ_ab x(i·stride + a − padding, j·stride + b − padding, ·) W(a, b, ·, ·), zero beyond the rim; channels last.

    x (…, height, width, in), W (rows, columns, in, out); one matrix product of all patches. Raises ShapeError where they don't fit.
    """
    t, kernel = tensor(x), tensor(W)
    if t.ndim < 3 or kernel.ndim != 4 or not dims.unify(t.shape[-1], kernel.shape[2]):
        raise shape_error("conv2d", f"takes x (…, height, width, in) and W (rows, columns, in, out), got {t.shape} and {kernel.shape}")
    if stride < 1 or padding < 0:
        raise setting_error("conv2d", f"takes a stride from 1 and a padding from 0, got {stride} and {padding}")
    t = ops.pad(t, [*[(0, 0)] * (t.ndim - 3), (padding, padding), (padding, padding), (0, 0)]) if padding else t
    (height, width), (rows, columns) = t.shape[-3:-1], kernel.shape[:2]
    if height < rows or width < columns:
        raise shape_error("conv2d", f"a kernel of {rows}×{columns} is larger than the {height}×{width} that it moves over")
    down, right = (height - rows) // stride * stride + 1, (width - columns) // stride * stride + 1
    patches = [t[..., a : a + down : stride, b : b + right : stride, :] for a in range(rows) for b in range(columns)]
    return ops.concat(patches, -1) @ ops.reshape(kernel, (-1, kernel.shape[-1]))
