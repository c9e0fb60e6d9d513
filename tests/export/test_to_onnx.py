"""Functions, models and training steps as ONNX files, in onnxruntime at sizes that they were not exported at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from hypothesis import given, settings
from in_onnxruntime import close, exported, largest, outputs
from minigrad.models import LSTM, Transformer
from minigrad.models.registry import MODELS
from shares import shared

import minigrad as mg
from minigrad.errors import GraphError, SettingError
from minigrad.export import onnx_model
from minigrad.testing.strategies import graphs

DTYPES = ("float32", "float64")
SIZES = [(1, 1), (5, 3), (2, 4), (4, 2), (3, 5)]  # of T and B; the example has (3, 2)
OWN = {"mlstm": {"norm": False}}  # its norm makes the rounding errors of a read near 0 up to 300 times as large
SMALL = {"hidden": 5, "memory": (6, 4), "heads": 1, "layers": 1, "cells": 5, "cell_size": 2, "writer": 3}


def small(name: str, dtype: str) -> Any:
    """The model with 3 inputs, 2 outputs, and few units."""
    settings = {k: v for k, v in SMALL.items() if k in MODELS[name].__signature__.parameters} | OWN.get(name, {})
    model = MODELS[name](mg.random.key(1), 3, 2, **settings)
    for block in getattr(model, "blocks", ()):
        block.activation = "relu"  # gelu has erf, which onnxruntime has not in float64
    return mg.tree.map(lambda p: mg.parameter(p.numpy().astype(dtype), name=p.name), model)


def batch(T: int, B: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(10 * T + B)
    return rng.standard_normal((T, B, 3)).astype(dtype), rng.standard_normal((T, B, 2)).astype(dtype)


def parts(model: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of those inside it."""
    for node in model.node:
        yield node
        for a in node.attribute:
            if a.HasField("g"):
                yield from parts(a.g)


@pytest.mark.parametrize(("name", "dtype"), shared(product(MODELS, DTYPES)))
def test_a_model_at_five_sizes(name, dtype, tmp_path):
    """Within 1e-6 and 1e-12 of the largest output, and the rounding error of the interpreter, which norms of small numbers make large."""
    model = small(name, dtype)
    exact = mg.tree.map(lambda p: mg.parameter(p.numpy().astype("float64")), model)
    program = exported(model, batch(3, 2, dtype)[:1], tmp_path, axes={"xs": ("T", "B")})
    for T, B in SIZES:
        xs, _ = batch(T, B, dtype)
        expected = model(xs).numpy()
        rounding = np.abs(expected - exact(xs.astype("float64")).numpy()).max()
        close(outputs(program, xs)[0], expected, largest(expected), rounding=rounding)


@pytest.mark.parametrize(("name", "dtype"), shared(product(MODELS, DTYPES), 1, of=5))
def test_a_training_step_at_five_sizes(name, dtype, tmp_path):
    """Loss, gradient and Adam. Where a gradient is 0 but for rounding, Adam's step is of any size up to the learning rate."""
    optimizer = mg.optim.Adam(1e-2, clip_norm=1.0)

    def step(model: Any, state: Any, xs: Any, ys: Any) -> Any:
        loss, grads = mg.value_and_grad(lambda m: mg.mean((m(xs) - ys) ** 2))(model)
        new, after = optimizer.update(model, grads, state)
        return loss, grads, after.slots["mean"], after.slots["square"], after.step, new

    model = small(name, dtype)
    state = optimizer.init(model)
    program = exported(step, (model, state, *batch(3, 2, dtype)), tmp_path, axes={"xs": ("T", "B"), "ys": ("T", "B")})
    for T, B in SIZES[: 5 if dtype == "float32" else 2]:
        args = (model, state, *batch(T, B, dtype))
        expected = step(*args)
        found = mg.tree.unflatten(mg.tree.flatten(expected)[1], outputs(program, *args))
        for group, wanted in zip(found[:-1], expected[:-1], strict=True):
            for path, a, b in zip(mg.tree.paths(mg.tree.flatten(wanted)[1]), mg.tree.leaves(group), mg.tree.leaves(wanted), strict=True):
                close(a, b, 2 * largest(wanted), path)  # twice, for the squares
        sure = [np.abs(g.numpy()) > 1e-3 * largest(expected[1]) for g in mg.tree.leaves(expected[1])]
        for s, a, b in zip(sure, mg.tree.leaves(found[-1]), mg.tree.leaves(expected[-1]), strict=True):
            close(np.where(s, a, 0), np.where(s, b, 0), 1)


