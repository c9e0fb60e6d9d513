"""Functions and models as PyTorch's: `mg.export.torch.function(f)` and `mg.export.torch.module(model)`.

Forward and backward are two compiled programs of one trace. Arrays are shared with PyTorch, not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence

from ... import io, tree
from ...control.call import importable
from ...errors import dtype_error, require_callable
from ...tensor import Tensor, parameter, tensor
from ...transforms.batching import vmap
from ...transforms.tracing import argument_names
from ..pair import Pairs, Sized
from . import transformed
from .arrays import as_array, as_torch
from .threads import on_threads_of_torch
from .transformed import Flat


class Function:
    """What `function` returns: a minigrad function of PyTorch's tensors. Pickled, it is its function; a copy is the same object."""

    __name__: str

    def __init__(self, f: Callable[..., Any]):
        require_callable("mg.export.torch.function", f)
        update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.pairs = Pairs(f)
        self.known: dict[Any, Function] = {}  # the functions made of it

    def __reduce__(self) -> Any:
        return importable(self) or (Function, (self.pairs.function,))

    def __deepcopy__(self, memo: Any) -> Function:
        return self

    @torch.compiler.disable
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if PackedSequence in map(type, (*args, *kwargs.values())):
            fix = "Give pad_packed_sequence(xs)[0], and a mask of the steps that count where the model takes one"
            raise dtype_error(self.__name__, "takes no PackedSequence", fix)
        return self.of_leaves(*tree.flatten((args, kwargs)))

    def of_leaves(self, leaves: list[Any], in_tree: tree.TreeDef) -> Any:
        """The results for the leaves of (args, kwargs)."""
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        transformed.require_plain(self.__name__, tensors)
        if transformed.is_transformed(tensors):
            return transformed.call(self, leaves, in_tree)
        recorded = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
        wanted = tuple([recorded and isinstance(leaf, torch.Tensor) and leaf.requires_grad for leaf in leaves])
        literal = [isinstance(leaf, torch.Tensor) and leaf.requires_grad and leaf.is_leaf for leaf in leaves]
        given = self._arrays(leaves, in_tree)
        sized, arrays = self.pairs.at(given, literal, in_tree, wanted)
        call = Call(self, sized, arrays, leaves, in_tree, wanted)
        with on_threads_of_torch():
            outs = Native.apply(call, *tensors) if recorded else map(as_torch, sized.results(arrays)[0])
        return tree.unflatten(sized.pair.out_tree, outs)

    def _arrays(self, leaves: Sequence[Any], in_tree: tree.TreeDef) -> list[Any]:
        """The leaves with arrays in the place of PyTorch's tensors. Raises DTypeError, which names the argument, for what is no array."""
        found = list(leaves)
        for i, leaf in enumerate(leaves):
            what = fix = ""
            if isinstance(leaf, torch.Tensor):
                try:
                    found[i] = as_array(leaf)
                except (RuntimeError, TypeError) as error:
                    what = f"a {leaf.dtype} tensor on {leaf.device} ({str(error).splitlines()[0].rstrip('.')})"
                    fix = "minigrad computes with dense arrays in the CPU's memory: give it .cpu()"
            elif not hasattr(leaf, "__array__") and not isinstance(leaf, (int, float)):
                what, fix = f"the {type(leaf).__name__} {leaf!r}", "Give what is no array beforehand, by functools.partial"
            if what:
                name = argument_names(self.pairs.function, *tree.unflatten(in_tree, leaves))[i]
                raise dtype_error(self.__name__, f"cannot read {name}, {what}", fix)
        return found

    def _made(self, key: Any, f: Callable[[], Callable[..., Any]]) -> Function:
        if key not in self.known:
            self.known[key] = Function(f())
        return self.known[key]

    def gradient(self, wanted: tuple[bool, ...]) -> Function:
        """The gradient as a function of its own, for second derivatives."""
        return self._made(("gradient", wanted), lambda: self.pairs.gradient(wanted))

    def flat(self, in_tree: tree.TreeDef) -> Function:
        """The function of the leaves of its arguments, for torch.func."""
        return self._made(("flat", in_tree, tree.orders(in_tree)), lambda: Flat(self.pairs.function, in_tree))

    def derived(self, rule: Callable[..., Any], places: tuple[int, ...]) -> Function:
        """The gradient or the tangent of a flat function at these places among its leaves."""
        return self._made((rule, places), lambda: partial(rule, self.pairs.function, places))

    def mapped(self, axes: tuple[int | None, ...]) -> Function:
        """A flat function over a batch."""
        return self._made(("mapped", axes), lambda: vmap(self.pairs.function, axes))


class Call(NamedTuple):
    """One call of a function."""

    function: Function
    sized: Sized
    arrays: list[Any]  # of all leaves, and of what the function takes from outside
    leaves: list[Any]
    in_tree: tree.TreeDef
    wanted: tuple[bool, ...]

    def without_tensors(self) -> Call:
        """The call as it is kept for the gradient: PyTorch keeps the tensors."""
        arrays = list(self.arrays)
        leaves = list(self.leaves)
        for i, leaf in enumerate(leaves):
            if isinstance(leaf, torch.Tensor):
                leaves[i] = arrays[i] = None
        return self._replace(arrays=arrays, leaves=leaves)


