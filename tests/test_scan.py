from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shares import shared

import minigrad as mg
from minigrad.testing import assert_same_graph_value, assert_scan_equals_unrolled, check_grads

RNG = np.random.default_rng(0)
# A rotation, so that no gradient through time vanishes.
ROTATION = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])


def data(steps: int, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(steps)
    return ROTATION.astype(dtype), rng.standard_normal(2).astype(dtype), rng.standard_normal((steps, 2)).astype(dtype)


def step(w: Any) -> Any:
    def rnn(h: Any, x: Any) -> Any:
        h = mg.tanh(h @ w + x)
        return h, h * x

    return rnn


def looped(w: Any, h: Any, xs: Any, reverse: bool = False, detach_every: int = 0) -> Any:
    ys: dict[int, Any] = {}
    order = range(len(xs))[::-1] if reverse else range(len(xs))
    for n, t in enumerate(order):
        if detach_every and n and n % detach_every == 0:
            h = mg.detach(h)
        h, ys[t] = step(w)(h, xs[t])
    return h, mg.stack([ys[t] for t in range(len(xs))]) if ys else mg.zeros((0, 2), "float64")


def close(a: Any, b: Any, rtol: float = 1e-11) -> None:
    for p, q in zip(mg.tree.leaves(a), mg.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(p), np.asarray(q), rtol=rtol, atol=1e-12)


def total(result: Any) -> Any:
    h, ys = result
    return mg.sum(h * mg.tensor(np.array([1.0, -2.0]))) + mg.sum(mg.sin(ys + 1))


def derivatives(f: Any, args: Any) -> Any:
    """Value, gradient, and the gradient of a function of the gradient."""
    first = mg.grad(lambda *a: total(f(*a)), (0, 1, 2))
    second = mg.grad(lambda *a: sum(mg.sum(mg.sin(g)) for g in first(*a)), (0, 1, 2))
    return f(*args), first(*args), second(*args)


@pytest.mark.parametrize(("checkpoint", "reverse", "steps"), shared(product((False, True, 1, 2, 7), (False, True), (0, 1, 2, 5))))
def test_scan_is_its_loop_in_value_and_two_derivatives(steps: int, reverse: bool, checkpoint: bool | int) -> None:
    args = data(steps)
    scanned = derivatives(lambda w, h, xs: mg.scan(step(w), h, xs, reverse=reverse, checkpoint=checkpoint), args)
    close(scanned, derivatives(lambda w, h, xs: looped(w, h, xs, reverse), [mg.tensor(a) for a in args]))


def kept(f: Any, *args: Any) -> int:
    """Bytes that loops stack for the gradient."""
    nodes = mg.trace(mg.grad(f), *args).nodes
    stacks = [t for n in nodes if n.op.name == "scan" for t in n.type[n.attrs["carries"] :]]
    return sum(int(np.prod(t.shape)) * t.dtype.itemsize for t in stacks)


@pytest.mark.parametrize("save", ["all", "auto", "matmuls", "nothing"])
def test_what_the_gradient_saves_changes_no_value(save: str) -> None:
    args = data(5)
    for kwargs in ({}, {"reverse": True}, {"checkpoint": 2}):
        scanned = derivatives(lambda w, h, xs, kwargs=kwargs: mg.scan(step(w), h, xs, save=save, **kwargs), args)
        expected = derivatives(lambda w, h, xs, back="reverse" in kwargs: looped(w, h, xs, back), [mg.tensor(a) for a in args])
        close(scanned, expected)


def test_what_the_gradient_saves_is_what_was_said() -> None:
    def loss(w: Any, xs: Any, save: str) -> Any:
        return mg.sum(mg.scan(lambda h, x: (mg.exp(-mg.tanh(mg.sin(h @ w + x))),) * 2, mg.zeros(2, "float64"), xs, save=save)[0])

    w, _, xs = data(7)
    one = xs.nbytes  # one vector a step
    found = {save: kept(lambda w, save=save: loss(w, xs, save), w) for save in ("all", "matmuls", "nothing")}
    assert found["nothing"] < found["matmuls"] < found["all"]
    assert found["all"] - found["nothing"] >= 2 * one
    with pytest.raises(mg.errors.GraphError, match=r"save = 'some' is unknown[\s\S]*auto, all, matmuls, nothing"):
        mg.scan(lambda h, x: (h, h), mg.zeros(3), np.ones((2, 3)), save="some")


@pytest.mark.parametrize(("reverse", "k"), shared(product((False, True), (1, 2, 3, 4, 5, 6, 100))))
def test_truncation_detaches_between_chunks_and_nowhere_else(k: int, reverse: bool) -> None:
    args = data(5)
    found = derivatives(lambda w, h, xs: mg.scan(step(w), h, xs, reverse=reverse, truncate=k), args)
    expected = derivatives(lambda w, h, xs: looped(w, h, xs, reverse, detach_every=k), [mg.tensor(a) for a in args])
    close(found, expected)
    full = derivatives(lambda w, h, xs: looped(w, h, xs, reverse), [mg.tensor(a) for a in args])
    differs = any(not np.allclose(a, b) for a, b in zip(mg.tree.leaves(found[1]), mg.tree.leaves(full[1]), strict=True))
    assert differs == (k < 5)


@pytest.mark.parametrize("reverse", [False, True])
def test_unrolled_graph_is_the_loop(reverse: bool) -> None:
    args = data(4)

    def f(w: Any, h: Any, xs: Any) -> Any:
        return mg.scan(step(w), h, xs, reverse=reverse)

    assert_scan_equals_unrolled(f, *args)
    assert_scan_equals_unrolled(mg.grad(lambda *a: total(f(*a)), (0, 1, 2)), *args)
    assert_same_graph_value(mg.grad(lambda *a: total(f(*a)), (0, 1, 2)), *args)


def test_unroll_puts_each_step_in_its_scope() -> None:
    graph = mg.unroll(mg.trace(lambda w, h, xs: mg.scan(step(w), h, xs), *data(3)))
    assert {n.origin.step for n in graph.nodes if n.op.name == "tanh"} == {0, 1, 2}
    assert not any(n.op.name == "scan" for n in graph.nodes)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_gradient_is_the_derivative(reverse: bool) -> None:
    check_grads(lambda w, h, xs: mg.scan(step(w), h, xs, reverse=reverse), *data(4))


def test_nested_scans_are_nested_loops() -> None:
    w, h, _ = data(0)
    xs = RNG.standard_normal((3, 2, 2))

    def inner(w: Any) -> Any:
        return lambda h, rows: mg.scan(lambda h, x: (mg.tanh(h @ w + x), mg.sum(h * x)), h, rows)

    def nested(w: Any, h: Any, xs: Any) -> Any:
        return mg.scan(inner(w), h, xs)

    def loops(w: Any, h: Any, xs: Any) -> Any:
        ys = []
        for rows in xs:
            row = []
            for x in rows:
                row.append(mg.sum(h * x))
                h = mg.tanh(h @ w + x)
            ys.append(mg.stack(row))
        return h, mg.stack(ys)

    close(derivatives(nested, (w, h, xs)), derivatives(loops, [mg.tensor(a) for a in (w, h, xs)]))
    assert_scan_equals_unrolled(nested, w, h, xs)
    check_grads(nested, w, h, xs)


def test_carries_are_trees_with_integers_and_the_sequence_too() -> None:
    def f(c: Any, x: Any) -> Any:
        n = c["n"] + 1
        h = mg.tanh(c["h"] * x["a"] + x["b"] * mg.astype(n, "float64"))
        return {"h": h, "n": n}, (h, {"count": n})

    xs = {"a": RNG.standard_normal((4, 2)), "b": RNG.standard_normal((4, 2))}
    h = RNG.standard_normal(2)
    last, (hs, found) = mg.scan(f, {"h": h, "n": mg.tensor(0)}, xs)
    assert last["n"].dtype == np.int64
    assert found["count"].tolist() == [1, 2, 3, 4]
    c = {"h": mg.tensor(h), "n": mg.tensor(0)}
    for t in range(4):
        c, _ = f(c, {k: mg.tensor(v[t]) for k, v in xs.items()})
    close(last, c)
    np.testing.assert_array_equal(hs[-1].numpy(), last["h"].numpy())
    check_grads(lambda h, xs: mg.scan(f, {"h": h, "n": mg.tensor(0)}, xs), h, xs)


def test_integer_sequences_index_a_captured_table() -> None:
    table = RNG.standard_normal((5, 2))
    ids = np.array([0, 3, 3, 1])
    check_grads(lambda table: mg.scan(lambda h, i: (mg.tanh(h + table[i]), h), mg.zeros(2, "float64"), ids), table)


def test_dict_carry_may_come_back_in_another_order() -> None:
    last, _ = mg.scan(lambda c, x: ({"b": c["a"] + x, "a": c["b"]}, None), {"a": 1.0, "b": 2.0}, mg.ones(2))
    assert {k: float(v) for k, v in last.items()} == {"a": 2.0, "b": 3.0}


def test_closures_over_parameters_and_constants_are_found() -> None:
    w = mg.parameter(ROTATION, name="w")
    b = mg.tensor(np.ones(2))
    _, h, xs = data(3)
    last, _ = mg.scan(lambda h, x: (mg.tanh(h @ w + x) + b, None), h, xs)
    mg.sum(last).backward()
    expected = mg.grad(lambda w: mg.sum(mg.scan(lambda h, x: (mg.tanh(h @ w + x) + b, None), h, xs)[0]))(w)
    close(w.grad, expected)
    assert w.grad.numpy().all()


def test_work_that_does_not_depend_on_the_step_leaves_the_loop() -> None:
    def f(w: Any, xs: Any) -> Any:
        return mg.scan(lambda h, x: (h + x @ mg.exp(w), None), mg.zeros(2, "float64"), xs)[0]

    graph = mg.trace(f, ROTATION, data(3)[2])
    assert [n.op.name for n in graph.nodes].count("exp") == 1
    assert not any(n.op.name == "exp" for body in graph.bodies for n in body.nodes)


def test_length_without_a_sequence() -> None:
    last, ys = mg.scan(lambda c, _: (c * 2, c), mg.tensor(1.0), length=4)
    assert float(last) == 16
    assert ys.tolist() == [1, 2, 4, 8]


def test_no_steps_give_the_start_and_empty_outputs() -> None:
    last, ys = mg.scan(lambda c, x: (c + x, mg.stack([c, c])), mg.zeros(3), mg.zeros((0, 3)))
    assert last.tolist() == [0, 0, 0]
    assert ys.type.shape == (0, 2, 3)
    for more in ({"truncate": 2}, {"checkpoint": 2}, {"checkpoint": True}):
        assert mg.scan(lambda c, x: (c + x, c), mg.zeros(3), mg.zeros((0, 3)), **more)[1].shape == (0, 3)


@given(steps=st.integers(0, 9), k=st.integers(1, 10), reverse=st.booleans())
def test_checkpointing_changes_nothing(steps: int, k: int, reverse: bool) -> None:
    w, h, xs = data(steps)
    plain = mg.scan(step(mg.tensor(w)), h, xs, reverse=reverse)
    close(mg.scan(step(mg.tensor(w)), h, xs, reverse=reverse, checkpoint=k), plain)
    close(mg.scan(step(mg.tensor(w)), h, xs, reverse=reverse, truncate=k), plain)


def test_splitting_time_carries_the_state() -> None:
    w, h, xs = data(6)
    f = step(mg.tensor(w))
    middle, first = mg.scan(f, h, xs[:2])
    last, rest = mg.scan(f, middle, xs[2:])
    close((last, mg.concat([first, rest])), mg.scan(f, h, xs))


def test_vmap_of_scan_is_a_scan_for_each() -> None:
    w, _, xs = data(4)
    hs = RNG.standard_normal((3, 2))
    found = mg.vmap(lambda h: mg.scan(step(mg.tensor(w)), h, xs))(hs)
    each = [mg.scan(step(mg.tensor(w)), h, xs) for h in hs]
    close(found, (mg.stack([e[0] for e in each]), mg.stack([e[1] for e in each])))


# ---- refusals


def test_a_carry_that_changes_is_explained_leaf_by_leaf() -> None:
    with pytest.raises(mg.errors.GraphError) as caught:
        mg.scan(lambda c, x: ({"h": c["h"].astype("float64"), "s": c["s"]}, None), {"h": mg.zeros(2), "s": 0.0}, mg.ones(3))
    message = str(caught.value)
    assert "carry['h']: float32(2) goes in, float64(2) comes out" in message
    assert ".astype('float32')" in message
    assert "carry['s']" not in message
    assert "test_scan.py" in message
    with pytest.raises(mg.errors.GraphError, match=r"start from mg.zeros\(\(3,\)\)"):
        mg.scan(lambda c, x: (c + x, None), mg.zeros(()), mg.ones((2, 3)))
    with pytest.raises(mg.errors.GraphError, match=r"carry: float32\(3\) goes in, float32\(2\) comes out\n"):
        mg.scan(lambda c, x: (c[:2], None), mg.zeros(3), mg.ones(2))
    with pytest.raises(mg.errors.GraphError, match="changes its structure"):
        mg.scan(lambda c, x: ((c, c), None), mg.zeros(()), mg.ones(2))


def test_bad_lengths_and_results_are_refused() -> None:
    with pytest.raises(mg.errors.ShapeError, match=r"xs\['b'\] has 4 steps, expected 3"):
        mg.scan(lambda c, x: (c, None), 0.0, {"a": mg.ones(3), "b": mg.ones(4)})
    with pytest.raises(mg.errors.ShapeError, match="0-d"):
        mg.scan(lambda c, x: (c, None), 0.0, mg.tensor(1.0))
    with pytest.raises(mg.errors.GraphError, match="Give length"):
        mg.scan(lambda c, x: (c, None), 0.0)
    with pytest.raises(mg.errors.ShapeError, match="negative"):
        mg.scan(lambda c, x: (c, None), 0.0, length=-1)
    with pytest.raises(mg.errors.GraphError, match=r"must return \(carry, y\)"):
        mg.scan(lambda c, x: c, 0.0, length=2)
    with pytest.raises(mg.errors.AbstractValueError, match="truth value"):
        mg.scan(lambda c, x: (c + 1 if c > 0 else c, None), 0.0, length=2)


# ---- cond


@pytest.mark.parametrize("truth", [True, False])
def test_cond_runs_one_side_and_differentiates_it(truth: bool) -> None:
    w, x, _ = data(0)

    def f(x: Any, w: Any) -> Any:
        return mg.cond(mg.tensor(truth), lambda x: mg.tanh(x @ w), lambda x: mg.sin(x) * w[0], x)

    check_grads(f, x, w)
    close(f(mg.tensor(x), mg.tensor(w)), np.tanh(x @ w) if truth else np.sin(x) * w[0])


def test_cond_batches_over_its_condition_and_over_its_arguments() -> None:
    x = RNG.standard_normal((4, 2))
    flags = np.array([True, False, True, False])
    pick = lambda c, x: mg.cond(c, mg.sin, mg.cos, x)  # noqa: E731
    close(mg.vmap(pick)(flags, x), np.where(flags[:, None], np.sin(x), np.cos(x)))
    close(mg.vmap(pick, in_axes=(None, 0))(mg.tensor(True), x), np.sin(x))
    close(mg.vmap(pick, in_axes=(0, None))(flags, x[0]), np.where(flags[:, None], np.sin(x[0]), np.cos(x[0])))


def test_cond_refuses_sides_that_differ() -> None:
    with pytest.raises(mg.errors.GraphError, match=r"float32\(2\) against float32\(3\)"):
        mg.cond(mg.tensor(True), lambda: mg.zeros(2), lambda: mg.zeros(3))
    with pytest.raises(mg.errors.DTypeError, match=r"mg\.where"):
        mg.cond(mg.ones(2) > 0, lambda: mg.zeros(2), lambda: mg.ones(2))


# ---- chunks of a length that is known at run time


CHUNKS = [{"truncate": 3}, {"checkpoint": 3}, {"checkpoint": True}, {"truncate": 2, "checkpoint": 3}, {"truncate": 4, "checkpoint": True}]


@pytest.mark.parametrize(("how", "reverse", "first"), shared(product(CHUNKS, (False, True), (7, 9, 2)), of=5), ids=str)
def test_one_program_serves_all_lengths_of_a_loop_in_chunks(how: dict[str, Any], reverse: bool, first: int) -> None:
    def loss(w: Any, h: Any, xs: Any) -> Any:
        return total(mg.scan(step(w), h, xs, reverse=reverse, **how))

    f = mg.jit(mg.value_and_grad(loss, (0, 1, 2)))
    for steps in (first, 1, 2, 3, 4, 6, 9, 10, 16, 17):
        args = data(steps)
        found = f(*args)
        expected = mg.value_and_grad(lambda w, h, xs: total(looped(w, h, xs, reverse, how.get("truncate", 0))), (0, 1, 2))(
            *map(mg.tensor, args)
        )
        close(found, expected, 1e-9)
    assert len({id(p) for programs in f.programs.values() for p in programs}) == 1


@pytest.mark.parametrize("how", CHUNKS, ids=str)
def test_sizes_of_an_empty_or_shortened_sequence_in_chunks_agree(how: dict[str, Any]) -> None:
    f = mg.jit(lambda w, h, xs: mg.scan(step(w), h, xs[1:], **how))
    for steps in (1, 2, 6, 1, 9):
        w, h, xs = data(steps)
        close(f(w, h, xs), looped(*map(mg.tensor, (w, h, xs[1:]))))


@given(steps=st.integers(1, 9), chunk=st.integers(1, 5), k=st.integers(1, 5), reverse=st.booleans())
def test_truncated_and_checkpointed_is_truncated(steps: int, chunk: int, k: int, reverse: bool) -> None:
    args = data(steps)
    both = derivatives(lambda w, h, xs: mg.scan(step(w), h, xs, reverse=reverse, truncate=k, checkpoint=chunk), args)
    close(both, derivatives(lambda w, h, xs: mg.scan(step(w), h, xs, reverse=reverse, truncate=k), args))


def test_a_checkpoint_saves_memory_also_of_a_truncated_loop_of_any_length() -> None:
    """What the compiled gradient keeps, at a length that it was not compiled at."""

    def kept(**how: Any) -> int:
        f = mg.jit(mg.grad(lambda w, xs: mg.sum(mg.scan(lambda h, x: (mg.tanh(mg.sin(h @ w) * mg.exp(x)), None), xs[0], xs, **how)[0])))
        for length in (64, 100):
            f(np.eye(2), np.ones((length, 2)))
        (program,) = {id(p): p for programs in f.programs.values() for p in programs}.values()
        sizes = program.sizes([np.ones((2, 2)), np.ones((400, 2))])
        lowered = program.executable.lowered
        return lowered.phases[0].layout(dict(zip([s.name for s in lowered.sizes], lowered.numbers(sizes), strict=True)))[1]

    assert kept(checkpoint=20) < kept() / 3
    assert kept(truncate=50, checkpoint=20) < kept(truncate=50) / 2