@settings(max_examples=8)
@given(program=graphs(steps=6))
def test_a_random_program_and_its_gradient(program, tmp_path_factory):
    inputs = program.inputs()
    for f in (lambda a, b: program(a, b), lambda a, b: program.gradient(a, b)):
        try:
            found = outputs(exported(f, tuple(inputs), tmp_path_factory.mktemp("random")), *inputs)
        except GraphError as error:
            assert "has no erf in float64" in str(error)  # noqa: PT017  (the only refusal that may come)
            continue
        for a, b in zip(found, mg.tree.leaves(f(*inputs)), strict=True):
            close(a, b, max(1, largest(b)) if b.size else 1)


def test_both_directions_states_and_a_mask(tmp_path):
    """Bidirectional, from a state to the last state, on sequences of different lengths."""
    there, back = LSTM(3, hidden=4, key=0), LSTM(3, hidden=4, key=1)

    def both(xs: Any, mask: Any, state: Any) -> Any:
        ahead, last = there.run(xs, state, mask)
        behind, first = back.run(xs, mask=mask, reverse=True)
        return {"ys": mg.concat([ahead, behind], axis=-1), "last": last, "first": first}

    def arguments(T: int, B: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(T)
        state = mg.tree.map(lambda s: mg.tensor(rng.standard_normal(s.shape).astype("float32")), there.initial_state(B))
        return batch(T, B, "float32")[0], np.arange(T)[:, None] < rng.integers(1, T + 1, B), state

    axes = {"xs": ("T", "B"), "mask": ("T", "B"), "state": ("B",)}
    program = exported(both, arguments(3, 2), tmp_path, axes=axes)
    assert [o.name for o in program.get_outputs()] == ["first.h", "first.c", "last.h", "last.c", "ys"]
    for sizes in SIZES:
        args = arguments(*sizes)
        for found, expected in zip(outputs(program, *args), mg.tree.leaves(both(*args)), strict=True):
            close(found, expected, 1)


def test_loops_in_loops_branches_and_chunks(tmp_path):
    """A loop in a loop, a branch on a value, a checkpointed loop of ⌈√T⌉ steps a chunk with its gradient, and a loop with a condition."""
    W = mg.parameter(np.random.default_rng(0).standard_normal((3, 3)) / 3, name="W")

    def f(xs: Any) -> Any:
        def inner(h: Any, x: Any) -> Any:
            h = mg.cond(mg.sum(x) > 0, lambda h: mg.tanh(h @ W + x), lambda h: h - x, h)
            return h, mg.sum(h)

        def outer(total: Any, x: Any) -> Any:
            last, _ = mg.scan(inner, x, xs)
            return total + last, last

        def rnn(W: Any) -> Any:
            return mg.sum(mg.scan(lambda h, x: (mg.tanh(h @ W + x), h), xs[0], xs, checkpoint=True)[1] ** 2)

        doubled = mg.while_loop(lambda v: mg.sum(v) < 100, lambda v: 2 * v + 1, mg.sum(xs * xs))
        return mg.scan(outer, xs[0], xs, reverse=True), mg.value_and_grad(rnn)(W), doubled

    xs = batch(4, 2, "float64")[0]
    model = onnx_model.onnx(f, xs, tmp_path / "f.onnx", axes={"xs": ("T", "B")})
    assert {"Scan", "If", "Loop"} <= {n.op_type for n in parts(model.graph)}
    program = exported(f, (xs,), tmp_path, axes={"xs": ("T", "B")})
    for T, B in [*SIZES, (10, 3), (16, 1)]:
        if T > 1:  # a loop of one chunk has no rest, and is another program
            xs = batch(T, B, "float64")[0]
            for found, expected in zip(outputs(program, xs), mg.tree.leaves(f(mg.tensor(xs))), strict=True):
                close(found, expected, largest(expected))


def test_a_loop_without_steps_gives_what_it_was_given(tmp_path):
    def f(h: Any) -> Any:
        return mg.scan(lambda h, _: (h * 2, h), h, length=0)

    found = outputs(exported(f, (np.ones(3, "float32"),), tmp_path), np.ones(3, "float32"))
    assert found[0].tolist() == [1, 1, 1]
    assert found[1].shape == (0, 3)


def test_random_numbers_have_minigrads_bits(tmp_path):
    def f(key: Any, xs: Any) -> Any:
        a, b = mg.random.split(key)
        rows = mg.vmap(lambda k: mg.random.uniform(k, (3,), dtype="float64"))(mg.random.split(b, 4))
        return xs * mg.random.bernoulli(a, 0.5, xs.shape), mg.random.normal(mg.random.fold_in(b, 7), (5,)), rows

    program = exported(f, (mg.random.key(3), batch(3, 2, "float32")[0]), tmp_path, axes={"xs": ("T", "B")})
    for T, B in SIZES:
        args = mg.random.key(T), batch(T, B, "float32")[0]
        for found, expected in zip(outputs(program, *args), mg.tree.leaves(f(*args)), strict=True):
            close(found, expected, 1)


# ---- names and metadata


def test_names_are_paths_and_weights_are_initialisers(tmp_path):
    model = small("ntm", "float32")
    written = mg.export.onnx(model, batch(3, 2, "float32")[0], tmp_path / "m.onnx", axes={"xs": ("T", "B")})
    read = onnx.load(tmp_path / "m.onnx")
    assert read == written
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in read.graph.initializer}
    for path, p in zip(mg.tree.paths(mg.tree.flatten(model)[1]), mg.tree.leaves(model), strict=True):
        if path != ".r_0":  # of which tanh is taken before the loop
            assert (weights[path[1:]] == p.numpy()).all()
    assert [(i.name, [d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim]) for i in read.graph.input] == [
        ("xs", ["T", "B", 3])
    ]
    assert [d.dim_param or d.dim_value for d in read.graph.output[0].type.tensor_type.shape.dim] == ["T", "B", 2]
    assert read.producer_name == "minigrad"
    assert read.opset_import[0].version == onnx_model.OPSET >= 18


