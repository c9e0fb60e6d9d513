"""Hypothesis strategies. Numbers are multiples of 1/64, or of a smaller power of 2 in a narrow domain: zeros, ones and repeats are
frequent, and failing examples shrink to short ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError as error:
    raise ImportError("minigrad.testing's strategies need hypothesis: pip install 'minigrad[testing]'") from error

from ..errors import setting_error
from ..graph.types import DTYPES
from ..tensor import Tensor, tensor
from .programs import RandomProgram, draw_program

Shape = tuple[int, ...]


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes; size-0 axes with min_side=0."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def dtypes(kinds: str = "biuf") -> st.SearchStrategy[np.dtype]:
    """The dtypes of tensors, by NumPy's kinds: b(ool), i(nteger), u(nsigned), f(loat)."""
    return st.sampled_from([d for d in DTYPES if d.kind in kinds])


def axes(ndim: int, many: bool = True) -> st.SearchStrategy[Any]:
    """An axis of a tensor with ndim axes, counted from either end; with `many` also None and tuples of different axes."""
    single = st.integers(-ndim, ndim - 1) if ndim else st.nothing()
    if not many:
        return single
    choose = st.lists(st.sampled_from(range(ndim)), unique=True) if ndim else st.just([])
    signed = choose.flatmap(lambda found: st.tuples(*(st.sampled_from([a, a - ndim]) for a in found)))
    return st.none() | single | signed


def tensors(
    dtype: Any = "float64",
    min_dims: int = 0,
    max_dims: int = 3,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    domain: tuple[float, float] = (-3.0, 3.0),
    max_side: int = 4,
    min_side: int = 1,
    kinks: Sequence[float] = (),
    special: bool = False,
) -> st.SearchStrategy[Tensor]:
    """Tensors with elements in `domain`; of a given shape, or of any with min_dims … max_dims axes of min_side … max_side.

    Floats keep 1/16 away from `kinks`, as in tensors(kinks=[0]) for relu; domain=(1/64, 4) is positive. With `special`, NaN, ±infinity,
    −0, the largest, smallest and subnormal numbers occur as well. Raises SettingError for a domain without a number of the dtype.
    """
    kind = np.dtype(dtype)
    found = shape if isinstance(shape, st.SearchStrategy) else shapes(min_dims, max_dims, min_side, max_side) if shape is None else shape
    low, high = domain
    elements: st.SearchStrategy[Any]
    if kind.kind == "f":
        elements = _grid(low, high)
        if kinks:
            elements = elements.filter(lambda x: min(abs(x - k) for k in kinks) >= 1 / 16)
        if special:
            elements = elements | st.sampled_from(_special(kind))
    elif kind.kind == "b":
        elements = st.booleans()
    else:
        first, last = max(0, math.ceil(low)) if kind.kind == "u" else math.ceil(low), math.floor(high)
        if first > last:
            raise setting_error("tensors", f"no {kind} is in the domain {domain}")
        elements = st.integers(first, last)
    return hnp.arrays(kind, found, elements=elements).map(tensor)