class Native(torch.autograd.Function):
    """A call as a node of PyTorch's graph. What its gradient reads is saved with PyTorch, which refuses it once it was changed in place."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pair = call.sized.pair
        arrays, block = call.sized.results(call.arrays)
        outs = tuple(map(as_torch, arrays))
        ctx.call = call.without_tensors()
        ctx.save_for_backward(as_torch(block), *tensors, *(outs[i] for i in pair.read_outs))
        ctx.mark_non_differentiable(*(o for i, o in enumerate(outs) if i not in pair.varying))
        return outs

    @staticmethod
    @on_threads_of_torch()
    def backward(ctx: Any, *cts: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        call, (block, *saved) = ctx.call, ctx.saved_tensors
        pair, varying = call.sized.pair, [cts[i] for i in call.sized.pair.varying]
        transformed.require_plain(call.function.__name__, varying)
        places = [i for i, leaf in enumerate(call.leaves) if leaf is None]  # of PyTorch's tensors
        tensors = dict(zip(places, saved, strict=False))
        if torch.is_grad_enabled():  # with create_graph: the gradient is to be differentiated
            leaves = [tensors.get(i, leaf) for i, leaf in enumerate(call.leaves)]
            found = iter(call.function.gradient(call.wanted)(tree.unflatten(call.in_tree, leaves), varying))
        else:
            arguments = {i: as_array(t) for i, t in tensors.items() if i in pair.reads}
            held = [
                *(arguments.get(i, a) for i, a in enumerate(call.arrays)),
                *[None] * pair.results,
                *call.sized.kept.arrays(as_array(block)),
            ]
            for i, out in zip(pair.read_outs, saved[len(places) :], strict=True):
                held[len(call.arrays) + i] = as_array(out)
            found = map(as_torch, call.sized.gradients([*(held[p] for p in pair.reads), *map(as_array, varying)]))
        connected = iter(pair.connected)
        return None, *(next(found) if call.wanted[i] and next(connected) else None for i in places)


class Wrapped(torch.nn.Module):
    """What `module` returns: a minigrad model whose parameters are PyTorch's, under the names that they have in minigrad's checkpoints."""

    def __init__(self, model: Any, f: Callable[..., Any]):
        super().__init__()
        leaves, self._structure = tree.flatten(model)
        self._names = io.names(self._structure)
        self._function = Function(f)
        self._latest = tree.LEAF, tree.LEAF  # the tree of the latest arguments, and that of these after the model
        trained = tree.trained(self._structure)
        self._learned = [t and isinstance(leaf, Tensor) and leaf.type.is_float for t, leaf in zip(trained, leaves, strict=True)]
        for name, leaf, is_learned in zip(self._names, leaves, self._learned, strict=True):
            *folders, last = name.split(".")
            holder: torch.nn.Module = self
            for folder in folders:  # not by add_module: a part may be called forward
                holder = holder._modules.setdefault(folder, torch.nn.Module())  # type: ignore[assignment]
            value = as_torch(np.array(leaf))
            if is_learned:
                holder._parameters[last] = torch.nn.Parameter(value)
            else:
                holder._buffers[last] = value

    @torch.compiler.disable
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        leaves, in_tree = tree.flatten((args, kwargs))
        known, whole = self._latest
        if not tree.alike(in_tree, known):
            whole = tree.flatten(((tree.unflatten(self._structure, self._names), *args), kwargs))[1]
            self._latest = in_tree, whole
        return self._function.of_leaves([*map(self._leaf, self._names), *leaves], whole)

    def _leaf(self, name: str) -> torch.Tensor:
        """The tensor of a name: a parameter, a buffer, or what a parametrisation or a mask of pruning makes of them."""
        *folders, last = name.split(".")
        holder: torch.nn.Module = self
        for folder in folders:
            holder = holder._modules[folder]  # type: ignore[assignment]
        for own in (holder._parameters, holder._buffers):
            if (found := own.get(last)) is not None:
                return found
        if holder is not self:  # a call of a part, which would run them, never comes
            for hook in holder._forward_pre_hooks.values():
                hook(holder, ())
        return getattr(holder, last)  # type: ignore[no-any-return]

    def minigrad(self) -> Any:
        """The minigrad model with a copy of the weights as they are now."""
        leaves = map(as_array, map(self._leaf, self._names))
        return tree.unflatten(self._structure, [(parameter if p else tensor)(a) for a, p in zip(leaves, self._learned, strict=True)])


def function(f: Callable[..., Any]) -> Function:
    """f as a function of PyTorch's tensors, compiled, through which PyTorch's gradients go.

    Arguments and results are trees; arrays, numbers and minigrad's tensors among the arguments have no gradient. One program serves all
    lengths and batch sizes, as with mg.jit; the axes of parameters are literal. The first call with a gradient compiles two programs:
    the forward one also stores what the backward one reads, and without a gradient (torch.no_grad) it stores nothing.

    Changing a tensor in place between forward and backward raises, as in PyTorch. Second derivatives (create_graph=True) are exact; they
    compute the forward program again. torch.compile calls it as it is, between what it compiles itself. Tensors on other devices are
    refused with a DTypeError. The transformations of torch.func and forward mode are minigrad's own; they compute the value again.
    """
    return Function(f)


def forward(model: Any, *args: Any, **kwargs: Any) -> Any:
    return model(*args, **kwargs)


def module(model: Any, f: Callable[..., Any] = forward) -> Wrapped:
    """A minigrad model as a torch.nn.Module, which computes f(model, *args). Its parameters are PyTorch's own, copied from the model: for
    torch.optim, state_dict, clipping and averaging. `.minigrad()` gives the model back with the weights of now."""
    require_callable("mg.export.torch.module", f)
    return Wrapped(model, f)