def test_the_digest_is_of_the_program_and_not_of_its_weights(tmp_path):
    def digest(model: Any) -> str:
        written = mg.export.onnx(model, batch(3, 2, "float32")[0], tmp_path / "m.onnx")
        found = {p.key: p.value for p in written.metadata_props}
        assert found["minigrad.version"] == written.producer_version
        return found["minigrad.digest"]

    first = digest(LSTM(3, hidden=4, key=0))
    assert first == digest(LSTM(3, hidden=4, key=1)) != digest(LSTM(3, hidden=5, key=0))
    assert len(first) == 64


def test_operations_broadcast_by_themselves_where_an_argument_is_whole(tmp_path):
    def f(x: Any, y: Any) -> Any:
        wide = [mg.broadcast_to(v, (3, 2)) for v in (x, y)]
        return wide[0] + wide[1], mg.where(wide[0] > 0, wide[0], wide[1]), wide[0] * mg.ones((3, 2), "float64"), mg.tanh(wide[1])

    args = np.array([1.0, -2.0]), np.array([3.0, 4.0])
    for found, expected in zip(outputs(exported(f, args, tmp_path), *args), f(*args), strict=True):
        close(found, expected)


def test_a_result_that_is_an_argument_and_two_that_are_one(tmp_path):
    program = exported(lambda x: (x, x + 1, {"x": x + 1}), (np.ones(2),), tmp_path)
    assert [v.tolist() for v in outputs(program, np.zeros(2))] == [[0, 0], [1, 1], [1, 1]]
    assert len({o.name for o in program.get_outputs()} | {"x"}) == 4


# ---- what is refused, when the file is written and when it runs


def test_an_empty_axis_and_unequal_sizes_stop_the_runtime_by_name(tmp_path):
    program = exported(
        lambda xs, ys: mg.sum(xs * ys, axis=0), (np.ones((3, 2)), np.ones((3, 2))), tmp_path, axes={"xs": ("T", "B"), "ys": ("T", "B")}
    )
    for shape, other, words in (
        ((0, 2), (0, 2), "T is at least 1"),
        ((3, 0), (3, 0), "B is at least 1"),
        ((3, 4), (1, 4), "T is one size in ys"),
    ):
        with pytest.raises(Exception, match=words):
            outputs(program, np.ones(shape), np.ones(other))