def _grid(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers in [low, high], multiples of 1/64 or of the power of 2 that gives at least 16 of them."""
    if not -math.inf < low <= high < math.inf:
        raise setting_error("tensors", f"a domain is (low, high) with finite low ≤ high, got {(low, high)}")
    if low == high:
        return st.just(low)
    step = min(1 / 64, 2.0 ** math.floor(math.log2((high - low) / 16)))
    return st.integers(math.ceil(low / step), math.floor(high / step)).map(lambda n: n * step)


def _special(kind: np.dtype) -> list[float]:
    info = np.finfo(kind)
    finite = [float(v) for v in (info.max, info.tiny, info.smallest_subnormal, info.eps)]
    return [-0.0, np.inf, -np.inf, np.nan, *finite, *(-v for v in finite)]


def broadcastable_shapes(n: int = 2, max_dims: int = 3, max_side: int = 3) -> st.SearchStrategy[tuple[Shape, ...]]:
    """n shapes that broadcast together."""
    return hnp.mutually_broadcastable_shapes(num_shapes=n, max_dims=max_dims, max_side=max_side).map(lambda found: found.input_shapes)


@st.composite
def broadcastable(draw: Callable[..., Any], n: int = 2, max_dims: int = 3, max_side: int = 3, **options: Any) -> tuple[Tensor, ...]:
    """n tensors that broadcast together; further options as for `tensors`."""
    return tuple(draw(tensors(shape=s, **options)) for s in draw(broadcastable_shapes(n, max_dims, max_side)))


@st.composite
def einsums(draw: Callable[..., Any], operands: int = 2, max_dims: int = 3, **options: Any) -> tuple[Any, ...]:
    """(spec, tensor, …) for mg.einsum: shared letters, summed or kept, in any order; further options as for `tensors`."""
    sizes = dict(zip("ijklm", draw(st.lists(st.integers(1, 3), min_size=5, max_size=5)), strict=True))
    letters = st.lists(st.sampled_from("ijklm"), max_size=max_dims, unique=True).map("".join)
    inputs = [draw(letters) for _ in range(operands)]
    used = sorted(set("".join(inputs)))
    output = "".join(draw(st.lists(st.sampled_from(used), unique=True))) if used else ""
    shapes = [tuple(sizes[c] for c in word) for word in inputs]
    return f"{','.join(inputs)}->{output}", *(draw(tensors(shape=s, **options)) for s in shapes)


def trees(leaves: st.SearchStrategy[Any] | None = None, max_leaves: int = 5) -> st.SearchStrategy[Any]:
    """Dicts, lists and tuples of leaves (small float64 tensors by default), nested; at least one leaf."""
    leaf = tensors(max_dims=2, max_side=2) if leaves is None else leaves
    names = st.sampled_from(["W", "b", "h"])

    def container(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        many = st.lists(inner, min_size=1, max_size=3)
        return many | many.map(tuple) | st.dictionaries(names, inner, min_size=1)

    return st.recursive(leaf, container, max_leaves=max_leaves)


def cells(inputs: int = 2, hidden: int = 3, dtype: Any = "float64") -> st.SearchStrategy[Any]:
    """Recurrent models of a few units: RNN, GRU, LSTM with and without peepholes, coupled gates and projection, NTM; any seed."""
    from ..models import GRU, LSTM, NTM, RNN

    sizes = {"inputs": st.just(inputs), "hidden": st.just(hidden), "dtype": st.just(dtype), "key": st.integers(0, 99)}
    lstm = st.builds(LSTM, peephole=st.booleans(), coupled=st.booleans(), projection=st.none() | st.just(2), **sizes)
    ntm = st.builds(NTM, outputs=st.just(2), memory=st.just((4, 2)), controller=st.sampled_from(["feedforward", "lstm"]), **sizes)
    return st.builds(RNN, **sizes) | st.builds(GRU, **sizes) | lstm | ntm


@st.composite
def sequences(
    draw: Callable[..., Any], features: int = 2, max_length: int = 4, max_batch: int = 3, **options: Any
) -> tuple[Tensor, Tensor]:
    """(xs, mask): a batch of sequences of different lengths, (T, batch, features) and bool(T, batch), True up to each one's own length."""
    lengths = draw(st.lists(st.integers(1, max_length), min_size=1, max_size=max_batch))
    xs = draw(tensors(shape=(max(lengths), len(lengths), features), **options))
    return xs, tensor(np.arange(max(lengths))[:, None] < np.array(lengths))


@st.composite
def indices(draw: Callable[..., Any], shape: Shape) -> Any:
    """Index expressions for a shape: integers, slices, Ellipsis, None, integer arrays and boolean masks, mixed."""
    entries: list[Any] = []
    axis, length = 0, draw(st.integers(1, 3))
    while axis < len(shape) and draw(st.integers(0, 4)):
        n = shape[axis]
        kinds = ["slice", "none"] + (["mask", "integer", "array", "matrix"] if n else [])
        kind = draw(st.sampled_from(kinds))
        if kind == "none":
            entries.append(None)
            if len(entries) > 6:
                break
            continue
        if kind == "slice":
            entries.append(draw(st.slices(n)))
        elif kind == "integer":
            entries.append(draw(st.integers(-n, n - 1)))
        elif kind == "mask":  # a mask with `length` or one true element joins the index arrays
            count = draw(st.sampled_from([1, length] if length <= n else [1]))
            entries.append(np.array(draw(st.permutations([i < count for i in range(n)])), bool))
        else:
            form = draw(st.sampled_from([(length,), (1,)] + ([(2, length), (2, 1)] if kind == "matrix" else [])))
            entries.append(draw(hnp.arrays("int64", form, elements=st.integers(-n, n - 1))))
        axis += 1
    if draw(st.booleans()):  # before the end only where no axis is left, or what follows it would index another axis
        entries.insert(draw(st.integers(0 if axis == len(shape) else len(entries), len(entries))), Ellipsis)
    return tuple(entries)


def graphs(steps: int = 8, inputs: int = 2, scans: bool = True) -> st.SearchStrategy[RandomProgram]:
    """Random programs of up to `steps` operations: shared operands, diamonds, broadcasting, loops. They shrink to few and simple steps."""

    @st.composite
    def program(draw: Callable[..., Any]) -> RandomProgram:
        return draw_program(lambda options: draw(st.sampled_from(options)), draw(st.integers(1, steps)), inputs, scans, seed=0)

    return program()
