"""A function that is called once, to build a graph, may not set tensors outside: the state would stay as it was at each step and call."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minigrad as mg

X = np.array([1.0, 2.0, 4.0])
XS = np.stack([X, -X])

state = [mg.zeros(3)]
alone = mg.zeros(3)


class Cell(mg.Module):
    """A leaky unit that keeps its state, as cells in PyTorch may. All that it computes of the first state is known at once."""

    def __init__(self) -> None:
        self.h, self.w = mg.zeros(3, dtype="float64"), mg.parameter(np.ones(3))

    def __call__(self, x: Any) -> Any:
        self.h = 0.5 * self.h + x * self.w
        return self.h


def attribute() -> Any:
    return Cell()


def method() -> Any:
    return Cell().__call__


def closure() -> Any:
    cell = Cell()
    return lambda x: cell(x)


def counter() -> Any:
    cell = SimpleNamespace(n=mg.tensor(0.0))

    def f(x: Any) -> Any:
        cell.n = cell.n + 1
        return x * cell.n

    return f


def key() -> Any:
    held = {"key": mg.random.as_key(0)}

    def f(x: Any) -> Any:
        held["key"], now = mg.random.split(held["key"], 2)
        return x * mg.random.normal(now, (3,), dtype="float64")

    return f


def nonlocally() -> Any:
    h = mg.zeros(3)

    def f(x: Any) -> Any:
        nonlocal h
        h = mg.tanh(h + x)
        return h

    return f


def item() -> Any:
    state[0] = mg.zeros(3)

    def f(x: Any) -> Any:
        state[0] = mg.tanh(state[0] + x)
        return state[0]

    return f


def globally() -> Any:
    global alone
    alone = mg.zeros(3)

    def f(x: Any) -> Any:
        global alone
        alone = mg.tanh(alone + x)
        return alone

    return f


FUNCTIONS = {
    attribute: "h", method: "h", closure: "h", counter: "n", key: "key", nonlocally: "h", item: "state", globally: "alone",
}  # fmt: skip
DOORS: dict[str, Callable[[Any], Any]] = {
    "jit": lambda f: mg.jit(f)(X),
    "trace": lambda f: mg.trace(f, X),
    "scan": lambda f: mg.scan(lambda h, x: (h, f(x)), None, XS),
    "scan in jit": lambda f: mg.jit(lambda xs: mg.scan(lambda h, x: (h, f(x)), None, xs))(XS),
    "vmap": lambda f: mg.vmap(f)(XS),
    "cond": lambda f: mg.cond(True, f, lambda x: x, mg.tensor(X)),
    "checkpoint": lambda f: mg.checkpoint(f)(X),
    "while_loop": lambda f: mg.while_loop(lambda c: c[1] < 3, lambda c: (f(c[0]), c[1] + 1), (mg.tensor(X), 0)),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("make", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_state_outside_that_would_stay_as_it_was_is_refused_by_name(make: Callable[[], Any], door: str) -> None:
    words = rf"sets {FUNCTIONS[make]} outside to another tensor, but only once, while the graph is built\. Take what changes as an argument"
    with pytest.raises(mg.errors.GraphError, match=words):
        DOORS[door](make())


@pytest.mark.parametrize("make", [f for f in FUNCTIONS if f is not counter], ids=lambda f: f.__name__)
def test_eagerly_and_in_its_gradient_a_state_outside_changes_as_in_python(make: Callable[[], Any]) -> None:
    f = make()
    first, second = f(X), f(X)
    assert not np.array_equal(first.numpy(), second.numpy())
    g = make()
    values = [mg.value_and_grad(lambda x: mg.sum(g(x)))(X)[0] for _ in range(2)]
    np.testing.assert_allclose(values, [mg.sum(first), mg.sum(second)])


@pytest.mark.parametrize("door", [d for d in DOORS if d != "while_loop"])
def test_what_is_new_or_the_same_and_what_is_a_functions_own_may_be_set(door: str) -> None:
    cell, log = SimpleNamespace(w=mg.ones(3)), []

    def f(x: Any) -> Any:
        mine, cell.w, cell.seen = Cell(), cell.w, 2 * x
        log.append(x)
        mine.h = mine(x) + mine(x)
        return mine.h * cell.w

    DOORS[door](f)
    DOORS[door](f)


@pytest.mark.parametrize("door", [d for d in DOORS if d != "while_loop"])
def test_a_part_that_is_new_in_the_middle_of_a_model_outside_moves_no_other(door: str) -> None:
    class Two(mg.Module):
        def __init__(self) -> None:
            self.first, self.last = Cell(), mg.parameter(np.ones(3))

    model = Two()

    def f(x: Any) -> Any:
        model.first.seen = 2 * x
        return x * model.last

    DOORS[door](f)


def test_the_copy_that_a_function_is_given_may_be_set_and_returned() -> None:
    def run(cell: Any, x: Any) -> Any:
        return cell(x) + cell(x), cell

    cell = Cell()
    for f in (run, mg.jit(run), mg.checkpoint(run)):
        y, after = f(mg.tree.map(lambda t: t, cell), X)
        np.testing.assert_allclose(y, 2.5 * X)
        np.testing.assert_allclose(after.h, 1.5 * X)

    def step(cell: Any, x: Any) -> Any:
        y = cell(x)
        return cell, y

    np.testing.assert_allclose(mg.scan(step, cell, XS)[1], [X, -0.5 * X])


def test_a_tensor_that_was_kept_from_a_graph_says_so() -> None:
    kept: list[Any] = []
    mg.jit(lambda x: kept.append(2 * x) or x)(X)
    with pytest.raises(mg.errors.AbstractValueError, match=r"it was kept from a graph that was built, and has none\. Return it"):
        kept[0].numpy()


@pytest.mark.parametrize("door", [d for d in DOORS if d != "while_loop"])
@pytest.mark.parametrize("start", [0, 0.0, np.float64(0), np.zeros(3)], ids=lambda s: type(s).__name__)
def test_a_state_that_begins_as_a_number_or_an_array_is_refused(start: Any, door: str) -> None:
    cell, hs = SimpleNamespace(h=start), [start, start]

    def attribute(x: Any) -> Any:
        cell.h = 0.5 * cell.h + x
        return cell.h

    def item(x: Any) -> Any:
        hs[0] = 0.5 * hs[0] + x
        return hs[0]

    for f, name in ((attribute, "h"), (item, "hs")):
        with pytest.raises(mg.errors.GraphError, match=rf"sets {name} outside .* What is only looked at, return as well"):
            DOORS[door](f)


class Seen(mg.Module):
    """A layer that keeps its last result, to be looked at."""

    def __init__(self) -> None:
        self.w = mg.parameter(np.ones(3))

    def __call__(self, x: Any) -> Any:
        self.last = mg.tanh(x * self.w)
        return self.last


@pytest.mark.parametrize("door", [d for d in DOORS if d != "while_loop"])
@pytest.mark.parametrize("around", ["jit", "trace", "vmap"])
def test_a_last_value_may_be_kept_in_each_of_several_graphs_inside_one(around: str, door: str) -> None:
    layer = Seen()
    f = lambda x: layer(x)  # noqa: E731

    def twice(x: Any) -> Any:
        inside = {
            "scan": lambda: mg.scan(lambda h, _: (f(h), None), x, None, length=2)[0],
            "vmap": lambda: mg.vmap(f)(mg.stack([x, x]))[0],
            "cond": lambda: mg.cond(mg.sum(x) > 0, f, lambda y: 2 * f(y), x),
            "checkpoint": lambda: mg.checkpoint(f)(x),
        }.get(door, lambda: f(x))
        return inside() + inside()

    expected = 2 * {"scan": lambda x: np.tanh(np.tanh(x))}.get(door, np.tanh)(X)
    for _ in range(2):
        value = {"jit": lambda: mg.jit(twice)(X), "trace": lambda: mg.trace(twice, X), "vmap": lambda: mg.vmap(twice)(XS)[0]}[around]()
        if around != "trace":
            np.testing.assert_allclose(value, expected)


def test_a_state_that_goes_from_one_loop_to_the_next_is_refused() -> None:
    cell = SimpleNamespace(h=None)

    def step(_: Any, x: Any) -> Any:
        cell.h = x if cell.h is None else 0.5 * cell.h + x
        return None, cell.h

    with pytest.raises(mg.errors.GraphError):
        mg.jit(lambda xs: mg.scan(step, None, xs)[1] + mg.scan(step, None, xs)[1])(XS)


def test_a_state_of_the_graph_around_a_loop_is_refused_in_the_loop() -> None:
    cell = SimpleNamespace(h=None)

    def step(_: Any, x: Any) -> Any:
        cell.h = 0.5 * cell.h + x
        return None, cell.h

    def f(xs: Any) -> Any:
        cell.h = xs[0]
        mg.vmap(lambda x: 2 * x)(xs)
        return mg.scan(step, None, xs)[1]

    with pytest.raises(mg.errors.GraphError, match="scan: sets h outside"):
        mg.jit(f)(XS)


@pytest.mark.parametrize("new", [mg.parameter, lambda x: mg.parameter(x) * 2, lambda x: mg.tensor(x) + 1, mg.jit(lambda x: 2 * x)])
@pytest.mark.parametrize("door", DOORS)
def test_what_another_thread_sets_meanwhile_is_no_state_of_the_function(new: Any, door: str) -> None:
    held = SimpleNamespace(w=mg.parameter(X))

    def f(x: Any) -> Any:
        other = Thread(target=lambda: setattr(held, "w", new(X)))
        other.start()
        other.join()
        return x * held.w

    DOORS[door](f)


@pytest.mark.parametrize("make", [mg.tensor, mg.parameter, lambda x: mg.tensor(x) + 1])
def test_what_a_function_makes_anew_belongs_into_a_dict(make: Any) -> None:
    held = SimpleNamespace(mask=mg.zeros(1))
    masks: dict[int, Any] = {}

    def one(x: Any) -> Any:
        if held.mask.shape != x.shape:
            held.mask = make(np.ones(x.shape))
        return x * held.mask

    def each(x: Any) -> Any:
        if len(x) not in masks:
            masks[len(x)] = make(np.ones(x.shape))
        return x * masks[len(x)]

    with pytest.raises(mg.errors.GraphError, match=r"sets mask outside .* keep in a dict, one for each length"):
        mg.jit(one)(X)
    f = mg.jit(each)
    for n in (3, 2, 3):
        np.testing.assert_array_equal(f(X[:n]), each(X[:n]))
