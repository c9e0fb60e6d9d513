"""Eager operations on few elements call NumPy's loops without its functions, and give their bits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from counting import references_kept

import minigrad as mg
from minigrad.compiler.runtime import eager_nodes
from minigrad.compiler.runtime.loops import FEW, loop_of, table
from minigrad.graph.ir import Node, Signature
from minigrad.graph.nodes import CONSTANT, NO_ATTRS, known
from minigrad.primitives import elementwise
from minigrad.tensor import Primitive

RULES = table()
make = cache(eager_nodes.maker)
OPS = {op.name: op for op in vars(elementwise).values() if isinstance(op, Primitive) and op.numpy in RULES}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -88.5, 89.0, 710.0, -746.0, 1e30, 1e-42, np.inf, -np.inf, np.nan]


def shared(op: Primitive, nodes: tuple[Node, ...]) -> Signature:
    return Signature(op, [n.type for n in nodes], NO_ATTRS, nodes[0].type)


def native(op: Primitive, *arrays: np.ndarray) -> np.ndarray:
    nodes = tuple(known(CONSTANT, a) for a in arrays)
    found = make()(op, nodes, NO_ATTRS, shared(op, nodes), True, None)
    assert found is not None
    return found.value


def expected(op: Primitive, *arrays: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(op.numpy(*arrays))


def operands(op: Primitive, size: int, dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(size)
    count = getattr(op.numpy, "nin", 1)
    return [np.where(rng.random(size) < 0.3, rng.choice(SPECIAL, size), 4 * rng.standard_normal(size)).astype(dtype) for _ in range(count)]


def test_the_common_operations_are_in_the_table() -> None:
    assert {"add", "sub", "mul", "div", "neg", "exp", "log", "sqrt", "tanh", "sigmoid", "maximum", "minimum"} <= OPS.keys()
    assert not {"less", "where", "cast", "pow"} & OPS.keys()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", OPS)
def test_a_loop_gives_the_bits_of_the_function(name: str) -> None:
    op = OPS[name]
    for dtype in ("float32", "float64"):
        for size in (2, 3, 8, 15, 16, 17, 31, 33, 64, 100, FEW - 1, FEW, FEW + 1):
            arrays = operands(op, size, dtype)
            for shape in ((size,), (1, size), (size, 1)):
                shaped = [a.reshape(shape) for a in arrays]
                found, wanted = native(op, *shaped), expected(op, *shaped)
                assert (found.shape, found.dtype, found.tobytes()) == (wanted.shape, wanted.dtype, wanted.tobytes())
                assert found.flags.c_contiguous
                assert not found.flags.writeable


class Tenfold(np.ndarray):
    """Arrays with a product of their own."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return 10 * ufunc(*(np.asarray(x) for x in inputs), **kwargs)


PLAIN = np.linspace(-2, 2, 12, dtype="float32").reshape(3, 4)
OTHERS: dict[str, list[np.ndarray]] = {
    "not contiguous": [PLAIN[:, ::2], PLAIN[:, ::2]],
    "another order": [PLAIN, PLAIN.reshape(4, 3).T],
    "repeated": [PLAIN, np.broadcast_to(np.float32(2), (3, 4))],
    "another shape": [PLAIN, PLAIN[:1]],
    "more axes": [PLAIN.ravel(), PLAIN.reshape(12, 1)],
    "another dtype": [PLAIN, PLAIN.astype("float64")],
    "another byte order": [PLAIN, PLAIN.astype(">f4")],
    "integers": [PLAIN.astype("int64"), PLAIN.astype("int64")],
    "halves": [PLAIN.astype("float16"), PLAIN.astype("float16")],
    "a subclass": [PLAIN, PLAIN.view(Tenfold)],
    "one element": [PLAIN[:1, :1], PLAIN[1:2, 1:2]],
    "no element": [PLAIN[:0], PLAIN[:0]],
    "no axis": [PLAIN[0, 0].reshape(()), PLAIN[0, 1].reshape(())],
    "not aligned": [PLAIN, np.frombuffer(b"1" * 49, "uint8")[1:].view("float32").reshape(3, 4)],
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_operands_go_to_the_function(what: str) -> None:
    x, y = OTHERS[what]
    for a, b in ((x, y), (y, x)):
        found, wanted = native(elementwise.mul, a, b), expected(elementwise.mul, a, b)
        assert (found.shape, found.dtype, found.tobytes()) == (wanted.shape, wanted.dtype, wanted.tobytes())


def test_other_calls_go_to_the_function() -> None:
    nodes, op = (known(CONSTANT, PLAIN), known(CONSTANT, PLAIN)), elementwise.mul
    found = make()(op, nodes, {"dtype": np.dtype("float64")}, shared(op, nodes), True, None)
    assert found is not None
    assert found.value.dtype == "float64"
    with pytest.raises(TypeError, match="positional arguments"):
        native(op, PLAIN)


def test_a_function_without_such_a_loop_has_none() -> None:
    dtype = np.dtype("float32")
    assert [loop_of(f, dtype) for f in (np.less, np.ldexp, np.bitwise_and, np.isnan)] == [None] * 4
    assert np.matmul not in RULES
    square = np.arange(4, dtype="float32").reshape(2, 2)
    np.testing.assert_array_equal((mg.tensor(square) @ mg.tensor(square)).numpy(), square @ square)


def test_an_overflow_is_silent_and_is_not_told_to_those_who_compute_later() -> None:
    large = np.full(8, 1e30, "float32")
    for op in (elementwise.mul, elementwise.exp):
        assert np.isinf(native(op, *[large] * (1 + (op is elementwise.mul)))).all()
    with np.errstate(all="raise"):
        assert (large * 2).sum(dtype="float64") > 0
        assert large.astype("float64").max() < 2e30
        np.testing.assert_allclose(np.linalg.inv(np.eye(2) * 2), np.eye(2) / 2)
    with pytest.raises(FloatingPointError), np.errstate(all="raise"):
        large * large


def test_no_reference_is_lost_or_kept() -> None:
    x, y = PLAIN.copy(), PLAIN.copy()
    nodes = known(CONSTANT, x), known(CONSTANT, y)
    product = shared(elementwise.mul, nodes)
    objects: list[Any] = [x, y, *nodes, x.dtype, np.ndarray, np.multiply, NO_ATTRS, product]

    def work() -> None:
        for some in (nodes, nodes[:1]):
            op = elementwise.mul if len(some) == 2 else elementwise.sigmoid
            assert make()(op, some, NO_ATTRS, product, True, None) is not None

    assert references_kept(work, objects) == [0] * len(objects)
