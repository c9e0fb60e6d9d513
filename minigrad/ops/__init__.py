"""Array functions, with the names of the array API and the meaning of NumPy. They promote, broadcast, normalise axes, apply primitives."""

from __future__ import annotations

from ..primitives import elementwise as _e
from ..primitives import trigonometry as _t
from ..primitives.elementwise import *  # noqa: F403
from ..primitives.trigonometry import *  # noqa: F403
from . import dtypes, namespace, numeric, operators, sets
from .creation import arange, empty, empty_like, extent, eye, full, full_like, linspace, meshgrid, ones, ones_like, zeros, zeros_like
from .cumulative import cumprod, cumsum, cumulative_prod, cumulative_sum, logcumsumexp
from .dtypes import *  # noqa: F403
from .einsum import einsum
from .elementwise import (
    abs,
    add,
    astype,
    clip,
    detach,
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
from .indexing import one_hot, take, take_along_axis
from .matrices import cross, diagonal, dot, inner, matmul, matrix_trace, outer, tensordot, tril, triu, vecdot
from .namespace import *  # noqa: F403
from .norms import matrix_norm, norm, vector_norm
from .numeric import *  # noqa: F403
from .parts import concat, concatenate, diff, flip, pad, repeat, roll, split, stack, tile, unstack
from .reductions import all, any, argmax, argmin, count_nonzero, max, mean, min, prod, sum
from .sets import *  # noqa: F403
from .shaping import (
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    flatten,
    matrix_transpose,
    moveaxis,
    permute_dims,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    transpose,
)
from .sorting import argsort, searchsorted, sort, top_k
from .writing import index_add

__all__ = [
    "abs", "add", "all", "any", "arange", "argmax", "argmin", "argsort", "astype", "broadcast_arrays", "broadcast_to", "clip", "concat",
    "concatenate", "count_nonzero", "cross", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "detach", "diagonal", "diff",
    "divide", "dot", "einsum", "empty", "empty_like", "equal", "expand_dims", "extent", "eye", "flatten", "flip", "floor", "floor_divide",
    "full", "full_like", "greater", "greater_equal", "index_add", "inner", "isfinite", "isnan", "less", "less_equal", "linspace",
    "logcumsumexp", "logical_and", "logical_not", "logical_or", "matmul", "matrix_norm", "matrix_trace", "matrix_transpose", "max",
    "maximum", "mean", "meshgrid", "min", "minimum", "moveaxis", "multiply", "negative", "norm", "not_equal", "one_hot", "ones",
    "ones_like", "outer", "pad", "permute_dims", "pow", "prod", "ravel", "relu", "remainder", "repeat", "reshape", "roll", "searchsorted",
    "sign", "sort", "split", "square", "squeeze", "stack", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tensordot", "tile",
    "top_k", "transpose", "tril", "triu", "unstack", "vecdot", "vector_norm", "where", "zeros", "zeros_like",
]  # fmt: skip
__all__ += _e.__all__
__all__ += _t.__all__
__all__ += dtypes.__all__
__all__ += namespace.__all__
__all__ += numeric.__all__
__all__ += sets.__all__
operators.bind()