def test_what_the_trace_decided_of_sizes_is_checked_when_the_file_runs(tmp_path):
    model = Transformer(3, 2, width=4, heads=1, layers=1, positions="learned", longest=6)
    program = exported(model, batch(3, 2, "float32")[:1], tmp_path, axes={"xs": ("T", "B")})
    xs = batch(6, 3, "float32")[0]
    close(outputs(program, xs)[0], model(xs), 1)
    with pytest.raises(Exception, match="T > 6 is False"):
        outputs(program, batch(7, 3, "float32")[0])


def test_an_index_out_of_bounds_stops_the_runtime(tmp_path):
    for f in (
        lambda x, i: mg.take(x, i, axis=0),
        lambda x, i: mg.take_along_axis(x, i, 0),
        lambda x, i: mg.vmap(lambda v, j: v[j])(mg.stack([x] * 3), i),
    ):
        program = exported(f, (np.arange(4.0), np.array([0, -1, 3])), tmp_path)
        close(outputs(program, np.arange(4.0), np.array([-4, 2, 1]))[0], [0.0, 2.0, 1.0])
        for wrong in (4, -5):
            with pytest.raises(Exception, match=r"[Oo]ut of"):
                outputs(program, np.arange(4.0), np.array([0, wrong, 1]))


def test_a_size_that_is_needed_as_a_number_is_refused(tmp_path):
    xs = np.ones((3, 2))
    with pytest.raises(SettingError, match="needs the size T as 3, so that it cannot be free"):
        exported(lambda xs: sum(xs[t] for t in range(xs.shape[0])), (xs,), tmp_path, axes={"xs": ("T",)})
    with pytest.raises(SettingError, match="give axes that must be equal one name"):
        exported(lambda xs, ys: xs + ys, (xs, xs), tmp_path, axes={"xs": ("T",), "ys": ("S",)})


def test_axes_that_do_not_fit_are_refused(tmp_path):
    xs = np.ones((3, 2))
    for axes, words in (
        ({"x": ("T",)}, "axes names 'x', but the arguments are xs"),
        ({"xs": ("T", "B", "C")}, "but it has 2 axes"),
        ({"xs": ("T", "T")}, "the axis T is 2 in xs and 3 before"),
    ):
        with pytest.raises(SettingError, match=words):
            exported(lambda xs: xs, (xs,), tmp_path, axes=axes)
    with pytest.raises(SettingError, match="the axis T is empty"):
        exported(lambda xs: xs, (np.ones((0, 2)),), tmp_path, axes={"xs": ("T",)})


def test_an_operation_of_the_users_is_refused_with_its_line(tmp_path):
    own = mg.Primitive("cube", lambda x: x, lambda x: x**3, elementwise=True)
    with pytest.raises(GraphError, match=r"cube\(float64\(3\)\): it has no ONNX form(.|\n)*test_to_onnx.py"):
        exported(lambda x: own(mg.tensor(x)), (np.ones(3),), tmp_path)


def test_weights_that_one_file_does_not_hold_stand_beside_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, (xs, _) = LSTM(3, 20, key=0), batch(3, 2, "float32")
    monkeypatch.setattr(onnx_model, "LARGEST", 2**10)
    (tmp_path / "f.onnx.data").write_bytes(b"of an older file")
    program = exported(model, (xs,), tmp_path, axes={"xs": ("T", "B")})
    close(outputs(program, xs)[0], model(xs).numpy(), scale=1)
    weights = sum(leaf.numpy().nbytes for leaf in mg.tree.leaves(model))
    assert (tmp_path / "f.onnx").stat().st_size < weights < (tmp_path / "f.onnx.data").stat().st_size + 2**12
    (tmp_path / "f.onnx.data").unlink()
    with pytest.raises(onnx.checker.ValidationError, match=r"f\.onnx\.data"):
        onnx.checker.check_model(str(tmp_path / "f.onnx"))
