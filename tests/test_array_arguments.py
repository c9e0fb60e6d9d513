"""Array functions agree with NumPy's for any shape, axes and other arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import axes, check_grads, tensors

Draw = Any


def some_axes(draw: Draw, ndim: int) -> list[int]:
    """Some axes, in any order, from either end."""
    chosen = draw(st.permutations(range(ndim)))[: draw(st.integers(0, ndim))]
    return [a - ndim if draw(st.booleans()) else a for a in chosen]


def _moveaxis(draw: Draw, x: Any) -> tuple[Any, ...]:
    source = some_axes(draw, x.ndim)
    return source, draw(st.permutations(range(-x.ndim, 0)))[: len(source)]


def _roll(draw: Draw, x: Any) -> tuple[Any, ...]:
    over = some_axes(draw, x.ndim)
    return draw(st.lists(st.integers(-7, 7), min_size=len(over), max_size=len(over)).map(tuple)), tuple(over)


def _one_axis(draw: Draw, x: Any) -> int:
    return draw(st.integers(-x.ndim, x.ndim - 1))


ARGUMENTS: dict[str, Any] = {
    "moveaxis": _moveaxis,
    "roll": _roll,
    "swapaxes": lambda draw, x: (_one_axis(draw, x), _one_axis(draw, x)),
    "expand_dims": lambda draw, x: (tuple(draw(st.sets(st.integers(0, x.ndim + 1), min_size=2, max_size=2))),),
    "flip": lambda draw, x: (draw(axes(x.ndim)),),
    "tile": lambda draw, x: (draw(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple)),),
    "repeat": lambda draw, x: (draw(st.integers(0, 3)), draw(st.none() | st.integers(-x.ndim, x.ndim - 1))),
    "diff": lambda draw, x: (draw(st.integers(0, 3)), _one_axis(draw, x)),
    "cumsum": lambda draw, x: (draw(st.none() | st.integers(-x.ndim, x.ndim - 1)),),
    "cumprod": lambda draw, x: (draw(st.none() | st.integers(-x.ndim, x.ndim - 1)),),
    "take": lambda draw, x: (np.zeros(draw(st.sampled_from([(0,), (2,), (2, 1)])), int), _one_axis(draw, x)),
    "argsort": lambda draw, x: (_one_axis(draw, x),),
    "count_nonzero": lambda draw, x: (draw(axes(x.ndim)),),
    "any": lambda draw, x: (draw(axes(x.ndim)),),
    "all": lambda draw, x: (draw(axes(x.ndim)),),
}


@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data(), x=tensors(min_dims=1, max_dims=3))
def test_any_arguments(name: str, data: Any, x: mg.Tensor) -> None:
    arguments = ARGUMENTS[name](data.draw, x)
    stable = {"stable": True} if name == "argsort" else {}  # equal elements in their order
    found, expected = getattr(mg, name)(x, *arguments), getattr(np, name)(x.numpy(), *arguments, **stable)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-13)
    if found.type.is_float:
        check_grads(lambda x: getattr(mg, name)(x, *arguments), x, order=1)


@st.composite
def contractions(draw: Draw) -> tuple[str, list[np.ndarray]]:
    """A spec of einsum with repeated letters and ellipses, and operands."""
    size = {"i": 2, "j": 3, "k": 1}
    dots = draw(st.lists(st.integers(1, 3), max_size=2))
    names, arrays = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.lists(st.sampled_from("ijk"), max_size=3))
        at, kept = draw(st.integers(0, len(letters))), draw(st.integers(0, len(dots)))
        further = [n if draw(st.booleans()) else 1 for n in dots[len(dots) - kept :]]
        shape = [size[c] for c in letters[:at]] + further + [size[c] for c in letters[at:]]
        names.append("".join(letters[:at]) + "..." + "".join(letters[at:]))
        arrays.append(np.sin(np.arange(float(np.prod(shape))) + len(names)).reshape(shape))
    used = sorted({c for name in names for c in name if c != "."})
    output = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
    at = draw(st.integers(0, len(output)))
    return ",".join(names) + draw(st.sampled_from(["", "->" + "".join(output[:at]) + "..." + "".join(output[at:])])), arrays


@given(contraction=contractions())
def test_einsum_with_ellipses_and_repeated_letters(contraction: tuple[str, list[np.ndarray]]) -> None:
    spec, arrays = contraction
    found, expected = mg.einsum(spec, *arrays), np.einsum(spec, *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
    check_grads(lambda *xs: mg.einsum(spec, *xs), *arrays, order=1)


@given(data=st.data(), x=tensors(max_dims=3), y=tensors(max_dims=3))
def test_tensordot_of_any_pairs_of_axes(data: Any, x: mg.Tensor, y: mg.Tensor) -> None:
    left = [a for a in some_axes(data.draw, x.ndim) if x.shape[a] in y.shape]
    right: list[int] = []
    for a in left:
        right += [b for b in range(y.ndim) if y.shape[b] == x.shape[a] and b not in right][:1]
    pairs = (left[: len(right)], right) if all(x.shape[a] == y.shape[b] for a, b in zip(left, right, strict=False)) else ([], [])
    np.testing.assert_allclose(mg.tensordot(x, y, pairs).numpy(), np.tensordot(x.numpy(), y.numpy(), pairs), rtol=1e-12, atol=1e-12)
