"""Tensors: the user's arrays. A tensor refers to a node of the graph, which has a value if it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .errors import AbstractValueError, dtype_error, message, shape_error
from .graph import dims
from .graph.dims import Dim
from .graph.ir import Graph, Node, Operation, rebuild
from .graph.nodes import CONSTANT, INPUT, PARAMETER, is_tracing, item, known, make, number
from .graph.standard import Exchange
from .graph.types import FLOAT, INT, TensorType, check_dtype
from .graph.values import HoldsTensors, asarray, require_no_list
from .methods import ArrayMethods
from .ops.operators import Operators

# Whether a function runs that is being differentiated.
_differentiating: ContextVar[bool] = ContextVar("differentiating", default=False)
# The implementation of `Tensor.backward`. define_by_run, which imports this file, sets it.
reverse_mode: dict[str, Callable[[Tensor, Any], None]] = {}
# The implementations of `Tensor.__array_function__` and `Tensor.__array_ufunc__`. numpy_protocol, which imports this file, sets them.
numpy_protocol: dict[str, Callable[..., Any]] = {}
# Displays for `_repr_mimebundle_`: of a "tensor", "model" or "run" -> {type of content: text}. viz and experiments set them.
notebook: dict[str, Callable[[Any], dict[str, str]]] = {}


@contextmanager
def differentiating() -> Iterator[None]:
    """Inside the `with`, NumPy cannot turn a tensor with a gradient into an array without a word; `.numpy()` can."""
    token = _differentiating.set(True)
    try:
        yield
    finally:
        _differentiating.reset(token)


class Primitive(Operation):
    """An operation that can be called with tensors, like a function."""

    def __call__(self, *args: Tensor, **attrs: Any) -> Any:
        node = make(self, tuple([a.node for a in args]), attrs)
        return Tensor(node) if type(node.type) is TensorType else wrap(node)


def apply(op: Operation, *args: Tensor, **attrs: Any) -> Any:
    """Apply an operation. The result has a value if all arguments have one. Several results come as a tuple."""
    return wrap(make(op, tuple([a.node for a in args]), attrs))


def wrap(node: Node) -> Any:
    """The tensor of a node; for a node with several results, a tuple of tensors."""
    if type(node.type) is TensorType:
        return Tensor(node)
    return tuple(Tensor(make(item, (node,), {"index": i})) for i in range(len(node.type)))


def inline(graph: Graph, args: Sequence[Tensor]) -> list[Tensor]:
    """Apply the operations of a graph to these arguments; returns its outputs."""
    mapping = {p: a.node for p, a in zip(graph.params, args, strict=True)}
    new = rebuild(graph.outputs, mapping, lambda node, nodes: make(node.op, nodes, node.attrs))
    return [Tensor(new[o]) for o in graph.outputs]


class Tensor(Operators, ArrayMethods, Exchange):
    """An immutable array with the history of its computation.

    Inside trace, jit, scan and vmap a tensor is abstract: it has a type but no value, and Python can't branch on it.
    Elementwise operators broadcast as in NumPy. `==` compares elements; the hash is that of the object's identity.
    A copy of a parameter is a parameter of its own; the copy of a result passes gradients on; a pickle has no history.
    """

    __slots__ = ("__weakref__", "_gradient", "_reached", "node")
    _gradient: Tensor | None  # of a parameter
    _reached: list[Tensor]  # of a loss, the parameters with a gradient of it: they live as long
    __array_priority__ = 1000

    def __init__(self, node: Node):
        self.node = node

    # ---- what it is

    @property
    def type(self) -> TensorType:
        return self.node.type

    @property
    def shape(self) -> Any:
        """Lengths of the axes; inside a compiled function some are run-time sizes."""
        return self.node.type.shape

    @property
    def dtype(self) -> np.dtype:
        return self.node.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.node.type.shape)

    @property
    def size(self) -> Any:
        return dims.product(self.shape)

    @property
    def name(self) -> str | None:
        return self.node.name

    @property
    def grad(self) -> Tensor | None:
        """∂loss/∂self from the last `loss.backward()` that reached it, else None."""
        return None if self.node.holder is None else self.node.holder._gradient

    @property
    def is_concrete(self) -> bool:
        return self.node.value is not None

    def named(self, name: str) -> Tensor:
        """Give the tensor a name for printing and drawing, if it has none; returns the tensor."""
        if self.node.name is None:
            self.node.name = name
        return self

    # ---- its value

    def numpy(self) -> np.ndarray:
        """The value as a read-only array. Raises AbstractValueError for an abstract tensor."""
        if self.node.value is None:
            raise _abstract(self, "needs its value", "Keep the computation in mg functions, or return it from the function")
        return self.node.value

    def item(self) -> Any:
        """The only element as a Python number."""
        return self.numpy().item()

    def tolist(self) -> Any:
        return self.numpy().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        require_no_list()
        if self.node.tracked and _differentiating.get():
            raise dtype_error(
                "np.asarray", f"inside grad it would lose the gradient of {self!r}", "Use functions of mg, or .detach().numpy()"
            )
        value = self.numpy()
        if dtype is not None and np.dtype(dtype) != value.dtype:
            return value.astype(dtype)
        return value.copy() if copy else value

    def __bool__(self) -> bool:
        if self.node.value is None:
            fix = "Choose with mg.where(c, x, y) or mg.cond(c, f, g, *args); compile a flag with mg.jit(f, static_argnames=...)"
            raise _abstract(self, "has no truth value", fix)
        if self.node.value.size != 1:
            raise shape_error("bool()", f"only a tensor of one element is true or false, got {self.type}", "Use mg.all or mg.any")
        return bool(self.node.value)

    def _number(self, kind: Any) -> Any:
        if self.node.value is None:
            fix = "Return it from the function and convert there"
            if kind is int:
                fix += "; compile a number of steps with mg.jit(f, static_argnames=...)"
            raise _abstract(self, f"{kind.__name__}() needs its value", fix)
        if self.node.value.size != 1:
            raise dtype_error(
                f"{kind.__name__}()", f"only a tensor of one element is a number, got {self.type}", "Use .tolist() or .numpy()"
            )
        return kind(self.node.value.item())

    def __float__(self) -> float:
        return self._number(float)

    def __int__(self) -> int:
        return self._number(int)

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise dtype_error("index", f"a {self.dtype} tensor is not an index", "Use .astype('int64')")
        return self._number(int)

    def __len__(self) -> int:
        if not self.shape:
            raise dtype_error("len()", "a 0-d tensor has no length")
        return self.shape[0].__index__()

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        """A 0-d tensor as its number, as in f"{loss:.3f}"; without a format the text of any tensor. Raises DTypeError for other tensors."""
        if not spec:
            return str(self)
        if self.shape:
            raise dtype_error(
                "format", f"only a 0-d tensor has the format {spec!r} of a number, got {self.type}", "Take an element, or .numpy()"
            )
        return format(self.item(), spec)

    def __repr__(self) -> str:
        label = f", name={self.name!r}" if self.name else ""
        if self.node.value is None:
            return f"Tensor({self.type}, abstract{label})"
        text = np.array2string(self.node.value, separator=", ", prefix="Tensor(", threshold=100)
        return f"Tensor({text}, dtype={self.dtype}{label})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the text, and once minigrad.viz is imported the graph of a number that was computed from parameters."""
        draw = notebook.get("tensor")
        return {"text/plain": repr(self), **(draw(self) if draw is not None else {})}

    __hash__ = object.__hash__

    def __complex__(self) -> complex:
        return self._number(complex)

    # ---- copies

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        node = self.node
        if id(node) not in memo:
            memo[id(node)] = (
                leaf_tensor(known(node.op, node.value, node.name)) if self.is_concrete and not node.args else elementwise.alias(self)
            )
        return memo[id(node)]

    def __reduce__(self) -> Any:
        self.numpy()  # an abstract tensor is refused
        return leaf_tensor, (self.node,)

    # ---- refusals

    def __setitem__(self, index: Any, value: Any) -> None:
        raise dtype_error("assignment", "tensors are immutable", "Take the new tensor t.at[index].set(value), or choose with mg.where")

    # ---- NumPy's functions

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return numpy_protocol["ufunc"](ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return numpy_protocol["function"](function, args, kwargs)

    # ---- methods that read better than functions

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return ops.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes swapped."""
        return ops.matrix_transpose(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return ops.min(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        return ops.reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)

    def transpose(self, *axes: int) -> Tensor:
        return ops.permute_dims(self, axes or tuple(range(self.ndim))[::-1])

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        return ops.astype(self, dtype, copy=copy)

    def detach(self) -> Tensor:
        """The same values without a gradient; eagerly a constant, which keeps no history."""
        return ops.detach(self)

    def backward(self, cotangent: Any = None) -> None:
        """Set `.grad` of every parameter on which this tensor depends. It must be a scalar, or the cotangent must have its shape. A later
        call replaces the gradients. The values are computed at once, by NumPy; the graph of a gradient is built when it is asked for."""
        reverse_mode["backward"](self, cotangent)


def _abstract(t: Tensor, problem: str, fix: str) -> AbstractValueError:
    if not is_tracing():
        fix = "Return it from the function that made it, or look at it in a function that is not traced"
        return AbstractValueError(
            message("abstract tensor", f"{t!r} {problem}: it was kept from a graph that was built, and has none", fix)
        )
    return AbstractValueError(message("abstract tensor", f"{t!r} {problem}: it has no value while the graph is built", fix))


# ---- making tensors


def tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A constant tensor from an array, number or nested list, copied. Lists of floats become float32.

    A list that holds tensors is stacked: it has their gradients, and Python numbers in it take their dtype. Raises DTypeError, ShapeError.
    """
    if type(value) is Tensor:
        return value if dtype is None else ops.astype(value, dtype)
    if isinstance(value, (Tensor, Dim)):  # a number
        return ops.numbers.number("tensor", value, check_dtype(dtype, default=INT if isinstance(value, Dim) else value.dtype))
    try:
        return Tensor(known(CONSTANT, asarray(value, dtype), name))
    except HoldsTensors:
        found = ops.parts.stack_nested("tensor", value)
        found = found if dtype is None else ops.astype(found, dtype)
        return found if name is None else found.named(name)


def leaf_tensor(node: Node) -> Tensor:
    """The tensor of a node without arguments. A parameter's holds its gradient."""
    found = Tensor(node)
    if node.op is PARAMETER:
        found._gradient = None
        node.holder = found
    return found


def operand(what: str, value: Any) -> Tensor:
    """An operand as a tensor. Errors name the operation."""
    if type(value) is Tensor:
        return value
    if isinstance(value, (Tensor, Dim)):
        return tensor(value)
    try:
        return Tensor(known(CONSTANT, asarray(value, what=what)))
    except HoldsTensors:
        return ops.parts.stack_nested(what, value)


def parameter(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A tensor to be learned: `backward` sets its `.grad`. In a compiled function the result becomes a parameter when it is returned."""
    if not isinstance(value, (Tensor, np.ndarray)) and dtype is None:
        dtype = FLOAT
    found = tensor(value, dtype)
    if not found.type.is_float:
        raise dtype_error("parameter", f"{name or 'it'} has dtype {found.dtype}, which has no gradient", "Give dtype='float32'")
    if found.is_concrete:
        value = np.asarray(found.numpy(), order="C")  # compiled code reads it in place, also that of `zeros`, a broadcast number
        value.setflags(write=False)
        return leaf_tensor(known(PARAMETER, value, name))
    found = elementwise.alias(found)  # a node of its own: what is equal to it is no parameter for that
    found.node.learned = True
    return found if name is None else found.named(name)


def buffer(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """A constant or a running statistic of a Module: saved and loaded, but not trained. It has no history; numbers become float32."""
    if not isinstance(value, (Tensor, np.ndarray)) and dtype is None:
        dtype = FLOAT
    found = tensor(value, dtype)
    found = Tensor(known(CONSTANT, found.numpy(), name)) if found.is_concrete else elementwise.detach(found)
    found.node.learned = False
    return found if name is None else found.named(name)


def scalar(value: Any, dtype: np.dtype) -> Tensor:
    """A 0-d constant. While tracing there is one node per value and dtype."""
    return Tensor(number(value, dtype))


def abstract(type: TensorType, name: str | None = None) -> Tensor:
    """A tensor with a type and no value: a graph's input."""
    return Tensor(Node(INPUT, (), {}, type, None, name))


from . import ops  # noqa: E402  (ops imports Tensor, and the operators of Tensor call ops)
from .primitives import elementwise  # noqa: E402
