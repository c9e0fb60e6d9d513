"""Numbers as operands and as arguments of transformations. The rule for dtypes is in `graph.types`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from .. import ops
from ..errors import RangeError, dtype_error, message
from ..graph.dims import Dim
from ..graph.ir import Node
from ..graph.nodes import CONSTANT, INPUT, known
from ..graph.types import BOOL, FLOAT, HALVES, INT, WIDE, TensorType, check_dtype, is_float, promote
from ..graph.values import asarray
from ..primitives import elementwise as _e
from ..tensor import Tensor, operand, scalar, tensor

LARGEST = {d: float(ml_dtypes.finfo(d).max) for d in (FLOAT, *HALVES)}
EXAMPLE = {"f": 0.0, "i": 0, "u": 0, "b": False}  # a Python number of each kind


class Number(Tensor):
    """A Python number among the arguments of a transformation: functions take it as they take a number. It is held as float64, int64, bool.

    An operator with other numbers, or with NumPy arrays, gives what Python and NumPy give for numbers of these kinds.
    """

    __slots__ = ()

    @property
    def type(self) -> TensorType:
        return TensorType((), self.dtype)

    @property
    def dtype(self) -> np.dtype:
        """The dtype that it has where nothing else decides."""
        return FLOAT if is_float(self.node.type.dtype) else self.node.type.dtype

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return renewed(self, super().__deepcopy__(memo).node)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or not all(map(_is_foreign, inputs)):
            return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        floats = not any(t[0] == "l" and t[-1] not in "fdg" for t in ufunc.types)  # it gives floats for integers
        found = super().__array_ufunc__(ufunc, method, *_in_numpys_dtype(inputs, floats), **kwargs)
        return tuple(map(_as_numpys, found)) if isinstance(found, tuple) else _as_numpys(found)


class NumPyNumber(Number):
    """A NumPy scalar among the arguments of a transformation, of its own dtype."""

    __slots__ = ()

    @property
    def dtype(self) -> np.dtype:
        return self.node.type.dtype


def is_number(x: Any) -> bool:
    """Whether an operand takes the dtype of the tensors beside it: a Python number, an axis length, or a NumPy scalar."""
    return isinstance(x, (bool, int, float, np.generic, Number, Dim))


def kind_of(value: Any) -> type[Tensor]:
    """The class that stands for a value among the arguments of a transformation."""
    if isinstance(value, (np.generic, NumPyNumber)):
        return NumPyNumber
    return Number if isinstance(value, (int, float, Number)) else Tensor


def argument(value: Any) -> Tensor:
    """The tensor that stands for an argument of a transformation, a Number for a number."""
    if isinstance(value, Tensor):
        return value
    kind = kind_of(value)
    if kind is Tensor:
        return tensor(value)
    return kind(known(CONSTANT, asarray(value, WIDE if isinstance(value, float) and kind is Number else None)))


def renewed(t: Tensor, node: Node) -> Tensor:
    """Another node as a tensor of the kind of t: a Number if t is one."""
    return type(t)(node)


def stand_in(t: Tensor, name: str | None = None) -> Tensor:
    """An abstract tensor like t."""
    return renewed(t, Node(INPUT, (), {}, t.node.type, None, name or t.node.name))


# ---- the common dtype of operands


def operands(what: str, values: Sequence[Any]) -> list[Tensor]:
    """The operands as tensors of one dtype, by the rule for dtypes."""
    if type(values[0]) is Tensor:
        dtype = values[0].dtype
        if all(type(v) is Tensor and v.node.type[1] is dtype for v in values):
            return list(values)
    tensors = [None if is_number(v) else operand(what, v) for v in values]
    numbers = [v for v, t in zip(values, tensors, strict=True) if t is None]
    kinds = [dtype_kind(v) for v in numbers]
    common = promote([t.dtype for t in tensors if t is not None] or _own_dtypes(numbers) or [tensor(EXAMPLE[k]).dtype for k in kinds])
    for kind in kinds:
        if kind == "f" and not is_float(common):
            common = FLOAT
        elif kind in "iu" and common == BOOL:
            common = INT
    return [number(what, v, common) if t is None else ops.astype(t, common) for t, v in zip(tensors, values, strict=True)]


def _own_dtypes(numbers: Sequence[Any]) -> list[np.dtype]:
    return [v.dtype for v in numbers if isinstance(v, (np.generic, NumPyNumber))]


def dtype_kind(value: Any) -> str:
    if isinstance(value, (np.generic, Number)):
        return "f" if is_float(check_dtype(value.dtype)) else value.dtype.kind
    return "f" if isinstance(value, float) else "b" if isinstance(value, bool) else "i"


def number(what: str, value: Any, dtype: np.dtype) -> Tensor:
    """A number as a 0-d tensor of this dtype. Raises RangeError for a number that it does not hold."""
    if isinstance(value, (Number, Dim)):
        return converted(value, dtype)
    if dtype.kind in "iu" and not isinstance(value, np.bool_) and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        raise RangeError(message(what, f"{value} does not fit {dtype}", f"It holds {np.iinfo(dtype).min} … {np.iinfo(dtype).max}"))
    if dtype in LARGEST and LARGEST[dtype] < abs(value) < math.inf:
        raise RangeError(message(what, f"{value} does not fit {dtype}", "Convert the tensor with .astype('float64')"))
    return scalar(value, dtype)


def converted(value: Any, dtype: np.dtype) -> Tensor:
    """A number as a 0-d tensor of another dtype of any kind. Raises RangeError where a dtype of its own kind does not hold it."""
    t = ops.extent(value) if isinstance(value, Dim) else Tensor(argument(value).node)
    alike = (is_float(t.dtype) and is_float(dtype)) or {t.dtype.kind, dtype.kind} <= {"i", "u"}
    return ops.astype(t, dtype) if not alike or np.can_cast(t.dtype, dtype) else _e.fit(t, dtype=dtype)


# ---- operators among numbers, with the dtypes of Python and NumPy


def _is_foreign(x: Any) -> bool:
    return is_number(x) or isinstance(x, np.ndarray)


def _in_numpys_dtype(values: Sequence[Any], floats: bool = False, integers: bool = False) -> list[Tensor]:
    """The values as tensors of the dtype in which NumPy computes; of a float dtype with `floats`, of no bools with `integers`."""
    kinds = [v.dtype if isinstance(v, (np.generic, np.ndarray, NumPyNumber)) else EXAMPLE[dtype_kind(v)] for v in values]
    common = check_dtype(np.result_type(*kinds))
    common = WIDE if floats and common.kind != "f" else INT if integers and common == BOOL else common
    return [ops.astype(v, common) if isinstance(v, np.ndarray) else number("operator", v, common) for v in values]


def _as_numpys(found: Tensor) -> Tensor:
    return found if found.node.type.shape else NumPyNumber(found.node)


COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
LOGIC = ("__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__", "__invert__")
ARITHMETIC = (
    *(f"__{side}{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift") for side in ("", "r")),
    *("__neg__", "__pos__", "__abs__"),
)


def _operator(name: str) -> Callable[..., Any]:
    of_tensors = getattr(Tensor, name)

    def operator(self: Number, *others: Any) -> Any:
        if not all(map(_is_foreign, others)):
            return of_tensors(self, *others)
        values = _in_numpys_dtype((self, *others), "truediv" in name, name in ARITHMETIC)
        if "pow" in name and values[0].dtype.kind != "f":
            values = _power(name, values, others[0])
        found = of_tensors(*values)
        foreign = any(isinstance(v, (np.generic, np.ndarray, NumPyNumber)) for v in (self, *others))
        return _as_numpys(found) if foreign else Number(found.node)

    operator.__name__ = operator.__qualname__ = name
    return operator


def _power(name: str, values: list[Any], other: Any) -> list[Any]:
    """The operands of an integer power, whose dtype depends on the sign of the exponent."""
    if name == "__pow__" and isinstance(other, int):
        return [values[0], other] if other >= 0 else [ops.astype(values[0], WIDE), other]
    problem = "an integer to the power of an integer argument is an integer or a float, depending on its value"
    raise dtype_error("pow", problem, "Make one of them a float")


for _name in (*COMPARISONS, *LOGIC, *ARITHMETIC):
    setattr(Number, _name, _operator(_name))
