"""PyTorch's operations that minigrad has as well, for drawings: {name: rule}. A rule takes the type of the result and the arguments, and
gives the result, or None where the arguments ask for something else. Results of another type than PyTorch's are refused by the reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import ops
from ...graph.types import TensorType
from ...tensor import Tensor

Rule = Callable[..., Any]


# ---- movement: the elements stay, in another shape or order


def reshape(out: TensorType, x: Tensor, *_: Any, **__: Any) -> Tensor:
    return ops.reshape(x, out.shape)


def transpose(out: TensorType, x: Tensor, a: int, b: int) -> Tensor:
    order = list(range(x.ndim))
    order[a], order[b] = order[b], order[a]
    return ops.permute_dims(x, tuple(order))


def permute(out: TensorType, x: Tensor, axes: Sequence[int]) -> Tensor:
    return ops.permute_dims(x, tuple(a % x.ndim for a in axes))


def part(x: Tensor, axis: int, start: Any, stop: Any, step: int = 1) -> Tensor:
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop, step),)]


def select(out: TensorType, x: Tensor, axis: int, index: int) -> Tensor:
    return x[(slice(None),) * (axis % x.ndim) + (index,)]


def slice_(out: TensorType, x: Tensor, axis: int = 0, start: int | None = None, stop: int | None = None, step: int = 1) -> Tensor:
    return part(x, axis, start or 0, min(x.shape[axis] if stop is None else stop, x.shape[axis]), step)


def unbind(out: Any, x: Tensor, axis: int = 0) -> list[Tensor]:
    return [select(out, x, axis, i) for i in range(x.shape[axis])]


def pieces(out: Sequence[TensorType], x: Tensor, _: Any, axis: int = 0) -> list[Tensor]:
    """chunk, split: the parts that PyTorch gives, one after the other."""
    found: list[Tensor] = []
    start: Any = 0
    for type in out:
        found.append(part(x, axis, start, start + type.shape[axis]))
        start += type.shape[axis]
    return found


def cat(out: TensorType, xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    return ops.concat(list(xs), axis % len(out.shape))


def stack(out: TensorType, xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    return ops.stack(list(xs), axis % len(out.shape))


def cast(out: TensorType, x: Tensor, *_: Any, **__: Any) -> Tensor:
    return ops.astype(x, out.dtype)


def dropout(out: TensorType, x: Tensor, p: float, train: bool) -> Tensor | None:
    return None if train else x


def constant(value: float) -> Rule:
    return lambda out, *_, **__: ops.full(out.shape, value, out.dtype)


# ---- computation


def _alike(args: Sequence[Any]) -> bool:
    """Whether the arguments have one dtype, and the numbers among them are of its kind: PyTorch promotes others by rules of its own."""
    dtypes = {a.dtype for a in args if isinstance(a, Tensor)}
    whole = all(d.kind != "f" for d in dtypes)
    return len(dtypes) == 1 and not any(isinstance(a, float) and whole for a in args)


def plain(f: Callable[..., Tensor]) -> Rule:
    """An operation of tensors and numbers alone."""
    return lambda out, *args: f(*args) if _alike(args) else None


def scaled(f: Callable[..., Tensor]) -> Rule:
    """add, sub: with an alpha of one."""
    return lambda out, x, y, alpha=1: f(x, y) if alpha == 1 and _alike((x, y)) else None


def divide(out: TensorType, x: Any, y: Any, rounding_mode: str | None = None) -> Tensor | None:
    return ops.divide(x, y) if rounding_mode is None and _alike((x, y)) else None


def reduction(f: Callable[..., Tensor]) -> Rule:
    def rule(out: TensorType, x: Tensor, axes: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor | None:
        axes = tuple(axes) if isinstance(axes, (list, tuple)) and axes else axes if isinstance(axes, int) else None
        return f(x, axis=axes, keepdims=keepdims) if dtype is None and x.type.is_float else None

    return rule


MOVES: dict[str, Rule] = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten", "ravel"), reshape),
    **dict.fromkeys(("contiguous", "clone", "alias", "lift_fresh_copy", "view_as"), lambda out, x, *_, **__: x),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), lambda out, x, *_, **__: ops.broadcast_to(x, out.shape)),
    **dict.fromkeys(("to", "_to_copy", "type_as"), cast),
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), pieces),
    **dict.fromkeys(("t", "numpy_T", "mT"), lambda out, x: transpose(out, x, -2, -1) if x.ndim == 2 else None),
    "detach": lambda out, x: ops.detach(x),
    "permute": permute,
    "select": select,
    "slice": slice_,
    "transpose": transpose,
    "unbind": unbind,
}

RULES: dict[str, Rule] = {
    **MOVES,
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), constant(0)),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), constant(1)),
    "full": lambda out, shape, value, **_: ops.full(out.shape, value, out.dtype),
    "cat": cat,
    "stack": stack,
    "dropout": dropout,
    "add": scaled(ops.add),
    "sub": scaled(ops.subtract),
    "mul": plain(ops.multiply),
    "div": divide,
    "neg": plain(ops.negative),
    "pow": plain(ops.pow),
    "abs": plain(ops.abs),
    "exp": plain(ops.exp),
    "log": plain(ops.log),
    "sqrt": plain(ops.sqrt),
    "sin": plain(ops.sin),
    "cos": plain(ops.cos),
    "tanh": plain(ops.tanh),
    "sigmoid": plain(ops.sigmoid),
    "relu": plain(ops.relu),
    "maximum": plain(ops.maximum),
    "minimum": plain(ops.minimum),
    "where": lambda out, condition, x, y: ops.where(condition, x, y) if _alike((x, y)) else None,
    "gt": plain(ops.greater),
    "ge": plain(ops.greater_equal),
    "lt": plain(ops.less),
    "le": plain(ops.less_equal),
    "eq": plain(ops.equal),
    "ne": plain(ops.not_equal),
    "matmul": plain(ops.matmul),
    "mm": plain(ops.matmul),
    "bmm": plain(ops.matmul),
    "sum": reduction(ops.sum),
    "mean": reduction(ops.mean),
    "amax": reduction(ops.max),
}

# How the others are drawn, where PyTorch's tags do not say it.
KINDS: dict[str, str] = {
    **dict.fromkeys(("linear", "addmm", "baddbmm", "einsum", "conv1d", "conv2d", "conv3d", "convolution", "bilinear"), "affine"),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), "layer"),
    **dict.fromkeys(("embedding", "index", "index_select", "gather", "index_put", "scatter", "select_scatter", "slice_scatter"), "index"),
}
