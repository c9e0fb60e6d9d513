"""What is looked at while a graph is built of a function: what may have been set, and what only moved; and how far the look goes."""

from __future__ import annotations

from collections import defaultdict, deque
from functools import partial, reduce
from types import SimpleNamespace
from typing import Any

import pytest

import minigrad as mg
from minigrad.captured import LIMIT
from minigrad.unchanged import NEAR
from tests.test_outside_state import DOORS, XS, Cell, X


def test_an_object_that_cannot_be_looked_at_leaves_nothing_behind() -> None:
    class Bad:
        @property
        def __dict__(self) -> Any:
            raise ValueError("no attributes")

    bad, cell = Bad(), SimpleNamespace()
    with pytest.raises(ValueError, match="no attributes"):
        mg.vmap(lambda x: (bad, x)[1])(XS)

    def f(x: Any) -> Any:
        cell.seen = 2 * x
        return x

    mg.trace(f, X)
    mg.trace(f, X)


def insert(log: Any, x: Any) -> None:
    log.insert(0, x)


def rotate(log: Any, x: Any) -> None:
    log.append(log.pop(0))


def append(log: Any, x: Any) -> None:
    log.append(x)


def add(log: Any, x: Any) -> None:
    log.add(x)


def exchange(log: Any, x: Any) -> None:
    log.pop()
    log.add(x)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("kind", "change"),
    [(list, insert), (list, rotate), (list, append), (partial(deque, maxlen=9), append), (set, add), (set, exchange)],
    ids=["insert", "rotate", "append", "bounded", "set", "exchange"],
)
def test_items_that_only_move_are_no_state(kind: Any, change: Any, door: str) -> None:
    log = kind([mg.zeros(i) for i in range(9)])

    def f(x: Any) -> Any:
        change(log, x)
        return 2 * x

    DOORS[door](f)


