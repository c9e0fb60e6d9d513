"""What the script of a page computes is what the engine computes: each primitive, each model, and what a reader changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from computed import Document, changed, leaves_of, question, read, recomputed, with_leaf, with_value, without
from minigrad.models import LSTM, NTM
from minigrad.models.registry import MODELS
from minigrad.viz.page.program import REFUSED
from minigrad.viz.unrolling import unroll
from table import CASES, DIFFERENTIABLE, Case, out_types, put, value

import minigrad as mg
from minigrad.graph.ir import ancestors
from minigrad.table import TABLE

WIDE, FLOAT = np.dtype("float64"), np.dtype("float32")
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-30, 100, -100, 0.5, -0.5, 1, -1, 2.5, 709.9, -709.9, 1e19])
SMALL = {"hidden": 5, "memory": (6, 4), "heads": 1, "layers": 1, "cells": 5, "cell_size": 2, "writer": 3}
RNG = np.random.default_rng(3)
Checked = tuple[str, dict[str, Any], list[np.ndarray]]  # what it is, the question, the engine's answers


def in_dtype(case: Case, dtype: np.dtype) -> Case:
    attrs = {k: dtype if v == WIDE else v for k, v in case.attrs.items()}
    return replace(case, arrays=[a.astype(dtype) if a.dtype.kind == "f" else np.asarray(a) for a in case.arrays], attrs=attrs)


def primitives() -> Iterator[Checked]:
    for case in CASES:
        bodies = any(isinstance(v, mg.Graph) for v in case.attrs.values())
        for c in (case,) if bodies else (in_dtype(case, WIDE), in_dtype(case, FLOAT)):
            if c.op.name not in REFUSED:
                yield repr(c), question(lambda *xs, c=c: c(*xs), c.arrays), value(c)
    for name, op in TABLE.items():
        if op.elementwise and not op.examples and name != "where" and name not in REFUSED:
            xs = [SPECIAL] if len(op.domain) == 1 else [np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))]
            case = Case(op, xs, {}, f"{name} at special values")
            with np.errstate(all="ignore"):
                yield repr(case), question(lambda *xs, c=case: c(*xs), xs), value(case)


def gradients() -> Iterator[Checked]:
    for case in DIFFERENTIABLE:
        if case.op.name not in REFUSED:
            cts = [RNG.standard_normal(t.shape) for t in out_types(case)]

            def pulled(*xs: Any, case: Case = case, cts: list[np.ndarray] = cts) -> Any:
                outs, pull = mg.vjp(lambda *fs: case(*put(replace(case, arrays=list(xs)), fs)), *(xs[i] for i in case.floats))
                return pull(tuple(cts) if isinstance(outs, tuple) else cts[0])

            yield f"gradient of {case!r}", question(pulled, case.arrays), [g.numpy() for g in pulled(*case.arrays)]


def unrolled(model: Any, T: int) -> mg.Tensor:
    xs, ys = (RNG.standard_normal((T, 2, n)).astype("float32") for n in (3, 2))
    return unroll(lambda m, xs, ys: mg.mean((m(xs) - ys) ** 2), (model, xs, ys), None, values=True).outputs[0]


def models() -> Iterator[Checked]:
    for name, build in MODELS.items():
        settings = {k: v for k, v in SMALL.items() if k in build.__signature__.parameters}
        loss = unrolled(build(mg.random.key(1), 3, 2, **settings), 3)
        yield name, changed(loss, [], leaves_of(loss)), recomputed(loss)


def changes() -> Iterator[Checked]:
    """On an LSTM and an NTM: an input changed, a weight scaled, a state overwritten, in part and as a whole, a connection cut."""
    for model, state in ((LSTM(3, 4, 2, key=0), "c"), (NTM(3, 2, hidden=4, memory=(6, 3), key=0), "M")):
        loss = unrolled(model, 4)
        leaves, name = leaves_of(loss), type(model).__name__
        xs, weight = next(n for n in leaves if n.name == "xs"), next(n for n in leaves if n.type.shape and "." in (n.name or ""))
        node = [n for n in ancestors([loss.node]) if n.name == state][1]
        flipped = xs.value.copy()
        flipped.ravel()[5] = 1
        whole = np.arange(node.value.size)
        half = whole[: node.value.size // 2]
        twice = {"values": [(weight, None)], "number": 2, "scaled": True}
        for what, change, truth in (
            ("an input", {"values": [(xs, [5])], "number": 1}, recomputed(loss, leaf=with_leaf(xs, flipped))),
            ("a weight", twice, recomputed(loss, leaf=with_leaf(weight, 2 * weight.value))),
            ("half a state", {"values": [(node, half.tolist())], "number": 0.25}, recomputed(loss, with_value(node, half, 0.25))),
            ("a state", {"values": [(node, None)], "number": 0.25}, recomputed(loss, with_value(node, whole, 0.25))),
            ("a connection", {"cuts": [(node, 1)]}, recomputed(loss, without(node, 1))),
        ):  # fmt: skip
            yield f"{name}: {what}", changed(loss, [change], leaves), truth


def test_the_script_has_a_rule_for_each_primitive_and_no_other(browser):
    browser.open(Document([]))
    assert set(browser.run("return Object.keys(OPERATIONS)")) | set(REFUSED) == set(TABLE)


@pytest.mark.parametrize("group", [primitives, gradients, models, changes])
def test_the_script_computes_what_the_engine_computes(group, browser):
    names, questions, truths = zip(*group(), strict=True)
    answers = browser.open(Document(questions)).run("return answers")
    for name, answer, truth in zip(names, answers, truths, strict=True):
        assert isinstance(answer, list), f"{name}: {answer}"
        largest = max((np.abs(t[np.isfinite(t)]).max(initial=0) for t in map(np.asarray, truth) if t.dtype.kind == "f"), default=0)
        for found, expected in zip(answer, map(np.asarray, truth), strict=True):
            scale = 1e-5 * largest if group in (models, changes) else 1e-6
            np.testing.assert_allclose(read(found, expected), expected.astype("float64"), rtol=1e-5, atol=scale, err_msg=name)
