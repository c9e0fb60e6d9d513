"""Functions under the transformations of torch.func (grad, vjp, jvp, vmap and what is made of them), and under forward mode.

They are minigrad's own transformations of the function, each compiled; unlike an ordinary gradient, one of torch.func computes the value
again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd import forward_ad

from ... import tree
from ...errors import dtype_error
from ...tensor import tensor
from ...transforms.autodiff import jvp, vjp

if TYPE_CHECKING:
    from .function import Function


def is_transformed(tensors: Sequence[torch.Tensor]) -> bool:
    """Whether a transformation of torch.func goes over a tensor, or forward mode."""
    if torch._C._functorch.maybe_current_level() is not None and any(map(torch._C._functorch.is_functorch_wrapped_tensor, tensors)):
        return True
    return forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)


def require_plain(name: str, tensors: Sequence[torch.Tensor]) -> None:
    """Raises DTypeError where PyTorch records operations to run them again, and would take the results for constants; and for batches of
    gradients, which are not those of torch.func."""
    proxies = sys.modules.get("torch.fx.experimental.proxy_tensor")
    recorded = torch.jit.is_tracing() or (proxies is not None and proxies.get_proxy_mode() is not None)
    if recorded or any(map(torch._is_functional_tensor, tensors)):
        problem = "is called while PyTorch records its operations (make_fx, functionalize, torch.jit.trace), which would keep its results"
        raise dtype_error(name, problem, "Record what is around it, or export the function: mg.export.onnx, mg.export.jax.save")
    if any(map(torch._C._functorch.is_legacy_batchedtensor, tensors)):
        problem = "cannot take a batch of gradients at once (is_grads_batched, vectorize=True)"
        raise dtype_error(name, problem, "Take torch.func.vmap, jacrev or jacfwd")


class Shape:
    """The structure of results beside their leaves, as a tree without leaves: each compiled program has its own."""

    def __init__(self, structure: tree.TreeDef):
        self.structure = structure

    def __tree_flatten__(self) -> tuple[tuple[()], tuple[()], tree.TreeDef]:
        return (), (), self.structure

    @classmethod
    def __tree_unflatten__(cls, keys: Any, children: Any, structure: tree.TreeDef) -> Shape:
        return cls(structure)


class Flat:
    """A function of the leaves of its arguments that gives the leaves of the results, and their Shape."""

    def __init__(self, f: Callable[..., Any], in_tree: tree.TreeDef):
        self.f, self.in_tree = f, in_tree
        self.__name__ = getattr(f, "__name__", type(f).__name__)

    def __call__(self, *leaves: Any) -> list[Any]:
        args, kwargs = tree.unflatten(self.in_tree, leaves)
        found, structure = tree.flatten(self.f(*args, **kwargs))
        return [*map(tensor, found), Shape(structure)]

    def _floats(self, leaves: Sequence[Any], places: Sequence[int]) -> Callable[..., list[Any]]:
        """The float results as a function of the leaves at these places."""

        def of_floats(*moved: Any) -> list[Any]:
            new = dict(zip(places, moved, strict=True))
            *found, _ = self(*(new.get(i, leaf) for i, leaf in enumerate(leaves)))
            return [o for o in found if o.type.is_float]

        return of_floats

    def pulled(self, places: Sequence[int], leaves: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        return list(vjp(self._floats(leaves, places), *(leaves[i] for i in places))[1](list(cts)))

    def pushed(self, places: Sequence[int], leaves: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        return jvp(self._floats(leaves, places), [leaves[i] for i in places], list(tangents))[1]


class Called:
    """The leaves of a call, None for tensors, and the structure of its results once it is done."""

    def __init__(self, leaves: Sequence[Any]):
        self.leaves = leaves
        self.structure = tree.LEAF

    def results(self, found: Sequence[Any]) -> tuple[torch.Tensor, ...]:
        *outs, shape = found
        self.structure = shape.structure
        return tuple(outs)


class Transformed(torch.autograd.Function):
    """A call of a function of leaves as a node that torch.func transforms."""

    @staticmethod
    def forward(flat: Function, called: Called, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return called.results(flat(*_filled(called.leaves, tensors)))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.flat, called, *tensors = inputs
        ctx.leaves = called.leaves
        ctx.results, ctx.floats = len(output), [i for i, o in enumerate(output) if o.is_floating_point()]
        ctx.mark_non_differentiable(*(o for o in output if not o.is_floating_point()))
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cts: Any) -> Any:
        leaves, tensors = _filled(ctx.leaves, ctx.saved_tensors), ctx.saved_tensors
        places = [i for i, leaf in enumerate(ctx.leaves) if leaf is None]
        wanted = tuple(p for p, t, need in zip(places, tensors, ctx.needs_input_grad[2:], strict=True) if need and t.is_floating_point())
        found = ctx.flat.derived(Flat.pulled, wanted)(leaves, [cts[i] for i in ctx.floats])
        grads = dict(zip(wanted, found, strict=True))
        return None, None, *(grads.get(p) for p in places)

    @staticmethod
    def jvp(ctx: Any, _: Any, __: Any, *tangents: Any) -> Any:
        places = [i for i, leaf in enumerate(ctx.leaves) if leaf is None]
        moved = [(p, t) for p, t in zip(places, tangents, strict=True) if t is not None and t.is_floating_point()]
        leaves, wanted = _filled(ctx.leaves, ctx.saved_tensors), tuple(p for p, _ in moved)
        found = iter(ctx.flat.derived(Flat.pushed, wanted)(leaves, [t for _, t in moved]))
        return tuple(next(found) if i in ctx.floats else None for i in range(ctx.results))

    @staticmethod
    def vmap(info: Any, in_dims: Any, flat: Function, called: Called, *tensors: torch.Tensor) -> Any:
        dims = _filled(called.leaves, in_dims[2:], other=lambda leaf: None)
        outs = called.results(flat.mapped(tuple(dims))(*_filled(called.leaves, tensors)))
        return outs, (0,) * len(outs)


def _filled(leaves: Sequence[Any], tensors: Sequence[Any], other: Callable[[Any], Any] = lambda leaf: leaf) -> list[Any]:
    given = iter(tensors)
    return [next(given) if leaf is None else other(leaf) for leaf in leaves]


def call(function: Function, leaves: Sequence[Any], in_tree: tree.TreeDef) -> Any:
    """The results of a function for leaves among which are transformed tensors."""
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    called = Called([None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves])
    outs = Transformed.apply(function.flat(in_tree), called, *tensors)
    return tree.unflatten(called.structure, outs)
