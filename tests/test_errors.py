"""Bad inputs: each message names the operation, the types and the remedy, and the user's line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors

X = mg.zeros((3, 4))
BAD: list[tuple[str, Any, tuple[type, ...], list[str]]] = [
    ("matmul", lambda: X @ X, (errors.ShapeError, ValueError),
     ["matmul", "x has 4 columns but y has 3 rows", "(3, 4) @ y (3, 4)", "x @ y.T"]),
    ("batched matmul", lambda: mg.zeros((2, 3, 4)) @ mg.zeros((5, 2)), (errors.ShapeError,),
     ["matmul", "(2, 3, 4) @ y (5, 2)", "4 columns", "5 rows"]),
    ("matmul batch", lambda: mg.zeros((2, 3, 4)) @ mg.zeros((3, 4, 2)), (errors.ShapeError,), ["matmul", "do not broadcast"]),
    ("matmul 0-d", lambda: X @ 2.0, (errors.ShapeError,), ["matmul", "0-d", "Use *"]),
    ("add", lambda: X + mg.zeros(3), (errors.ShapeError,), ["add", "(3, 4) and (3,)", "axis 1 is 4 vs 3", "v[:, None]"]),
    ("where", lambda: mg.where(X, X, X), (errors.DTypeError,), ["where", "float32(3, 4)", "c > 0"]),
    ("axis", lambda: mg.sum(X, axis=5), (errors.AxisError, ValueError, IndexError),
     ["sum: axis 5 out of range for a 2-d tensor (valid -2..1)"]),
    ("axis type", lambda: mg.sum(X, axis="rows"), (TypeError,), ["axis must be an integer", "'rows'"]),
    ("axis twice", lambda: mg.sum(X, axis=(0, -2)), (ValueError,), ["names an axis twice"]),
    ("reshape", lambda: mg.reshape(X, (5, 3)), (errors.ShapeError,), ["reshape", "12 elements of (3, 4) cannot become (5, 3) (15)"]),
    ("two -1", lambda: mg.reshape(X, (-1, -1)), (errors.ShapeError,), ["only one length can be -1"]),
    ("-1 over", lambda: mg.reshape(X, (5, -1)), (errors.ShapeError,), ["12 elements", "cannot become (5, -1)"]),
    ("concat", lambda: mg.concat([X, mg.zeros((3, 5))]), (errors.ShapeError,),
     ["concat", "axis 0", "input 1 is float32(3, 5)", "float32(*, 4) like input 0"]),
    ("concat nothing", lambda: mg.concat([]), (errors.ShapeError,), ["at least one"]),
    ("stack", lambda: mg.stack([mg.zeros(3), mg.zeros(4)]), (errors.ShapeError,), ["input 1"]),
    ("split", lambda: mg.split(X, 3, -1), (errors.ShapeError,), ["split", "length 4", "add up to 3"]),
    ("squeeze", lambda: mg.squeeze(X, 0), (errors.ShapeError,), ["squeeze", "axis 0 of (3, 4) has length 3"]),
    ("broadcast_to", lambda: mg.broadcast_to(X, (2, 3)), (errors.ShapeError,), ["(3, 4) does not broadcast to (2, 3)"]),
    ("permute", lambda: mg.permute_dims(X, (0, 0)), (errors.ShapeError,), ["not an order of the 2 axes"]),
    ("pad", lambda: mg.pad(X, [(1, 1)]), (errors.ShapeError,), ["pad", "(3, 4)"]),
    ("negative length", lambda: mg.zeros((2, -1)), (errors.ShapeError,), ["must not be negative"]),
    ("top_k", lambda: mg.top_k(X, 5), (errors.ShapeError,), ["top_k", "k = 5", "4 elements"]),
    ("take", lambda: mg.take(X, 7), (IndexError,), ["take", "index 7 out of bounds for an axis of size 3"]),
    ("take floats", lambda: mg.take(X, 0.5), (TypeError,), ["take", "float32", ".astype('int64')"]),
    ("take_along_axis", lambda: mg.take_along_axis(X, [[0]], 0), (errors.ShapeError,), ["take_along_axis", "(1, 1)", "(3, 4)"]),
    ("empty max", lambda: mg.max(mg.zeros((2, 0)), axis=1), (ValueError,), ["max", "axis 1", "empty"]),
    ("empty mean", lambda: mg.mean(mg.zeros((2, 0)), axis=1), (ValueError,), ["mean", "no elements"]),
    ("bool arithmetic", lambda: mg.tensor([True]) + mg.tensor([True]), (TypeError,), ["add", "bool", "&"]),
    ("bool max", lambda: mg.max(mg.tensor([True])), (TypeError,), ["max", "bool(1)", ".astype('int64')"]),
    ("astype", lambda: X.astype("complex64"), (TypeError,), ["astype", "complex64", "float64"]),
    ("circular", lambda: mg.circular_convolution(mg.zeros(5), mg.zeros(2)), (errors.ShapeError,), ["odd length", "got 2"]),
    # ---- gradients
    ("grad of a matrix", lambda: mg.grad(lambda x: x)(X), (errors.ShapeError,), ["scalar", "float32(3, 4)", "mg.sum"]),
    ("grad of no tensor", lambda: mg.grad(lambda x: (x, x))(X), (errors.GraphError, RuntimeError),
     ["one scalar tensor", "tuple", "has_aux"]),
    ("grad of an integer loss", lambda: mg.grad(lambda x: mg.argmax(x))(mg.zeros(3)), (TypeError,), ["float loss", "int64"]),
    ("grad wrt integers", lambda: mg.grad(lambda p: mg.sum(p["ids"]))({"ids": mg.tensor([1])}), (TypeError,),
     ["['ids']", "int64(1)", "Only floats"]),
    ("cotangent", lambda: mg.vjp(lambda x: x, X)[1](mg.zeros(2)), (errors.ShapeError,), ["cotangent", "float32(2)", "float32(3, 4)"]),
    ("cotangent tree", lambda: mg.vjp(lambda x: (x, x), X)[1](X), (errors.GraphError,), ["cotangent", "tuple against a leaf"]),
    ("backward of a matrix", lambda: mg.parameter(np.ones(3)).backward(), (errors.ShapeError,), ["scalar", "float64(3)"]),
    ("backward of constants", lambda: mg.sum(X).backward(), (errors.GraphError,), ["no parameter", "mg.parameter"]),
    ("backward in a trace", lambda: mg.trace(lambda x: mg.sum(x).backward(), X), (errors.GraphError,), ["mg.grad"]),
    ("custom_vjp without rule", lambda: mg.custom_vjp(lambda x: x)(X), (errors.GraphError,), ["defvjp"]),
    ("leaked tensor", lambda: mg.trace(lambda x: x + leaked[0], X), (errors.GraphError,), ["another trace", "argument"]),
    ("trace of text", lambda: mg.trace(lambda x: "a", X), (TypeError,), ["must return tensors"]),
    ("vmap sizes", lambda: mg.vmap(lambda x, y: x)(mg.zeros(3), mg.zeros(4)), (errors.ShapeError,), ["batch sizes differ", "[3, 4]"]),
    ("vmap axes", lambda: mg.vmap(lambda x: x, in_axes=(0, 0))(X), (errors.ShapeError,), ["in_axes has 2 entries for 1"]),
    ("vmap nothing", lambda: mg.vmap(lambda x: x, in_axes=None)(X), (errors.ShapeError,), ["no argument has a batch axis"]),
    ("key", lambda: mg.random.uniform(mg.zeros(2), (2,)), (TypeError,), ["uint64(2)", "mg.random.key"]),
    ("seed", lambda: mg.random.key(-1), (TypeError,), ["seed", "-1"]),
    ("integers", lambda: mg.random.integers(mg.random.key(0), 3, 3), (errors.ShapeError,), ["low < high"]),
]  # fmt: skip
leaked: list[Any] = []
mg.trace(lambda x: leaked.append(x) or x, X)


@pytest.mark.parametrize(("name", "do", "kinds", "words"), BAD, ids=[b[0] for b in BAD])
def test_bad_input_is_explained(name: str, do: Any, kinds: tuple[type, ...], words: list[str]) -> None:
    with pytest.raises(kinds[0]) as caught:
        do()
    assert isinstance(caught.value, errors.MinigradError)
    for kind in kinds:
        assert isinstance(caught.value, kind)
    for word in words:
        assert word in str(caught.value)
    assert "test_errors.py" in str(caught.value), "the message names the user's line"


def test_errors_derive_from_builtins() -> None:
    pairs = [("ShapeError", ValueError), ("AxisError", IndexError), ("BoundsError", IndexError), ("DTypeError", TypeError),
             ("GraphError", RuntimeError),
             ("AbstractValueError", TypeError), ("NonFiniteError", FloatingPointError),
             ("CheckpointError", ValueError)]  # fmt: skip
    for name, builtin in pairs:
        assert issubclass(getattr(errors, name), (builtin, errors.MinigradError))
        assert issubclass(getattr(errors, name), builtin)


def test_messages_name_scope_and_step() -> None:
    with pytest.raises(errors.ShapeError, match=r"in encoder/rnn\[3\]"), mg.scope("encoder"), mg.scope("rnn", step=3):
        X + mg.zeros(3)
