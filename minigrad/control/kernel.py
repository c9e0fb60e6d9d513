"""Kernels: a user's own loops, compiled by numba, as an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GraphError, KernelError, dtype_error, message, shape_error
from ..graph.dims import Dim, Extent
from ..graph.types import BOOL, FLOAT, HALVES, INT, TensorType, check_dtype, promote, unify_shapes, unify_types
from ..ops import astype
from ..ops.numbers import dtype_kind, is_number, number
from ..primitives.rules import cotangent_type, no_gradient, repeat
from ..tensor import Primitive, Tensor, operand, tensor
from .scan import scan

if TYPE_CHECKING:
    from .machine_code import MachineCode


class Own:
    """An operation of the user. A call takes tensors and gives one, or a tuple of several."""

    def __init__(self, f: Any, type: Callable[..., Any], vjp: Callable[..., Any] | None, batch: Callable[..., Any] | None):
        self.f, self.type, self.vjp, self.batch = f, type, vjp, batch
        self.name = self.__name__ = f.__name__

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"

    def __call__(self, *args: Any) -> Any:
        found = KERNEL(*_arguments(self.name, args), own=self)
        return found if len(found) > 1 else found[0]

    def results(self, types: Sequence[TensorType]) -> tuple[TensorType, ...]:
        """The types that `type` gives. Raises KernelError if f does not fit them."""
        declared = self.type(*types)
        found = tuple(map(self._declared, declared if isinstance(declared, list) else [declared]))
        for t in (*types, *found):
            if t.dtype in HALVES or t.dtype.kind not in "fiub":
                raise dtype_error(self.name, f"numba has no {t.dtype}", "Convert with .astype('float32')")
        self.entry(types, found)
        return found

    def _declared(self, result: Any) -> TensorType:
        try:
            shape, dtype = result
            lengths = tuple(n if isinstance(n, Dim) else n.__index__() for n in shape)
        except (TypeError, ValueError, AttributeError):
            problem = f"`type` must give (shape, dtype), or a list with one such pair for each result, got {result!r}"
            raise dtype_error(self.name, problem) from None
        return TensorType(lengths, check_dtype(dtype, self.name))

    def entry(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> MachineCode:
        """f as machine code for arrays of these types."""
        from numba.core.errors import NumbaError

        from .machine_code import Kind, machine_code

        kinds = [tuple(Kind(str(t.dtype), t.ndim) for t in types) for types in (inputs, outputs)]
        try:
            return machine_code(self.f, *kinds)
        except (NumbaError, TypeError) as error:
            given = f"({', '.join(map(str, inputs))}) with results ({', '.join(map(str, outputs))})"
            fix = "It is called as f(*inputs, *results): inputs are read-only, 0-d inputs are numbers, a 0-d result is set by out[()] = x"
            raise KernelError(message(self.name, f"numba cannot compile it for {given}: {error}", fix)) from error


def _arguments(what: str, args: Sequence[Any]) -> list[Tensor]:
    """The arguments as tensors. A float takes the widest float dtype of the tensors."""
    tensors = [None if is_number(a) else operand(what, a) for a in args]
    wide = promote([t.dtype for t in tensors if t is not None and t.type.is_float] or [FLOAT])
    kinds = {"f": wide, "b": BOOL}
    return [number(what, a, kinds.get(dtype_kind(a), INT)) if t is None else t for t, a in zip(tensors, args, strict=True)]


# ---- the primitive


def _type(*types: TensorType, own: Own) -> tuple[TensorType, ...]:
    return own.results(types)


def _numpy(*arrays: np.ndarray, own: Own) -> tuple[np.ndarray, ...]:
    types = [TensorType(a.shape, a.dtype) for a in arrays]
    found = own.results(types)
    outs = tuple(np.zeros(t.shape, t.dtype) for t in found)
    try:
        own.entry(types, found).call(*map(_frozen, arrays), *outs)
    except Exception as error:
        raise KernelError(message(own.name, f"the kernel raised {type(error).__name__}: {error}")) from error
    return outs


def _frozen(array: np.ndarray) -> np.ndarray:
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _vjp(cts: Sequence[Any], outs: Sequence[Tensor], args: Sequence[Tensor], needs: Sequence[bool], own: Own) -> list[Any]:
    if own.vjp is None:
        raise GraphError(message(own.name, "the kernel has no gradient", "Give mg.kernel a vjp, or take mg.detach of its arguments"))
    full = [no_gradient(o) if ct is None else ct for ct, o in zip(cts, outs, strict=True)]
    found = own.vjp(*((tuple(full), tuple(outs)) if len(outs) > 1 else (full[0], outs[0])), *args)
    grads = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(grads) != len(args):
        raise GraphError(message(own.name, f"its vjp gave {len(grads)} gradients for {len(args)} arguments", "Give None for those without"))
    return [_gradient(own, i, g, x) if need else None for i, (g, x, need) in enumerate(zip(grads, args, needs, strict=True))]


def _gradient(own: Own, index: int, gradient: Any, x: Tensor) -> Tensor:
    if gradient is None:
        fix = "If the result does not depend on it, give mg.zeros_like of it"
        raise GraphError(message(own.name, f"its vjp gave no gradient for argument {index}, {x.type}", fix))
    if not unify_shapes(x.shape, tensor(gradient).shape):
        raise shape_error(own.name, f"its vjp gave {tensor(gradient).type} as the gradient of {x.type}")
    return astype(gradient, cotangent_type(x.type).dtype)


def _batch(size: Extent, args: Sequence[Tensor], batched: Sequence[bool], own: Own) -> Any:
    """The user's batched function, or the kernel for each element in turn."""
    if own.batch is not None:
        found = own.batch(*(repeat(a, size, b) for a, b in zip(args, batched, strict=True)))
        outs = tuple(map(tensor, found)) if isinstance(found, (tuple, list)) else (tensor(found),)
        slices = own.results([TensorType(a.shape[1:], a.dtype) if b else a.type for a, b in zip(args, batched, strict=True)])
        expected = [TensorType((size, *t.shape), t.dtype) for t in slices]
        if len(outs) != len(expected) or not all(unify_types(o.type, t) for o, t in zip(outs, expected, strict=True)):
            problem = f"its batch gave {', '.join(str(o.type) for o in outs)}, expected {', '.join(map(str, expected))}"
            raise shape_error(own.name, problem)
        return outs

    def step(carry: Any, slices: Sequence[Tensor]) -> Any:
        rest = iter(slices)
        return carry, KERNEL(*(next(rest) if b else a for a, b in zip(args, batched, strict=True)), own=own)

    return scan(step, (), [a for a, b in zip(args, batched, strict=True) if b])[1]


