"""NumPy's functions on tensors have NumPy's values, and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from shares import examples, shared

import minigrad as mg
from minigrad.numpy_protocol.table import FUNCTIONS, find
from minigrad.testing import axes, shapes


class Draw:
    """Draws arguments. All arrays of a call have one dtype."""

    def __init__(self, data: Any, dtype: str):
        self.data, self.dtype = data, dtype

    def __call__(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def array(self, *shape: int, min_dims: int = 0, max_dims: int = 3) -> np.ndarray:
        """Different numbers, so that nothing depends on the order of equal ones."""
        found = shape or self(shapes(min_dims, max_dims))
        values = np.array(self(st.permutations(range(int(np.prod(found)))))).reshape(found)
        return (values - 2).astype(self.dtype) if self.dtype == "int64" else (values - 2.25) / 4

    def of(self, *values: Any) -> Any:
        return self(st.sampled_from(values))

    def axis(self, x: np.ndarray, many: bool = False) -> Any:
        return self(axes(x.ndim, many)) if x.ndim or many else None

    def some(self, **options: list[Any]) -> dict[str, Any]:
        """Some of the keyword arguments, each with one of its values."""
        return {name: self.of(*values) for name, values in options.items() if self(st.booleans())}


Call = tuple[tuple[Any, ...], dict[str, Any]]


def reduction(d: Draw, **more: list[Any]) -> Call:
    x = d.array()
    return (x,), d.some(axis=[d.axis(x, many=True)], **more)


def along(d: Draw, default: Any = None, **more: list[Any]) -> Call:
    """A function of one axis, or of the flat array."""
    x = d.array(min_dims=1)
    return (x,), d.some(axis=[d.axis(x), None], **more)


def one(d: Draw, min_dims: int = 0) -> Call:
    return (d.array(min_dims=min_dims),), {}


def same_shapes(d: Draw, min_dims: int = 0) -> list[np.ndarray]:
    shape = d(shapes(min_dims))
    return [d.array(*shape) if shape else d.array(1)[0][...] for _ in range(d.of(1, 2, 3))]


def joined(d: Draw) -> Call:
    xs = same_shapes(d, 1)
    return (xs,), d.some(axis=[d.axis(xs[0]), None])


def stacked(d: Draw) -> Call:
    xs = same_shapes(d)
    return (xs,), d.some(axis=list(range(-xs[0].ndim - 1, xs[0].ndim + 1)))


def sections(d: Draw, min_dims: int = 1, **fixed: Any) -> Call:
    x = d.array(min_dims=min_dims, max_dims=4)
    return (x, d(st.integers(1, 4) | st.lists(st.integers(-5, 5), max_size=3))), fixed


def split(d: Draw) -> Call:
    (x, parts), _ = sections(d)
    return (x, parts), d.some(axis=[d.axis(x)])


def roll(d: Draw) -> Call:
    x = d.array(min_dims=1)
    by = d(st.integers(-5, 5) | st.tuples(st.integers(-5, 5), st.integers(-5, 5)))
    return (x, by), d.some(axis=[d.axis(x), (d.axis(x), d.axis(x)) if isinstance(by, tuple) else d.axis(x)])


def moveaxis(d: Draw) -> Call:
    x = d.array()
    source = d(st.lists(st.sampled_from(range(x.ndim)), unique=True)) if x.ndim else []
    to = d(st.permutations(range(x.ndim)))[: len(source)]
    return (x, source, list(to)) if len(source) != 1 else (x, source[0] - x.ndim, to[0]), {}


def take(d: Draw) -> Call:
    x = d.array(min_dims=1)
    axis = d.of(None, d.axis(x))
    n = x.size if axis is None else x.shape[axis]
    return (x, d(hnp.arrays(int, shapes(0, 2), elements=st.integers(-n, n - 1)))), {"axis": axis}


def take_along_axis(d: Draw) -> Call:
    x = d.array(min_dims=1)
    return (x, np.zeros(x.shape, int)), {"axis": d.axis(x)}


def clip(d: Draw) -> Call:
    low, high = d.of(-0.75, 0.25, None), d.of(0.5, 2, None)
    return (d.array(),), d.of({"a_min": low, "a_max": high}, {"min": low, "max": high}, {"min": low}, {"max": high})


def pairs(d: Draw) -> Call:
    """Operands of a product over one axis of three elements."""
    a, b = d(shapes(0, 2)), d(shapes(0, 2))
    return (d.array(*a, 3), d.array(*b[:-1], 3, *b[-1:])), {}


def tensordot(d: Draw) -> Call:
    x, y = d.array(2, 3, 4), d.array(4, 3, 2)
    return (x, y), d.of({"axes": 1}, {"axes": ([1], [1])}, {"axes": ([1, 2], [1, 0])}, {"axes": ((-1, 0), (0, 2))}, {"axes": (1, -2)})


def norm(d: Draw) -> Call:
    """Of all elements, of vectors, or of matrices; no two sums of magnitudes are equal."""
    x = d.array(min_dims=1)
    vectors = {"axis": d.axis(x), "ord": d.of(None, 1, 2, 3, np.inf, -np.inf)}
    matrices = {"axis": d.of((0, 1), (-1, -2)), "ord": d.of("fro", 1, np.inf, -1)} if x.ndim > 1 else {}
    return (x,), d.of({}, vectors, matrices) | d.some(keepdims=[True])


def matrix_norm(d: Draw) -> Call:
    return (d.array(min_dims=2),), d.some(keepdims=[True], ord=["fro", 1, -np.inf])


def pad(d: Draw) -> Call:
    x = d.array()
    return (x, d.of(1, (2, 0), [(a, 2 - a % 3) for a in range(x.ndim)])), d.some(mode=["constant"], constant_values=[0, 2])


def diagonal(d: Draw) -> Call:
    return (d.array(min_dims=2),), d.some(offset=[-1, 1]) | d.of({}, {"axis1": 1, "axis2": 0}, {"axis1": -1, "axis2": 0})


def diff(d: Draw) -> Call:
    x = d.array(min_dims=1)
    return (x,), d.some(n=[0, 1, 2], axis=[d.axis(x)], prepend=[0], append=[x])


def repeat(d: Draw) -> Call:
    x = d.array(min_dims=1)
    axis = d.of(None, d.axis(x))
    return (x, d.of(0, 2, d(st.lists(st.integers(0, 2), min_size=(n := x.size if axis is None else x.shape[axis]), max_size=n)))), {
        "axis": axis
    }


def meshgrid(d: Draw) -> Call:
    return tuple(d.array(n) for n in d(st.lists(st.integers(1, 3), max_size=3))), d.some(indexing=["xy", "ij"])


def like(d: Draw, *more: Any) -> Call:
    return (d.array(), *more), d.some(dtype=["float32", "int32"], shape=[(2, 1), 3])


def triangle(d: Draw) -> Call:
    return (d.array(min_dims=2),), d.some(k=[-1, 2])


def rounded(d: Draw) -> Call:
    return (d.array() + (0.125 if d.dtype == "float64" else 0),), d.some(decimals=[1, -1] if d.dtype == "float64" else [0])


def einsum(d: Draw) -> Call:
    spec = d.of("ij,jk->ik", "ij,kj", "ij,jk,kl->il", "ij,ij->", "ij->ji", "ij->i", "...j,jk->...k", "ii->i", "ii")
    return (spec, *[d.array(3, 3) for _ in spec.split("->")[0].split(",")]), d.some(optimize=[True])


CALLS: dict[str, Callable[[Draw], Call]] = {
    **dict.fromkeys(["sum", "prod", "max", "amax", "min", "amin", "mean", "any", "all"], lambda d: reduction(d, keepdims=[True, False])),
    **dict.fromkeys(["var", "std"], lambda d: reduction(d, keepdims=[True, False], ddof=[0, 0.5])),
    **dict.fromkeys(["argmax", "argmin", "cumsum", "sort"], along),
    "argsort": lambda d: along(d, kind=["stable"]), "cumulative_sum": lambda d: (((x := d.array(min_dims=1)),), {"axis": d.axis(x)}),
    "ptp": lambda d: reduction(d, keepdims=[True, False]),
    **dict.fromkeys(["ravel", "copy", "real", "real_if_close", "shape", "ndim", "size"], one),
    "flip": reduction, "fliplr": lambda d: one(d, 2), "flipud": lambda d: one(d, 1),
    "rot90": lambda d: (one(d, 2)[0], d.some(k=[-1, 2, 5], axes=[(0, 1), (1, 0), (-2, -1)])),
    "squeeze": reduction, "matrix_transpose": lambda d: one(d, 2), "linalg.matrix_transpose": lambda d: one(d, 2),
    "transpose": lambda d: (((x := d.array()),), d.some(axes=[None, d(st.permutations(range(x.ndim)))])),
    "reshape": lambda d: (((x := d.array()), d.of(-1, (x.size,), (1, -1), [1, x.size])), {}),
    "moveaxis": moveaxis, "swapaxes": lambda d: (((x := d.array(min_dims=1)), d.axis(x), d.axis(x)), {}),
    "rollaxis": lambda d: (((x := d.array(min_dims=1)), d.axis(x), d(st.integers(-x.ndim, x.ndim))), {}),
    "expand_dims": lambda d: ((d.array(), d.of(0, -1, (0, -1), (1, 0), (-2, 0))), {}),
    "broadcast_to": lambda d: (((x := d.array()), (2, *x.shape)), {}),
    "broadcast_arrays": lambda d: ((d.array(3), d.array(2, 1)), {}),
    **dict.fromkeys(["atleast_1d", "atleast_2d", "atleast_3d"], lambda d: (tuple(same_shapes(d)), {})),
    "concat": joined, "concatenate": joined, "stack": stacked, "append": lambda d: ((d.array(2, 3), d.array(2, 3)), d.some(axis=[0, -1])),
    **dict.fromkeys(["vstack", "hstack", "dstack"], lambda d: ((same_shapes(d),), {})),
    "column_stack": lambda d: ((same_shapes(d, 1),), {}),
    "split": split, "array_split": split, "hsplit": sections, "vsplit": sections, "dsplit": lambda d: sections(d, 3),
    "unstack": lambda d: (((x := d.array(min_dims=1)),), d.some(axis=[d.axis(x)])),
    "roll": roll, "take": take, "take_along_axis": take_along_axis, "clip": clip, "pad": pad,
    "tril": triangle,
    "where": lambda d: ((d(hnp.arrays(bool, 3)), d.array(3), d.array(2, 1)), {}),
    **dict.fromkeys(["dot", "inner", "outer", "linalg.outer", "kron"], lambda d: pairs(d)),
    "vdot": lambda d: ((d.array(2, 3), d.array(3, 2)), {}), "linalg.matmul": lambda d: ((d.array(2, 2, 3), d.array(3, 2)), {}),
    "linalg.vecdot": lambda d: ((d.array(2, 3), d.array(2, 3)), d.some(axis=[0, -1])),
    "tensordot": tensordot, "linalg.tensordot": tensordot,
    "linalg.multi_dot": lambda d: (([d.array(2, 3), d.array(3, 2), d.array(2, 3)],), {}), "einsum": einsum,
    "linalg.norm": norm, "linalg.vector_norm": lambda d: reduction(d, keepdims=[True], ord=[1, 2, 3, np.inf]),
    "linalg.matrix_norm": matrix_norm, "cumprod": along, "count_nonzero": lambda d: reduction(d, keepdims=[True]), "triu": triangle,
    "cumulative_prod": lambda d: (((x := d.array(min_dims=1)),), {"axis": d.axis(x)} | d.some(include_initial=[True])),
    "cross": lambda d: ((d.array(2, 3), d.array(2, 3)), {}), "linalg.cross": lambda d: ((d.array(3, 2), d.array(3, 2)), {"axis": 0}),
    "diagonal": diagonal, "trace": diagonal,
    **dict.fromkeys(["linalg.diagonal", "linalg.trace"], lambda d: (one(d, 2)[0], d.some(offset=[1]))),
    "diff": diff, "linspace": lambda d: ((d.array(2), d.array(2)), d.some(num=[1, 4], endpoint=[False])), "meshgrid": meshgrid,
    "nan_to_num": lambda d: (one(d)[0], d.some(nan=[1.0])), "repeat": repeat, "round": rounded, "around": rounded,
    "searchsorted": lambda d: ((np.sort(d.array(4)), d.array(2, 3)), d.some(side=["right"])),
    "tile": lambda d: ((d.array(), d.of(2, (2, 1), (3, 1, 2), ())), {}),
    "zeros_like": like, "ones_like": like, "full_like": lambda d: like(d, d.of(0.1, 2)),
    "astype": lambda d: ((d.array(), d.of("float64", "float64", "float32", "int64", bool)), {}),
}  # fmt: skip


# Their results are no floats.
CONSTANT = {"all", "any", "argmax", "argmin", "argsort", "count_nonzero", "searchsorted", "ndim", "shape", "size"}


def tensors_in(arguments: Any) -> Any:
    """Tensors in place of float and integer arrays; index arrays and lists of numbers stay."""
    return mg.tree.map(lambda v: mg.tensor(v) if isinstance(v, np.ndarray) else v, arguments)


def outcome(f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    try:
        return f(*args, **kwargs)
    except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        return error


def drawn_call(name: str, data: Any) -> tuple[Callable[..., Any], list[Any]]:
    """A call that NumPy takes, as a function of its float64 arrays, and these arrays; its other arguments are as drawn."""
    f, (args, kwargs) = find(name), CALLS[name](Draw(data, "float64"))
    assume(not isinstance(outcome(f, args, kwargs), Exception))
    leaves, structure = mg.tree.flatten(list(args))
    at = [i for i, v in enumerate(leaves) if isinstance(v, np.ndarray) and v.dtype == np.float64]

    def call(*xs: Any) -> Any:
        given = list(leaves)
        for i, x in zip(at, xs, strict=True):
            given[i] = x
        return f(*mg.tree.unflatten(structure, given), **kwargs)

    return call, [leaves[i] for i in at]


def test_every_function_of_the_table_is_tested() -> None:
    functions = {find(name) for name in CALLS} | {np.empty_like}
    assert {f.__name__ for f in FUNCTIONS if f not in functions} == set()


@pytest.mark.parametrize("name", [name for name in CALLS if find(name)])
@examples(12)
@given(data=st.data(), dtype=st.sampled_from(["float64", "int64"]))
def test_a_function_of_numpy_has_numpys_value(name: str, data: Any, dtype: str) -> None:
    f, (args, kwargs) = find(name), CALLS[name](Draw(data, dtype))
    expected, found = outcome(f, args, kwargs), outcome(f, tensors_in(list(args)), kwargs)
    if isinstance(expected, Exception):
        assert isinstance(found, Exception)
        return
    assert not isinstance(found, Exception), found
    assert isinstance(found, (list, tuple)) == isinstance(expected, (list, tuple))
    for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(expected), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "int64" else 1e-12, atol=1e-12)
        if isinstance(a, mg.Tensor):
            kinds = a.dtype, np.asarray(b).dtype
            assert kinds[0] == kinds[1] or (dtype == "int64" and kinds == (np.float32, np.float64))


@pytest.mark.parametrize("name", [name for name in CALLS if find(name) and name not in CONSTANT])
@examples(12)
@given(data=st.data())
def test_a_function_of_numpy_has_the_gradient(name: str, data: Any) -> None:
    call, xs = drawn_call(name, data)

    def of(xs: Any) -> list[Any]:
        return [y for y in mg.tree.leaves(call(*xs)) if getattr(y, "dtype", None) == np.float64]

    rng = np.random.default_rng(0)
    cts = [rng.standard_normal(y.shape) for y in of(xs)]
    assume(cts)
    moves = [rng.standard_normal(x.shape) for x in xs]
    ahead, behind = ([x + h * v for x, v in zip(xs, moves, strict=True)] for h in (1e-6, -1e-6))
    expected = sum(np.sum(ct * (p - q)) / 2e-6 for ct, p, q in zip(cts, of(ahead), of(behind), strict=True))
    (gradient,) = mg.vjp(lambda xs: of(xs), xs)[1](cts)
    found = sum(np.sum(g.numpy() * v) for g, v in zip(gradient, moves, strict=True))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", shared([name for name in CALLS if find(name) and name not in CONSTANT | {"shape", "ndim", "size"}]))
@examples(4)
@given(data=st.data())
def test_a_function_of_numpy_compiles(name: str, data: Any) -> None:
    """With run-time sizes, and index arrays that are known."""
    call, xs = drawn_call(name, data)
    found = mg.jit(call)(*xs)
    for a, b in zip(mg.tree.leaves(found), mg.tree.leaves(call(*xs)), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_the_gradients_that_were_lost() -> None:
    """NumPy computed these on the values."""
    x = np.array([1.0, 2.0])
    for f in (
        np.var, np.std, np.linalg.norm, lambda x: np.einsum("i,i->", x, x), lambda x: np.dot(x, x), lambda x: np.sum(np.vstack([x, x * x])),
    ):  # fmt: skip
        h = 1e-6
        slopes = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(2)]
        np.testing.assert_allclose(mg.grad(f)(x), slopes, rtol=1e-6)


def test_names_that_mean_something_else_in_numpy() -> None:
    a = np.arange(8.0).reshape(2, 4)
    t = mg.tensor(a)
    for call in (
        lambda a: np.split(a, [1, 3], axis=1)[1], lambda a: np.split(a, 2)[0], lambda a: np.roll(a, 1), np.cumsum,
        lambda a: np.take(a, [1]),
    ):  # fmt: skip
        np.testing.assert_array_equal(call(t), call(a))