@pytest.mark.parametrize("kind", [list, deque])
@pytest.mark.parametrize("n", [1, 2, 9])
def test_an_item_that_is_replaced_is_a_state(kind: Any, n: int) -> None:
    hs = kind([mg.zeros(3, dtype="float64") for _ in range(n)])

    def f(x: Any) -> Any:
        hs[n // 2] = 0.5 * hs[n // 2] + x
        return hs[n // 2]

    with pytest.raises(mg.errors.GraphError, match="sets hs outside"):
        DOORS["scan"](f)


def kept_in(holder: Any) -> Any:
    """The first tensor in a holder."""
    while not isinstance(holder, mg.Tensor):
        holder = next(
            iter(vars(holder).values() if hasattr(holder, "__dict__") else holder.values() if isinstance(holder, dict) else holder)
        )
    return holder


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "make",
    [
        lambda h: (h, 2 * h),
        lambda h: [h],
        lambda h: deque([h, h]),
        lambda h: {"h": h},
        lambda h: SimpleNamespace(h=h),
        lambda h: [{"a": (h, 1)}, 2],
        lambda h: mg.tree.map(lambda _: h, Cell()),
    ],
    ids=["tuple", "list", "deque", "dict", "object", "nested", "model"],
)
def test_a_state_whose_holder_is_replaced_is_refused(make: Any, door: str) -> None:
    cell = SimpleNamespace(state=make(mg.zeros(3, dtype="float64")))

    def f(x: Any) -> Any:
        cell.state = make(0.5 * kept_in(cell.state) + x)
        return kept_in(cell.state)

    with pytest.raises(mg.errors.GraphError, match=r"sets (state|h|a) outside"):
        DOORS[door](f)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", [tuple, list, set, deque])
def test_items_that_move_into_another_holder_are_no_state(kind: Any, door: str) -> None:
    cell = SimpleNamespace(log=kind([mg.zeros(i) for i in range(9)]))

    def f(x: Any) -> Any:
        cell.log = kind([*list(cell.log)[1:], x])
        return 2 * x

    DOORS[door](f)


def test_holders_that_hold_themselves_are_compared_once() -> None:
    def ring(h: Any) -> Any:
        made: Any = SimpleNamespace(h=h)
        made.next = made
        return made

    cell = SimpleNamespace(ring=ring(None))

    def f(x: Any) -> Any:
        cell.ring = ring(x)
        return x

    mg.vmap(f)(XS)
    cell.ring = ring(mg.zeros(3))
    with pytest.raises(mg.errors.GraphError, match="sets h outside"):
        mg.vmap(f)(XS)


def test_a_deep_holder_that_is_replaced_is_compared_to_its_end() -> None:
    def nested(h: Any) -> Any:
        return reduce(lambda held, _: [held], range(900), h)

    cell = SimpleNamespace(state=nested(mg.zeros(3)))

    def f(x: Any) -> Any:
        cell.state = nested(x)
        return x

    with pytest.raises(mg.errors.GraphError, match="sets state outside"):
        mg.vmap(f)(XS)


@pytest.mark.parametrize("default", [mg.zeros(3), [mg.zeros(3)], {"state": mg.zeros(3)}], ids=["one", "list", "dict"])
def test_a_state_in_a_default_value_is_refused(default: Any) -> None:
    def f(x: Any, *, at: Any = default) -> Any:
        if isinstance(at, mg.Tensor):
            f.__kwdefaults__["at"] = at + x
        else:
            key = next(iter(at)) if isinstance(at, dict) else 0
            at[key] = at[key] + x
        return x

    with pytest.raises(mg.errors.GraphError, match=r"sets (at|state) outside"):
        mg.vmap(f)(XS)


def test_a_state_is_found_on_a_class_in_slots_and_behind_many_numbers() -> None:
    class Shared:
        h: Any

    class Sub(Shared):
        pass

    class Slots:
        __slots__ = ("h",)

    class Below(Slots):
        pass

    class One:
        __slots__ = "h"

    behind = [{i: i for i in range(100_000)}, SimpleNamespace()]
    shared: list[tuple[Any, Any]] = [(Shared, lambda c: c), (Shared(), type), (Sub(), lambda _: Shared)]
    for holder, get in (*shared, (Slots(), lambda c: c), (One(), lambda c: c), (Below(), lambda c: c), (behind, lambda b: b[1])):
        get(holder).h = mg.zeros(3, dtype="float64")

        def f(x: Any, holder: Any = holder, get: Any = get) -> Any:
            get(holder).h = 0.5 * get(holder).h + x
            return get(holder).h

        with pytest.raises(mg.errors.GraphError, match="sets h outside"):
            DOORS["scan"](f)


def test_the_look_at_a_dict_puts_nothing_back() -> None:
    held: Any = defaultdict(list, a=mg.ones(3), b=mg.ones(3))
    mg.vmap(lambda x: x * held.pop("a"))(XS)
    assert list(held) == ["b"]


@pytest.mark.parametrize(("dicts", "items"), [(1, 1_000), (1, 100_000), (100, 1_000), (10_000, 1)])
def test_the_look_is_bounded(dicts: int, items: int) -> None:
    asked = 0

    class Counted(dict[Any, Any]):
        def items(self) -> Any:
            nonlocal asked
            for item in super().items():
                asked += 1
                yield item

    many = [Counted({i: i for i in range(items)}) for _ in range(dicts)]
    mg.vmap(lambda x: x * len(many))(XS)
    assert min(dicts * items, 500) < asked <= 2 * (LIMIT + NEAR)


@pytest.mark.parametrize("kind", [set, frozenset, deque])
def test_a_state_behind_a_set_or_a_deque_has_its_name(kind: Any) -> None:
    cells = kind([Cell()])

    def f(x: Any) -> Any:
        return next(iter(cells))(x)

    with pytest.raises(mg.errors.GraphError, match="sets h outside"):
        mg.vmap(f)(XS)
