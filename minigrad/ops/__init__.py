"""Array functions, with the names of the array API and the meaning of NumPy. They promote, broadcast, normalise axes, apply primitives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..primitives import elementwise as _e
from ..primitives.elementwise import *  # noqa: F403
from ..tensor import Tensor
from .arrays import (
    argsort,
    detach,
    matmul,
    one_hot,
    outer,
    sort,
    take,
    take_along_axis,
    tensordot,
    top_k,
    tril,
)
from .creation import arange, extent, eye, full, ones, ones_like, zeros, zeros_like
from .elementwise import (
    abs,
    add,
    astype,
    bools,
    clip,
    divide,
    equal,
    floor,
    floor_divide,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    pow,
    relu,
    remainder,
    sign,
    square,
    subtract,
    where,
)
from .reductions import all, any, argmax, argmin, cumsum, cumulative_sum, max, mean, min, prod, sum
from .shaping import (
    broadcast_to,
    concat,
    concatenate,
    expand_dims,
    flip,
    matrix_transpose,
    moveaxis,
    pad,
    permute_dims,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    transpose,
)

__all__ = [
    "abs", "add", "all", "any", "arange", "argmax", "argmin", "argsort", "astype", "broadcast_to", "clip", "concat",
    "concatenate", "cumsum", "cumulative_sum", "detach", "divide", "equal", "expand_dims", "extent",
    "eye", "flip", "floor", "floor_divide", "full", "greater", "greater_equal", "isfinite", "isnan", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "matmul", "matrix_transpose", "max", "maximum", "mean", "min", "minimum",
    "moveaxis", "multiply", "negative", "not_equal", "one_hot", "ones", "ones_like", "outer", "pad", "permute_dims", "pow",
    "prod", "relu", "remainder", "reshape", "roll", "sign", "sort", "split", "square",
    "squeeze", "stack", "subtract", "sum", "take", "take_along_axis", "tensordot", "top_k", "transpose", "tril", "where",
    "zeros", "zeros_like",
]  # fmt: skip
__all__ += _e.__all__

UFUNCS: dict[str, Callable[..., Tensor]] = {
    "add": add, "subtract": subtract, "multiply": multiply, "divide": divide, "power": pow, "matmul": matmul,
    "floor_divide": floor_divide, "remainder": remainder, "maximum": maximum, "minimum": minimum, "less": less,
    "less_equal": less_equal, "greater": greater, "greater_equal": greater_equal, "equal": equal, "not_equal": not_equal,
    "negative": negative, "absolute": abs, "sign": sign, "floor": floor,
    "square": square, "logical_and": logical_and, "logical_or": logical_or,
    "logical_not": logical_not, "bitwise_and": lambda x, y: logical_and(*bools("&", x, y)),
    "bitwise_or": lambda x, y: logical_or(*bools("|", x, y)), "invert": lambda x: logical_not(*bools("~", x)),
    "isnan": isnan, "isfinite": isfinite,
    **{name: getattr(_e, name) for name in _e.__all__ if isinstance(getattr(np, name, None), np.ufunc)},
}  # fmt: skip
