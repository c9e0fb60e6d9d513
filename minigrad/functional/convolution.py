"""Convolutions and pooling. Channels are the last axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from .. import ops
from ..errors import setting_error, shape_error
from ..graph import dims
from ..graph.types import promote, whole
from ..ops.elementwise import Like, _floats
from ..tensor import Tensor, tensor


def circular_convolution(w: Like, s: Like) -> Tensor:
    """w̃(i) = Σ_j w(i − j mod N) s(j) over the last axis, j = −k … k for a kernel of 2k + 1 entries, s[0] being j = −k.

    A one-hot s moves w by its shift: s(+1) = 1 gives w̃(i) = w(i − 1) (Graves et al. 2014, eq. 8). Raises ShapeError for an even kernel.
    """
    a, kernel = tensor(w), tensor(s)
    width = kernel.shape[-1]
    if width % 2 == 0 or width > a.shape[-1]:
        raise shape_error("circular_convolution", f"a kernel of odd length up to {a.shape[-1]} is needed, got {width}")
    half = width // 2
    return sum((ops.roll(a, j - half, -1) * kernel[..., j : j + 1] for j in range(1, width)), ops.roll(a, -half, -1) * kernel[..., :1])


def conv2d(x: Like, W: Like, stride: int = 1, padding: int = 0) -> Tensor:
    """y(i, j, ·) = Σ_ab x(i·stride + a − padding, j·stride + b − padding, ·) W(a, b, ·, ·), zero beyond the rim; channels last.

    x (…, height, width, in), W (rows, columns, in, out); one matrix product of all patches. Raises ShapeError where they don't fit.
    """
    t, kernel = tensor(x), tensor(W)
    if t.ndim < 3 or kernel.ndim != 4 or not dims.unify(t.shape[-1], kernel.shape[2]):
        raise shape_error("conv2d", f"takes x (…, height, width, in) and W (rows, columns, in, out), got {t.shape} and {kernel.shape}")
    stride, padding = whole("conv2d", stride, "stride"), whole("conv2d", padding, "padding")
    if stride < 1 or padding < 0:
        raise setting_error("conv2d", f"takes a stride from 1 and a padding from 0, got {stride} and {padding}")
    t = ops.pad(t, [*[(0, 0)] * (t.ndim - 3), (padding, padding), (padding, padding), (0, 0)]) if padding else t
    (height, width), (rows, columns) = t.shape[-3:-1], kernel.shape[:2]
    if height < rows or width < columns:
        raise shape_error("conv2d", f"a kernel of {rows}×{columns} is larger than the {height}×{width} that it moves over")
    down, right = (height - rows) // stride * stride + 1, (width - columns) // stride * stride + 1
    patches = [t[..., a : a + down : stride, b : b + right : stride, :] for a in range(rows) for b in range(columns)]
    return ops.concat(patches, -1) @ ops.reshape(kernel, (-1, kernel.shape[-1]))


Padding = int | tuple[int, int] | Literal["causal"]


def conv1d(x: Like, W: Like, stride: int = 1, padding: Padding = 0, dilation: int = 1, groups: int = 1) -> Tensor:
    """y(t, ·) = Σ_a x(t·stride + a·dilation − padding, ·) W(a, ·, ·), zero beyond the ends, as in PyTorch but with channels last.

    x (…, length, in), W (taps, in / groups, out): (…, length', out). padding is a number of steps, (before, after), or "causal": y(t) then
    depends on x(… t) only and has as many steps. With groups the channels are divided, and each group of outputs sees its own inputs.
    Raises ShapeError where they don't fit.
    """
    t, kernel = _floats_apart("conv1d", x, W)
    if t.ndim < 2 or kernel.ndim != 3:
        raise shape_error("conv1d", f"takes x (…, length, in) and W (taps, in / groups, out), got {t.shape} and {kernel.shape}")
    stride, dilation, groups = (_positive("conv1d", n, v) for n, v in (("stride", stride), ("dilation", dilation), ("groups", groups)))
    taps, inputs, outputs = (n.__index__() for n in kernel.shape)
    if not dims.unify(t.shape[-1], inputs * groups) or outputs % groups:
        problem = f"with groups={groups}, x {t.shape} does not fit W {kernel.shape}"
        raise shape_error("conv1d", problem, "x has groups · W.shape[1] channels, and W.shape[2] is a multiple of groups")
    reach = (taps - 1) * dilation
    t = _padded("conv1d", t, (reach, 0) if padding == "causal" else padding, 0.0)
    rows = _windows("conv1d", t, taps, stride, dilation)
    if groups == 1:
        return ops.concat(rows, -1) @ ops.reshape(kernel, (taps * inputs, outputs))
    shape = rows[0].shape[:-1]
    patches = ops.reshape(ops.stack(rows, -2), (dims.product(shape), taps, groups, inputs))
    patches = ops.reshape(ops.permute_dims(patches, (2, 0, 1, 3)), (groups, patches.shape[0], taps * inputs))
    each = ops.permute_dims(ops.reshape(kernel, (taps, inputs, groups, outputs // groups)), (2, 0, 1, 3))
    y = patches @ ops.reshape(each, (groups, taps * inputs, outputs // groups))
    return ops.reshape(ops.permute_dims(y, (1, 0, 2)), (*shape, outputs))


def max_pool1d(x: Like, size: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """The maximum of each window of `size` steps of x (…, length, channels), windows `stride` (by default `size`) apart.

    Elements at a tie share the gradient. Beyond the ends stands −∞. Raises ShapeError for x shorter than a window.
    """
    return _pooled("max_pool1d", x, size, stride, padding, -math.inf, lambda windows: ops.max(windows, 0))


def avg_pool1d(x: Like, size: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """The mean of each window of `size` steps of x (…, length, channels), windows `stride` (by default `size`) apart.

    Beyond the ends stand zeros, which count. Raises ShapeError for x shorter than a window.
    """
    return _pooled("avg_pool1d", x, size, stride, padding, 0.0, lambda windows: ops.mean(windows, 0))


def _pooled(what: str, x: Like, size: int, stride: int | None, padding: int, rim: float, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    (t,) = _floats(what, x)
    if t.ndim < 2:
        raise shape_error(what, f"takes x (…, length, channels), got {t.shape}")
    size = _positive(what, "size", size)
    if not 0 <= padding <= size // 2:
        raise setting_error(what, f"takes a padding from 0 to half the size, {size // 2}, got {padding}")
    t = _padded(what, t, padding, rim)
    return reduce(ops.stack(_windows(what, t, size, size if stride is None else _positive(what, "stride", stride), 1)))


def _floats_apart(what: str, x: Like, W: Like) -> list[Tensor]:
    """The operands as floats of one dtype, each in its own shape."""
    found = [_floats(what, v)[0] for v in (x, W)]
    common = promote(t.dtype for t in found)
    return [ops.astype(t, common) for t in found]


def _positive(what: str, name: str, value: Any) -> int:
    number = whole(what, value, name)
    if number < 1:
        raise setting_error(what, f"{name} must be at least 1, got {value}")
    return number


def _padded(what: str, t: Tensor, padding: Any, value: float) -> Tensor:
    """x (…, length, channels) with this value before and after."""
    pair = padding if isinstance(padding, (tuple, list)) and len(padding) == 2 else (padding, padding)
    before, after = (whole(what, n, "padding") for n in pair)
    if before < 0 or after < 0:
        raise setting_error(what, f"padding must not be negative, got {padding}")
    rims = [ops.full((*t.shape[:-2], n, t.shape[-1]), value, t.dtype) for n in (before, after)]
    return ops.concat([*rims[:1] * bool(before), t, *rims[1:] * bool(after)], -2)


def _windows(what: str, t: Tensor, size: int, stride: int, dilation: int) -> list[Tensor]:
    """The first, second, … element of each window: `size` tensors (…, windows, channels)."""
    reach, n = (size - 1) * dilation, t.shape[-2]
    if n < reach + 1:
        raise shape_error(what, f"a window of {reach + 1} steps is longer than the {n} that it moves over")
    span = (n - reach - 1) // stride * stride + 1
    return [t[..., a : a + span : stride, :] for a in range(0, reach + 1, dilation)]
