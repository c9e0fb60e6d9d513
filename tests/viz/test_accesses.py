"""Weights of a few rows stand beside the memory that they write and read, whatever other memories a step has."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from minigrad.models.sparse_memory import add_rows, take_rows
from minigrad.viz.accesses import accesses
from minigrad.viz.heat import value_of
from minigrad.viz.steps import laid_out
from minigrad.viz.value_cards import SEEN

import minigrad as mg
from minigrad import viz
from tests.viz.test_page import data_of

timeline_of = import_module("minigrad.viz.unrolled").timeline_of
XS = np.random.default_rng(0).standard_normal((3, 2, 3), dtype="float32")
SIZES = [(20,), (20, 20), (20, 30), (30, 20), (5, 4)]
both_ways = pytest.mark.parametrize("stacked", [False, True], ids=["beside each other", "stacked"])
all_sizes = pytest.mark.parametrize("sizes", SIZES, ids=str)


def access(M: Any, x: Any) -> Any:
    """One sparse memory for one step: (memory, what is read, {role: (rows, weights)})."""
    found = {}
    with mg.scope("write"):
        scores = mg.sum(M * x[:, None], -1)
        rows = mg.argsort(scores + mg.sum(M, -1))[:, None, :2].named("rows")
        weights = mg.sigmoid(x[:, None, :2]).named("w_write")
        M = add_rows(M, rows, mg.expand_dims(weights, -1) * x[:, None, None]).named("M")
        found["write"] = rows, weights
    with mg.scope("read"):
        rows = mg.argsort(mg.sum(M * x[:, None], -1), descending=True)[:, None, :3].named("rows")
        near = take_rows(M, rows)
        weights = mg.softmax(near[..., 0], -1).named("w_read")
        r = mg.sum(mg.expand_dims(weights, -1) * near, -2)[:, 0].named("r")
        found["read"] = rows, weights
    return M, r, found


def step(memories: Any, x: Any, stacked: bool) -> Any:
    after, all_found = [], []
    for M in memories:
        M, r, found = access(M, x)
        x = x + r if stacked else x
        after.append(M)
        all_found.append(found)
    return tuple(after), x + r, all_found


def loss(sizes: tuple[int, ...], stacked: bool) -> Any:
    def run(xs: Any) -> Any:
        def one(memories: Any, x: Any) -> Any:
            after, y, found = step(memories, x, stacked)
            accessed = mg.sum(after[0], -1).named("accessed")
            return after, mg.sum(y) + mg.sum(accessed) + sum(mg.sum(f["read"][1]) for f in found)

        return mg.sum(mg.scan(one, start(sizes), xs)[1])

    return run


def start(sizes: tuple[int, ...]) -> Any:
    return tuple(mg.tensor(np.random.default_rng(n).standard_normal((2, n, 3), dtype="float32")) for n in sizes)


@cache
def wired(sizes: tuple[int, ...], stacked: bool) -> Any:
    timeline, _ = timeline_of(loss(sizes, stacked), (XS,), None, "grad", "cell")
    return laid_out(timeline, "cell")


@all_sizes
@both_ways
def test_weights_belong_to_the_memory_that_they_write_or_read(sizes: tuple[int, ...], stacked: bool) -> None:
    wiring, memories = wired(sizes, stacked), start(sizes)
    for t, at in enumerate(s for s in wiring.steps if s.label):
        memories, _, expected = step(memories, mg.tensor(XS[t]), stacked)
        for role in ("write", "read"):
            found = accesses(wiring.items, at.items, role)
            assert len(found) == len(sizes)
            for one, M, parts in zip(sorted(found), memories, expected, strict=True):
                for item, value in zip(one, (M, *parts[role]), strict=True):
                    np.testing.assert_allclose(value_of(wiring.items[item]), value.numpy(), rtol=1e-5)


@all_sizes
@both_ways
def test_on_a_card_weights_stand_beside_their_own_memory_and_at_its_slots(sizes: tuple[int, ...], stacked: bool) -> None:
    wiring = wired(sizes, stacked)
    for step in (s for s in wiring.steps if s.label):
        assert step.fixed is not None
        own = {a for role in ("write", "read") for a in accesses(wiring.items, step.items, role)}
        memories, beside = {a.memory for a in own}, set()
        for panel in (p for p in step.fixed.panels if p.item in memories):
            inside = [h for h in step.fixed.heats if 0 <= h.x - panel.x <= panel.w and 0 <= h.y - panel.y <= panel.h]
            (slots,) = {h.field.slots or tuple(range(wiring.items[panel.item].node.type.shape[-2])) for h in inside}
            beside |= {(panel.item, h.at, h.item) for h in inside if h.at is not None}
            for one in (a for a in own if a.memory == panel.item):
                rows, weights = (value_of(wiring.items[i])[0] for i in one[1:])
                assert set(slots) >= set(rows[weights >= SEEN].tolist())
        assert beside == own


@all_sizes
@both_ways
def test_a_page_shows_steps_with_several_memories(sizes: tuple[int, ...], stacked: bool) -> None:
    assert viz.page(loss(sizes, stacked), XS).html


# ---- over time


def over_time(sizes: tuple[int, ...]) -> Any:
    """The values of a loop with memories in scopes of their own, and what each has as weights over all slots."""

    def run(xs: Any) -> Any:
        def one(memories: Any, x: Any) -> Any:
            after = []
            for n, M in enumerate(memories):
                with mg.scope(f"m{n}"):
                    M, r, _ = access(M, x)
                    x, after = x + r, [*after, M]
            return tuple(after), x

        return mg.sum(mg.scan(one, start(sizes), xs)[1])

    return run


@pytest.mark.parametrize("sizes", SIZES[1:], ids=str)
def test_recorded_weights_are_those_over_the_slots_of_the_memory_in_their_scope(sizes: tuple[int, ...]) -> None:
    recorded, memories = viz.record(over_time(sizes), XS), start(sizes)
    strips = {s["label"]: s["rows"] for _, group in data_of(viz.page(over_time(sizes), XS))["groups"] for s in group}
    for t, x in enumerate(XS):
        memories, _, found = step(memories, mg.tensor(x), stacked=True)
        for n, (size, one) in enumerate(zip(sizes, found, strict=True)):
            for role in ("write", "read"):
                rows, weights = (v.numpy()[0, 0] for v in one[role])
                shown = recorded[f"m{n}.{role}.w_{role}"][t, 0]
                np.testing.assert_allclose(shown, [weights[rows == slot].sum() for slot in range(size)], rtol=1e-5)
                assert strips[f"m{n} {role} w {role}"] == size


KINDS = {
    "floats": lambda n: mg.astype(n, "float32"),
    "truths": lambda n: n > 0,
    "beyond the memory": lambda n: n + 2,
    "below 0": lambda n: n - 1,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_named_rows_that_has_no_numbers_of_rows_leaves_weights_as_they_are(kind: str) -> None:
    def run(xs: Any) -> Any:
        def one(M: Any, x: Any) -> Any:
            with mg.scope("read"):
                w = mg.softmax(mg.sum(M, -1)[:, :3], -1).named("w_read")
                rows = KINDS[kind](mg.argsort(w)).named("rows")
            M = (M + mg.sum(w) * x[:, None]).named("M")
            accessed = mg.sum(M).named("accessed")
            return M, mg.sum(w * x) + accessed + mg.sum(mg.astype(rows, "float32"))

        return mg.sum(mg.scan(one, mg.ones((2, 4, 3)), xs)[1])

    strips = {s["label"]: s["rows"] for _, group in data_of(viz.page(run, XS))["groups"] for s in group}
    assert viz.record(run, XS)["w_read"].shape == (3, 3)
    assert strips["w read"] == 3
    assert not any(h.at for s in laid_out(timeline_of(run, (XS,), None, "grad", "cell")[0], "cell").steps if s.fixed for h in s.fixed.heats)
