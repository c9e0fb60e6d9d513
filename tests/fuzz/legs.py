"""The ways to run a program, and the relations that hold between its results.

All are measured by the interpreter on the graph as it was traced.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

import minigrad as mg
from minigrad import tree
from minigrad.compiler.lower.program import Unsupported, lower
from minigrad.compiler.proof.bounds import prove
from minigrad.compiler.runtime.executable import Executable
from minigrad.graph import ir
from minigrad.graph.dims import Symbol, deciding, evaluate
from minigrad.passes.pipeline import optimize
from minigrad.passes.specialize import specialize

from . import libraries
from .case import Arrays, Case, Mismatch, Skip, agree, run, weighted
from .coincidence import coincidence
from .libraries import OURS
from .watched import InPython, divided

# ---- legs: the same values another way


def eager(case: Case) -> None:
    """Define-by-run."""
    agree([y.numpy() for y in case.first(*map(mg.tensor, case.arrays))], case.expected, case.limit)


def optimized(case: Case) -> None:
    """The graph after every pass."""
    graph = optimize(case.graph)
    ir.check(graph)
    agree(run(graph, case.arrays), case.expected, case.limit)


def source(case: Case) -> None:
    """The generated loops, run by Python."""
    agree(_source(optimize(case.graph), case.arrays), case.expected, case.limit)


def _source(graph: ir.Graph, arrays: Sequence[np.ndarray], sizes: Mapping[Symbol, int] = {}) -> Arrays:
    """The loops of an optimised graph, run by Python."""
    try:
        with divided():
            loops = InPython(lower(graph))
    except Unsupported as reason:
        raise Skip(str(reason)) from None
    outs = [np.empty([evaluate(n, sizes) for n in o.type.shape], o.type.dtype) for o in graph.outputs]
    loops.run([np.asarray(a, order="C") for a in arrays], outs, loops.lowered.numbers(sizes))
    return outs


def sizes(case: Case) -> None:
    """Run-time sizes: a trace and its passes, interpreted and as loops, for the sizes it was made with and for larger ones."""
    with mock.patch.dict(os.environ, MINIGRAD_JIT="0"):
        compiled = mg.jit(Case(case.program, case.nudge, even=True).first)
        for arrays in (case.arrays, case.program.arrays({n: n + 2 for n in case.program.lengths})):
            try:
                outs = case.program.evaluate(OURS, list(map(mg.tensor, arrays)))
            except mg.errors.MinigradError:
                continue  # two lengths were equal by chance
            found = [y.numpy() for y in compiled(*arrays)]
            agree(found[: len(outs)], [o.numpy() for o in outs], case.limit)
            program, bound = next((p, n) for known in compiled.programs.values() for p in known if (n := p.sizes(arrays)) is not None)
            agree(run(specialize(program.graph, bound), arrays), found, case.limit)
            with deciding(program.guards):
                agree(_source(program.optimized, arrays, bound), found, case.limit)


def proved(case: Case) -> None:
    """For all run-time sizes the loops stay inside their buffers, and two threads apart where all is shared that can be."""
    with mock.patch.dict(os.environ, MINIGRAD_JIT="0"):
        compiled = mg.jit(Case(case.program, case.nudge, even=True).first)
        compiled(*case.arrays)
    (program,) = (p for known in compiled.programs.values() for p in known)
    with deciding(program.guards), mock.patch("minigrad.compiler.lower.program.SHARED_WORK", 0):
        try:
            lowered = lower(program.optimized)
        except Unsupported as reason:
            raise Skip(str(reason)) from None
    if unproved := prove(lowered, program.guards).unproved:
        raise Mismatch("\n".join(unproved))


def unrolled(case: Case) -> None:
    """Every loop written out."""
    if not any(s.op == "scan" for s in case.program.all_steps()):
        raise Skip("no loop")
    agree(run(mg.unroll(case.graph), case.arrays), case.expected, case.limit)


def checkpointed(case: Case) -> None:
    """The whole under mg.checkpoint, and its own loops without checkpoints: the same values and gradients."""
    plain = Case(case.program.without_chunks(), case.nudge)
    agree(plain.expected, case.expected, case.limit)

    def loss(*args: Any) -> Any:
        outs = mg.checkpoint(lambda *args: tuple(case.program.evaluate(OURS, args)))(*args)
        return weighted(mg.sum, case.weights(outs), outs), outs

    (_, outs), grads = mg.value_and_grad(loss, case.floats, has_aux=True)(*case.arrays)
    agree([y.numpy() for y in (*outs, *grads)], case.expected, case.limit)


def torch(case: Case) -> None:
    """PyTorch: values and gradients."""
    _same_promotion(case)
    outs, grads, _ = _torch(case, False)
    agree([*outs, *grads], case.expected, case.limit)


def torch_second(case: Case) -> None:
    """PyTorch: second gradients."""
    _same_promotion(case)
    agree(_torch(case, True)[2], case.second_expected, 10 * case.limit)


def _same_promotion(case: Case) -> None:
    if len(case.program.floats) > 1:
        raise Skip("PyTorch promotes 0-d tensors, and multiplies matrices, otherwise")


def _torch(case: Case, second: bool) -> tuple[Arrays, Arrays, Arrays]:
    library = libraries.torch()
    t = library.torch
    xs = [t.tensor(a, requires_grad=i in case.floats) for i, a in enumerate(case.arrays)]
    leaves = [xs[i] for i in case.floats]

    def grad(y: Any) -> list[Any]:
        if not isinstance(y, t.Tensor) or not y.requires_grad:
            return [t.zeros_like(x) for x in leaves]
        found = t.autograd.grad(y, leaves, create_graph=second, allow_unused=True)
        return [t.zeros_like(x) if g is None else g for x, g in zip(leaves, found, strict=True)]

    outs = case.program.evaluate(library, xs)
    weights = [w if w is None else t.tensor(w) for w in case.weights(outs)]
    grads = grad(weighted(t.sum, weights, outs))
    again: list[Any] = []
    if second:
        again = grad(sum(t.sum(g * t.tensor(v)) for g, v in zip(grads, case.directions(), strict=True)))
    return ([y.detach().numpy() for y in outs], *([g.numpy(force=True) for g in group] for group in (grads, again)))  # type: ignore[return-value]


def jax(case: Case) -> None:
    """JAX: values and gradients."""
    library = libraries.jax()

    def loss(floats: Any) -> Any:
        args = list(map(library.np.asarray, case.arrays))
        for i, x in zip(case.floats, floats, strict=True):
            args[i] = x
        outs = case.program.evaluate(library, args)
        return weighted(library.np.sum, case.weights(outs), outs) + 0.0, outs

    with library.jax.enable_x64(True):
        floats = [library.np.asarray(case.arrays[i]) for i in case.floats]
        (_, outs), grads = library.jax.value_and_grad(loss, has_aux=True)(floats)
    agree([*outs, *grads], case.expected, case.limit)


# ---- legs: relations


def linear(case: Case) -> None:
    """vjp(a·c + b·d) = a·vjp(c) + b·vjp(d), and ⟨vjp u, v⟩ = ⟨u, jvp v⟩."""
    fixed = list(case.arrays)

    def f(*floats: Any) -> list[Any]:
        for i, x in zip(case.floats, floats, strict=True):
            fixed[i] = x
        return [o for o in case.program.evaluate(OURS, list(map(mg.tensor, fixed))) if o.type.is_float]

    xs = [case.arrays[i] for i in case.floats]
    outs, pull = mg.vjp(f, *xs)
    rng = np.random.default_rng([case.program.seed, 3])
    c, d = ([rng.standard_normal(o.shape).astype(o.dtype) for o in outs] for _ in range(2))
    first, other = ([g.numpy() for g in pull(ct)] for ct in (c, d))
    both = pull([(2 * x - 3 * y).astype(x.dtype) for x, y in zip(c, d, strict=True)])
    scale = max(1.0, *(float(np.max(np.abs(g), initial=0)) for g in (*first, *other)))
    wanted = [(2 * x - 3 * y) / x.dtype.type(scale) for x, y in zip(first, other, strict=True)]
    agree([g.numpy() / g.dtype.type(scale) for g in both], wanted, case.limit)
    directions = case.directions()
    _, tangents = mg.jvp(f, xs, directions)
    left = _dot(c, [t.numpy() for t in tangents])
    terms = float(sum(np.sum(np.abs(g * v)) for g, v in zip(first, directions, strict=True)))
    if abs(left - _dot(first, directions)) > case.limit * max(1.0, terms):
        raise Mismatch(f"⟨u, jvp v⟩ = {left}, ⟨vjp u, v⟩ = {_dot(first, directions)}")


def _dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    return float(sum(np.sum(x.astype("float64") * y) for x, y in zip(a, b, strict=True)))


def vmapped(case: Case) -> None:
    """vmap is a loop over the batch; a batch is its parts put together; for values and gradients."""
    arrays = case.program.arrays(batch=3)
    graph = mg.trace(mg.vmap(case.first), *arrays)
    whole = run(graph, arrays)
    rows = [run(case.graph, [a[i] for a in arrays]) for i in range(3)]
    agree(whole, [np.stack(group) for group in zip(*rows, strict=True)], case.limit)
    parts = [[y.numpy() for y in mg.vmap(case.first)(*(a[s] for a in arrays))] for s in (slice(0, 1), slice(1, 3))]
    agree([np.concatenate(pair) for pair in zip(*parts, strict=True)], whole, case.limit)


# ---- native code


def native(cases: Sequence[Case], literal: bool, second: bool = False) -> None:
    """Many programs compiled as one, with run-time or literal sizes; two calls give the same bits.

    Raises Skip where one is not supported.
    """
    cases = [Case(c.program, c.nudge, even=not literal) for c in cases]
    ends = np.cumsum([0, *(len(c.arrays) for c in cases)])

    def bundle(*args: Any) -> list[Any]:
        parts = [args[a:b] for a, b in itertools.pairwise(ends)]
        return [c.second(*p) if second else c.first(*p) for c, p in zip(cases, parts, strict=True)]

    arrays = [a for c in cases for a in c.arrays]
    fast = mg.jit(bundle)
    with warnings.catch_warnings():
        warnings.simplefilter("error", mg.CompileWarning)
        try:
            found = fast(*map(mg.tensor, arrays)) if literal else fast(*arrays)
        except mg.CompileWarning as reason:
            raise Skip(str(reason)) from None
    expected = [y for c in cases for y in (c.second_expected if second else c.expected)]
    results = [y.numpy() for y in tree.leaves(found)]
    agree(results, expected, max(c.limit for c in cases) * (10 if second else 1))
    again = fast(*map(mg.tensor, arrays)) if literal else fast(*arrays)
    agree([y.numpy() for y in tree.leaves(again)], results, 0, exact=True)


def second_source(case: Case) -> None:
    """The generated loops of the second gradients, run by Python."""
    agree(_source(optimize(case.second_graph), case.arrays), case.second_expected, 10 * case.limit)


LEGS: dict[str, Callable[[Case], object]] = {
    "torch": torch,
    "torch second": torch_second,
    "jax": jax,
    "eager": eager,
    "optimized": optimized,
    "source": source,
    "source second": second_source,
    "sizes": sizes,
    "proved": proved,
    "unrolled": unrolled,
    "linear": linear,
    "vmap": vmapped,
    "checkpoint": checkpointed,
    "coincidence": coincidence,
    "coincidence second": partial(coincidence, second=True),
    "coincidence native": partial(coincidence, native=Executable),
    "coincidence native second": partial(coincidence, second=True, native=Executable),
}
BUNDLES: dict[str, Callable[[Sequence[Case]], object]] = {
    "native": partial(native, literal=False),
    "native literal": partial(native, literal=True),
    "native second": partial(native, literal=False, second=True),
}
APART = [leg for leg in LEGS if leg.startswith("coincidence")]  # on programs whose lengths are apart