KERNEL: Primitive = Primitive("kernel", _type, _numpy, vjp=_vjp, batch=_batch, kind="control", symbol="kernel")


# ---- for users


def kernel(
    f: Any, *, type: Callable[..., Any], vjp: Callable[..., Any] | None = None, batch: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """The loops of an @numba.njit function as an operation: eager, in loops, under vmap and grad, and inside compiled programs.

    f is called as f(*inputs, *results). Inputs are contiguous arrays that are only read; a 0-d input is a number. Results are arrays of
    zeros that f fills; a 0-d one is set by out[()] = x. f must be a function of its inputs alone. Its indices are checked, unless it says
    @njit(boundscheck=False); what it raises is a KernelError.

    type     (*types) -> (shape, dtype) of the result, or a list of such pairs. Types have .shape and .dtype; lengths may be run-time sizes
    vjp      (ct, out, *args) -> the gradient of each argument, None for integers, made of tensors: another kernel will do. With several
             results, ct and out are tuples. Without it the kernel has no gradient
    batch    (*args) -> the results for a batch, where the batch is the first axis of all arguments and results. Without it, vmap runs the
             kernel once for each element
    """
    from numba.core.dispatcher import Dispatcher

    if not isinstance(f, Dispatcher):
        raise dtype_error("kernel", f"takes a function made with @numba.njit, got {f!r}")
    if f.targetoptions.get("parallel"):
        problem = f"{f.py_func.__name__} is made with parallel=True, and numba's threads cannot be started from several threads"
        raise dtype_error("kernel", problem, "Leave it out")
    return Own(f, type, vjp, batch)
