"""Movement primitives: they move elements and compute none. Axes are normalised, and attributes are tuples."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import shape_error
from ..graph import dims
from ..graph.dims import Extent, Shape
from ..graph.types import FLOAT, TensorType, is_one, unify_shapes
from ..tensor import Primitive, Tensor
from .rules import each, fold_number, repeat

Ints = tuple[int, ...]


# ---- reshape, permute


def _reshape_type(x: TensorType, shape: Shape) -> TensorType:
    if not dims.unify(dims.product(shape), dims.product(x.shape)):
        raise shape_error("reshape", f"{dims.product(x.shape)} elements of {x.shape} cannot become {shape} ({dims.product(shape)})")
    return TensorType(shape, x.dtype)


reshape: Primitive = Primitive(
    "reshape",
    _reshape_type,
    lambda x, shape: x.reshape(shape),
    vjp=each(lambda ct, y, x, shape: reshape(ct, shape=x.shape)),
    batch=lambda size, args, batched, shape: reshape(args[0], shape=(size, *shape)),
    kind="move",
    symbol="reshape",
    fold=fold_number,
    examples=((((2, 6),), {"shape": (3, 4)}), (((1,),), {"shape": ()}), (((0, 3),), {"shape": (3, 0)})),
)

permute: Primitive = Primitive(
    "permute",
    lambda x, axes: TensorType(tuple(x.shape[a] for a in axes), x.dtype),
    lambda x, axes: x.transpose(axes),
    vjp=each(lambda ct, y, x, axes: permute(ct, axes=tuple(np.argsort(axes).tolist()))),
    batch=lambda size, args, batched, axes: permute(args[0], axes=(0, *(a + 1 for a in axes))),
    kind="move",
    symbol="transpose",
    fold=fold_number,
    examples=((((2, 3, 4),), {"axes": (2, 0, 1)}), (((),), {"axes": ()})),
)


# ---- broadcast: NumPy's broadcast_to. Its vjp is the only place that sums over broadcast axes.


def _broadcast_type(x: TensorType, shape: Shape) -> TensorType:
    extra = len(shape) - len(x.shape)
    if not x.shape:
        return TensorType(shape, x.dtype)
    if extra < 0 or not all(is_one(n) or dims.unify(n, m) or dims.unify(n, 1) for n, m in zip(x.shape, shape[extra:], strict=True)):
        raise shape_error("broadcast_to", f"{x.shape} does not broadcast to {shape}")
    return TensorType(shape, x.dtype)


def _broadcast_vjp(ct: Tensor, y: Tensor, x: Tensor, shape: Shape) -> Tensor:
    from .reduce import sum  # its rules are made of movement

    extra = len(shape) - x.ndim
    axes = tuple(a for a in range(len(shape)) if a < extra or (is_one(x.shape[a - extra]) and not is_one(shape[a])))
    return reshape(sum(ct, axes=axes), shape=x.shape)


def _broadcast_batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], shape: Shape) -> Tensor:
    (x,) = args
    ones = (1,) * (len(shape) + 1 - x.ndim)
    return broadcast(reshape(x, shape=(size, *ones, *x.shape[1:])), shape=(size, *shape))


def _broadcast_numpy(x: np.ndarray, shape: Ints) -> np.ndarray:
    if not isinstance(x, np.ndarray) or not x.flags.c_contiguous or x.ndim > len(shape):
        return np.broadcast_to(x, shape)
    strides = [0] * (len(shape) - x.ndim)
    for n, m, stride in zip(x.shape, shape[len(strides) :], x.strides, strict=True):
        if n != m and n != 1:
            return np.broadcast_to(x, shape)  # raises
        strides.append(stride if n == m else 0)
    return np.ndarray(shape, x.dtype, x, 0, strides)  # several times as fast as np.broadcast_to


broadcast: Primitive = Primitive(
    "broadcast",
    _broadcast_type,
    _broadcast_numpy,
    vjp=each(_broadcast_vjp),
    batch=_broadcast_batch,
    lazy=True,
    kind="move",
    symbol="broadcast",
    fold=lambda op, nodes, attrs, type: fold_number(op, nodes, attrs, type) if nodes[0].args else None,
    examples=((((3, 1),), {"shape": (2, 3, 4)}), (((),), {"shape": (2, 2)}), (((1, 3),), {"shape": (0, 3)})),
)


# ---- slice and pad; the gradient of each is the other


def _slice_type(x: TensorType, start: Shape, stop: Shape, step: Ints) -> TensorType:
    if not all(0 <= a <= b <= n for a, b, n in zip(start, stop, x.shape, strict=True)):
        raise shape_error("slice", f"{start} … {stop} is not inside {x.shape}")
    return TensorType(tuple((b - a + s - 1) // s if s > 1 else b - a for a, b, s in zip(start, stop, step, strict=True)), x.dtype)


def _slice_vjp(ct: Tensor, y: Tensor, x: Tensor, start: Shape, stop: Shape, step: Ints) -> Tensor:
    last = tuple(a + n if s == 1 or not n > 0 else a + (n - 1) * s + 1 for a, n, s in zip(start, y.shape, step, strict=True))
    return pad(ct, low=start, high=tuple(n - e for n, e in zip(x.shape, last, strict=True)), interior=tuple(s - 1 for s in step))


def _slice_numpy(x: np.ndarray, start: Ints, stop: Ints, step: Ints) -> np.ndarray:
    return x[*map(builtins.slice, start, stop, step)]


# Steps are positive and 0 ≤ start ≤ stop ≤ length; for a negative step a flip is added.
slice: Primitive = Primitive(
    "slice",
    _slice_type,
    _slice_numpy,
    vjp=each(_slice_vjp),
    batch=lambda size, args, batched, start, stop, step: slice(args[0], start=(0, *start), stop=(size, *stop), step=(1, *step)),
    kind="move",
    symbol="slice",
    fold=fold_number,
    examples=(
        (((5, 4),), {"start": (1, 0), "stop": (4, 4), "step": (1, 3)}),
        (((4,),), {"start": (2,), "stop": (2,), "step": (1,)}),
        (((7,),), {"start": (1,), "stop": (7,), "step": (2,)}),
    ),
)


def _pad_type(x: TensorType, low: Shape, high: Shape, interior: Ints) -> TensorType:
    def length(n: Extent, a: Extent, b: Extent, i: int) -> Extent:
        return n + a + b + ((n - 1) * i if i and n > 0 else 0)

    return TensorType(tuple(map(length, x.shape, low, high, interior)), x.dtype)


def _pad_numpy(x: np.ndarray, low: Ints, high: Ints, interior: Ints) -> np.ndarray:
    shape, inner = _padded(x.shape, low, high, interior)
    out = np.zeros(shape, x.dtype)
    out[inner] = x
    return out


@lru_cache(1024)
def _padded(shape: Ints, low: Ints, high: Ints, interior: Ints) -> tuple[Ints, tuple[builtins.slice, ...]]:
    """The shape with the padding, and where in it the elements stand."""
    whole = _pad_type(TensorType(shape, FLOAT), low, high, interior).shape
    spans = zip(low, shape, interior, strict=True)
    return whole, tuple([builtins.slice(a, a + (n - 1) * (i + 1) + 1 if n else a, i + 1) for a, n, i in spans])  # type: ignore[return-value]


def _pad_vjp(ct: Tensor, y: Tensor, x: Tensor, low: Shape, high: Shape, interior: Ints) -> Tensor:
    return slice(ct, start=low, stop=tuple(n - h for n, h in zip(y.shape, high, strict=True)), step=tuple(i + 1 for i in interior))


# Zeros before, after and between the elements of each axis.
pad: Primitive = Primitive(
    "pad",
    _pad_type,
    _pad_numpy,
    vjp=each(_pad_vjp),
    batch=lambda size, args, batched, low, high, interior: pad(args[0], low=(0, *low), high=(0, *high), interior=(0, *interior)),
    kind="move",
    symbol="pad",
    examples=(
        (((2, 3),), {"low": (1, 0), "high": (0, 2), "interior": (0, 1)}),
        (((0,),), {"low": (2,), "high": (1,), "interior": (0,)}),
        (((),), {"low": (), "high": (), "interior": ()}),
    ),
)


# ---- flip, roll, concat

flip: Primitive = Primitive(
    "flip",
    lambda x, axes: x,
    lambda x, axes: np.flip(x, axes),
    vjp=each(lambda ct, y, x, axes: flip(ct, axes=axes)),
    batch="axes",
    kind="move",
    symbol="flip",
    fold=fold_number,
    examples=((((2, 3),), {"axes": (1,)}), (((2, 3),), {"axes": (0, 1)})),
)
roll: Primitive = Primitive(
    "roll",
    lambda x, shift, axis: x,
    lambda x, shift, axis: np.roll(x, shift, axis),
    vjp=each(lambda ct, y, x, shift, axis: roll(ct, shift=-shift, axis=axis)),
    batch="axis",
    kind="move",
    symbol="roll",
    examples=((((2, 5),), {"shift": 2, "axis": 1}), (((3,),), {"shift": -4, "axis": 0})),
)


def _concat_type(*types: TensorType, axis: int) -> TensorType:
    first = types[0]
    rest = first.shape[:axis] + first.shape[axis + 1 :]
    for i, t in enumerate(types):
        if t.dtype != first.dtype or t.ndim != first.ndim or not unify_shapes(t.shape[:axis] + t.shape[axis + 1 :], rest):
            expected = ", ".join("*" if a == axis else str(n) for a, n in enumerate(first.shape))
            raise shape_error(f"concat along axis {axis}", f"input {i} is {t}, expected {first.dtype}({expected}) like input 0")
    total: Extent = 0
    for t in types:
        total = total + t.shape[axis]
    return TensorType((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _concat_vjp(cts: Sequence[Any], out: Any, args: Sequence[Tensor], needs: Sequence[bool], axis: int) -> list[Tensor | None]:
    ct, at, found = cts[0], 0, []
    for x, need in zip(args, needs, strict=True):
        end = at + x.shape[axis]
        start = tuple(at if a == axis else 0 for a in range(x.ndim))
        stop = tuple(end if a == axis else n for a, n in enumerate(ct.shape))
        found.append(slice(ct, start=start, stop=stop, step=(1,) * x.ndim) if need else None)
        at = end
    return found


def _concat_batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], axis: int) -> Tensor:
    return concat(*(repeat(x, size, b) for x, b in zip(args, batched, strict=True)), axis=axis + 1)


def _concat_numpy(*xs: np.ndarray, axis: int) -> np.ndarray:
    """The result is in its own order in memory, whatever that of the arguments, on which NumPy's order depends."""
    shape = list(xs[0].shape)
    shape[axis] = builtins.sum(x.shape[axis] for x in xs)
    return np.concatenate(xs, axis, out=np.empty(shape, np.result_type(*xs)))


concat: Primitive = Primitive(
    "concat",
    _concat_type,
    _concat_numpy,
    vjp=_concat_vjp,
    batch=_concat_batch,
    kind="move",
    symbol="concat",
    examples=((((2, 3), (2, 1), (2, 0)), {"axis": 1}), (((2,),), {"axis": 0})),
)
