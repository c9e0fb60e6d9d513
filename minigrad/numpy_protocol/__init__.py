"""NumPy's functions and ufuncs on tensors: `np.roll(t, 1)` means what NumPy means by it, and has a gradient.

`table.FUNCTIONS` says for each function of NumPy which function here computes it. One whose arguments and meaning are NumPy's is found by
its name (`SAME`); for others there is an adapter. An argument that ours does not take is refused by its name. Dtypes follow the rules here:
the mean of integers is float32.

Any other function of NumPy computes on the values, so it gives plain NumPy results. It is refused for an abstract tensor, and for a tensor
with a gradient unless the result has no derivative (`WITHOUT_DERIVATIVE`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from .. import ops, tree
from ..errors import AbstractValueError, dtype_error, message
from ..tensor import Tensor, numpy_protocol, tensor
from . import arithmetic as arithmetic
from . import arrangement as arrangement
from .table import FUNCTIONS, find

SAME = [  # the order of arguments without a default, the names and defaults of the others, and the meaning are NumPy's
    "all", "amax", "amin", "any", "argmax", "argmin", "around", "astype", "broadcast_to", "concat", "concatenate", "count_nonzero", "cross",
    "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "diagonal", "diff", "dot", "expand_dims", "flip", "inner", "linalg.cross",
    "linalg.matmul", "linalg.matrix_norm", "linalg.matrix_transpose", "linalg.norm", "linalg.outer", "linalg.tensordot", "linalg.vecdot",
    "linalg.vector_norm", "linspace", "matrix_transpose", "max", "mean", "min", "moveaxis", "nan_to_num", "prod", "ravel", "repeat",
    "reshape", "roll", "round", "searchsorted", "squeeze", "stack", "sum", "swapaxes", "take_along_axis", "tensordot", "tile", "transpose",
    "tril", "triu", "unstack",
]  # fmt: skip
OTHER_NAMES = {"amax": "max", "amin": "min", "around": "round"}

WITHOUT_DERIVATIVE = [  # their results are integers, bools, dtypes or text
    "allclose", "argpartition", "argwhere", "array2string", "array_equal", "array_equiv", "array_repr", "array_str", "can_cast",
    "common_type", "digitize", "flatnonzero", "isclose", "iscomplex", "iscomplexobj", "isin", "isneginf", "isposinf",
    "isreal", "isrealobj", "lexsort", "linalg.matrix_rank", "may_share_memory", "min_scalar_type", "nanargmax", "nanargmin", "nonzero",
    "result_type", "save", "savetxt", "savez", "savez_compressed", "shares_memory", "unravel_index",
]  # fmt: skip

FUNCTIONS.update({find(n): getattr(ops, OTHER_NAMES.get(n, n.split(".")[-1])) for n in SAME if find(n)})
_WITHOUT_DERIVATIVE = {find(n) for n in WITHOUT_DERIVATIVE}

UFUNCS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, n): getattr(ops, n) for n in ops.__all__ if isinstance(getattr(np, n, None), np.ufunc)},
    np.conjugate: tensor, np.rint: ops.round, np.divmod: lambda x, y: (ops.floor_divide(x, y), ops.remainder(x, y)),
}  # fmt: skip
REDUCTIONS = {
    np.add: ops.sum, np.multiply: ops.prod, np.maximum: ops.max, np.minimum: ops.min, np.logical_and: ops.all, np.logical_or: ops.any,
}  # fmt: skip
METHODS: dict[str, dict[Any, Callable[..., Any]]] = {
    "__call__": UFUNCS, "outer": UFUNCS, "reduce": REDUCTIONS, "accumulate": {np.add: ops.cumsum, np.multiply: ops.cumprod},
}  # fmt: skip


def call_function(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`Tensor.__array_function__`: a NumPy function that got a tensor."""
    ours = FUNCTIONS.get(function)
    if ours is None:
        return _of_values(function, args, kwargs)
    first, named = _arguments(function, ours, args, kwargs)
    for name in named:
        if name not in _signature(ours).parameters:
            raise dtype_error(_name(function), f"takes no {name}= for a tensor", "Leave it out, or give t.detach().numpy()")
    return ours(*first, **named)


@cache
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


@cache
def _parameters(function: Any, ours: Any) -> tuple[list[str], list[str], dict[str, Any]]:
    """The names of NumPy's arguments, those without a default, and the defaults of the others."""
    try:
        found = _signature(function).parameters.values()
    except ValueError:  # NumPy 2.0 gives none for functions written in C
        found = _signature(ours).parameters.values()
    names = [p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    defaults = {p.name: p.default for p in found if p.default is not p.empty}
    return names, [n for n in names if n not in defaults], defaults


def _name(function: Any) -> str:
    return f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}"


def _arguments(function: Any, ours: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, which NumPy has checked: those without a default by position, others by name if they are not the default."""
    names, required, defaults = _parameters(function, ours)
    given = dict(kwargs)
    first = list(args)
    if required:
        if len(args) > len(names):
            raise dtype_error(_name(function), f"takes {', '.join(names)} for a tensor, got {len(args)} arguments")
        given |= zip(names, args, strict=False)
        first = [given.pop(n) for n in required]
    return first, {n: v for n, v in given.items() if n not in defaults or v is not defaults[n]}


def _of_values(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """NumPy's function on the values of tensors. Raises DTypeError where a gradient would be lost, AbstractValueError without a value."""
    name = _name(function)
    given, structure = tree.flatten((list(args), dict(kwargs)))
    for t in given:
        if isinstance(t, Tensor) and not t.is_concrete:
            fix = f"Use functions of mg, or return {t!r} from the function and call {name} there"
            raise AbstractValueError(message(name, "is not a function of graphs, and needs values", fix))
        if isinstance(t, Tensor) and t.node.tracked and function not in _WITHOUT_DERIVATIVE:
            raise dtype_error(name, f"would lose the gradient of {t!r}", "Use functions of mg, or give t.detach().numpy() to lose it")
    positional, named = tree.unflatten(structure, [v.numpy() if isinstance(v, Tensor) else v for v in given])
    return function(*positional, **named)


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """`Tensor.__array_ufunc__`: a ufunc that got a tensor."""
    what = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    ours = METHODS.get(method, {}).get(ufunc)
    if ours is None:
        raise dtype_error(what, "takes no minigrad tensor here", f"Use mg.{ufunc.__name__} if there is one, or t.detach().numpy()")
    takes = {"reduce": ["axis", "keepdims"], "accumulate": ["axis"]}.get(method, [])
    given = {k: v for k, v in kwargs.items() if v is not None or k == "axis"}
    for name in given:
        if name not in takes:
            raise dtype_error(what, f"takes no {name}= for a tensor", "Leave it out, or give t.detach().numpy()")
    if method == "outer":
        a, b = map(tensor, inputs)
        return ours(ops.reshape(a, (*a.shape, *(1,) * b.ndim)), b)
    return ours(*inputs, **({"axis": 0} | given if takes else given))


numpy_protocol.update(function=call_function, ufunc=call_ufunc)
