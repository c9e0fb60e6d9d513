"""Optimisers: parity with PyTorch and with NumPy transcriptions, eagerly and compiled, and their refusals."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigrad.models import LSTM

import minigrad as mg
from minigrad import optim, tree
from minigrad.graph.ir import Node

STEPS = 20


def problem(dtype="float64"):
    """Parameters, and a fixed list of gradients of very different sizes."""
    rng = np.random.default_rng(0)
    params = {"W": rng.standard_normal((3, 4)).astype(dtype), "b": rng.standard_normal(4).astype(dtype)}
    sizes = 10.0 ** rng.integers(-3, 4, STEPS)
    grads = [{k: (size * rng.standard_normal(v.shape)).astype(dtype) for k, v in params.items()} for size in sizes]
    return params, grads


def run(optimizer, params, grads, compiled=False):
    params = {k: mg.parameter(v, name=k) for k, v in params.items()}
    state = optimizer.init(params)
    update = mg.jit(optimizer.update) if compiled else optimizer.update
    for g in grads:
        params, state = update(params, {k: mg.tensor(v) for k, v in g.items()}, state)
    assert int(state.step) == len(grads)
    return {k: v.numpy() for k, v in params.items()}


PAIRS = [
    (optim.SGD(0.1), "SGD", {"lr": 0.1}),
    (optim.SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD(0.1, momentum=0.9, nesterov=True), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.RMSProp(0.01), "RMSprop", {"lr": 0.01}),
    (optim.RMSProp(0.01, decay=0.9, momentum=0.8), "RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.8}),
    (optim.Adam(0.01), "Adam", {"lr": 0.01}),
    (optim.Adam(0.01, beta1=0.5, beta2=0.9, epsilon=1e-3), "Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3}),
    (optim.AdamW(0.01, weight_decay=0.1), "AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    (optim.SGD(0.1, momentum=0.9, dampening=0.4), "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    (optim.SGD(0.1, weight_decay=0.3, maximize=True), "SGD", {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    (optim.RMSProp(0.01, centered=True), "RMSprop", {"lr": 0.01, "centered": True}),
    (optim.Adam(0.01, amsgrad=True), "Adam", {"lr": 0.01, "amsgrad": True}),
    (optim.AdamW(0.01, amsgrad=True, maximize=True), "AdamW", {"lr": 0.01, "amsgrad": True, "maximize": True}),
]


def run_torch(name, settings, params, grads):
    torch = pytest.importorskip("torch")
    theirs = {k: torch.nn.Parameter(torch.tensor(v)) for k, v in params.items()}
    peer = getattr(torch.optim, name)(theirs.values(), **settings)
    for g in grads:
        for k, p in theirs.items():
            p.grad = torch.tensor(g[k])
        peer.step()
    return {k: v.detach().numpy() for k, v in theirs.items()}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(("optimizer", "name", "settings"), PAIRS, ids=lambda v: type(v).__name__ if isinstance(v, optim.Optimizer) else "")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_parity_with_torch(optimizer, name, settings, dtype, tolerance, compiled):
    params, grads = problem(dtype)
    expected = run_torch(name, settings, params, grads)
    for k, v in run(optimizer, params, grads, compiled).items():
        assert v.dtype == dtype
        np.testing.assert_allclose(v, expected[k], rtol=tolerance, atol=tolerance)


SHARED = {"lr": st.sampled_from([0.001, 0.1]), "weight_decay": st.sampled_from([0.0, 0.02, 0.5]), "maximize": st.booleans()}
FRACTIONS = st.sampled_from([0.0, 0.3, 0.9])
OPTIONS = [
    (optim.SGD, "SGD", {"momentum": FRACTIONS, "nesterov": st.booleans(), "dampening": FRACTIONS}),
    (
        optim.RMSProp,
        "RMSprop",
        {"decay": st.sampled_from([0.3, 0.9]), "momentum": FRACTIONS, "centered": st.booleans(), "epsilon": st.just(1e-2)},
    ),
    (optim.Adam, "Adam", {"beta1": FRACTIONS, "beta2": FRACTIONS, "amsgrad": st.booleans()}),
    (optim.AdamW, "AdamW", {"beta1": FRACTIONS, "beta2": FRACTIONS, "amsgrad": st.booleans()}),
]
THEIRS = {"decay": "alpha", "epsilon": "eps"}


@pytest.mark.parametrize(("kind", "name", "options"), OPTIONS, ids=lambda v: v if isinstance(v, str) else "")
@given(data=st.data())
def test_every_choice_of_options_takes_pytorchs_steps(kind, name, options, data):
    settings = data.draw(st.fixed_dictionaries({**SHARED, **options}))
    if settings.get("nesterov"):
        settings |= {"momentum": 0.9, "dampening": 0.0}
    params, grads = problem()
    theirs = {THEIRS.get(k, k): v for k, v in settings.items()}
    if "beta1" in theirs:
        theirs["betas"] = (theirs.pop("beta1"), theirs.pop("beta2"))
    expected = run_torch(name, theirs, params, grads)
    for k, v in run(kind(**settings), params, grads).items():
        np.testing.assert_allclose(v, expected[k], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_graves_rmsprop_is_the_papers(compiled):
    params, grads = problem()
    p = {k: v.copy() for k, v in params.items()}
    n, m, d = ({k: np.zeros_like(v) for k, v in params.items()} for _ in range(3))
    for g in grads:
        for k in p:
            n[k] = 0.95 * n[k] + 0.05 * g[k] ** 2
            m[k] = 0.95 * m[k] + 0.05 * g[k]
            d[k] = 0.9 * d[k] - 1e-2 * g[k] / np.sqrt(n[k] - m[k] ** 2 + 1e-4)
            p[k] = p[k] + d[k]
    for k, v in run(optim.GravesRMSProp(1e-2), params, grads, compiled).items():
        np.testing.assert_allclose(v, p[k], rtol=1e-12)


def test_graves_rmsprop_stays_finite_for_large_steady_gradients():
    params, grads = {"W": np.zeros(50, "float32")}, [{"W": np.linspace(1e3, 3e3, 50, dtype="float32")}] * 400
    assert np.isfinite(run(optim.GravesRMSProp(), params, grads)["W"]).all()


def test_clipping():
    params, grads = {"a": np.zeros(2), "b": np.zeros(2)}, [{"a": np.array([3.0, 0.0]), "b": np.array([0.0, -4.0])}]
    found = run(optim.SGD(1.0, clip_norm=1.0), params, grads)
    np.testing.assert_allclose(found["a"], [-0.6, 0])
    np.testing.assert_allclose(found["b"], [0, 0.8])
    np.testing.assert_allclose(run(optim.SGD(1.0, clip_norm=10), params, grads)["b"], [0, 4])
    np.testing.assert_allclose(run(optim.SGD(1.0, clip_value=2), params, grads)["b"], [0, 2])
    nothing = [{k: np.zeros(2) for k in params}]
    np.testing.assert_array_equal(run(optim.SGD(1.0, clip_norm=1), params, nothing)["a"], 0)


@pytest.mark.parametrize("settings", [{"clip_norm": 1.0}, {"clip_value": 1.0}, {}])
def test_nan_is_not_hidden(settings):
    found = run(optim.SGD(1.0, **settings), {"a": np.zeros(2)}, [{"a": np.array([np.nan, 1.0])}])
    assert np.isnan(found["a"][0])


SCHEDULES = [
    (optim.Constant(0.5), lambda t: 0.5),
    (optim.Cosine(0.4, steps=8, final=0.1), lambda t: 0.1 + 0.15 * (1 + math.cos(math.pi * min(t / 8, 1)))),
    (optim.Exponential(0.4, 0.5, every=3), lambda t: 0.4 * 0.5 ** (t / 3)),
    (optim.Warmup(0.4, 5), lambda t: 0.4 * min((t + 1) / 5, 1)),
    (optim.Delayed(optim.Exponential(0.4, 0.9), 5), lambda t: 0.4 * 0.9**t if t >= 5 else 0),
    (optim.Warmup(optim.Exponential(0.4, 0.9), 5), lambda t: 0.4 * 0.9**t * min((t + 1) / 5, 1)),
    (lambda step: 1 / (step + 1), lambda t: 1 / (t + 1)),
]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(("schedule", "formula"), SCHEDULES)
def test_schedules(schedule, formula, compiled):
    ones = [{"a": np.ones(1)}] * STEPS
    found = run(optim.SGD(schedule), {"a": np.zeros(1)}, ones, compiled)
    np.testing.assert_allclose(found["a"], [-sum(map(formula, range(STEPS)))], rtol=1e-6)


PLATEAUS = st.fixed_dictionaries(
    {
        "factor": st.sampled_from([0.1, 0.5]),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([0.0, 1e-4, 0.2]),
        "cooldown": st.integers(0, 3),
    }
)


@given(
    settings=PLATEAUS,
    relative=st.booleans(),
    maximize=st.booleans(),
    least=st.sampled_from([0.0, 0.02]),
    measures=st.lists(st.sampled_from([0.5, 0.9, 0.95, 1.0, 1.05, 2.0, math.nan, -1.0]), min_size=20, max_size=20),
)
def test_a_plateau_lowers_the_rate_as_in_pytorch(settings, relative, maximize, least, measures):
    torch = pytest.importorskip("torch")
    modes = {"mode": "max" if maximize else "min", "threshold_mode": "rel" if relative else "abs", "min_lr": least}
    peer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(peer, **settings, **modes)
    plateau = optim.Plateau(0.4, **settings, relative=relative, maximize=maximize, least=least)
    state = plateau.init()
    for measure in measures:
        scheduler.step(measure)
        state = plateau.update(state, measure)
        np.testing.assert_allclose(float(state.rate), peer.param_groups[0]["lr"], rtol=1e-12)


def test_a_plateau_runs_inside_jit_and_its_rate_makes_an_optimizer():
    plateau = optim.Plateau(0.5, patience=1, factor=0.5)
    update, state, other = mg.jit(plateau.update), plateau.init(), plateau.init()
    for measure in (1.0, 1.0, 1.0, 0.5, 0.6, 0.7, 0.8):
        state, other = update(state, np.float64(measure)), plateau.update(other, measure)
        np.testing.assert_array_equal([x.numpy() for x in state], [x.numpy() for x in other])
    assert float(state.rate) == 0.125
    found = run(optim.SGD(float(state.rate)), {"a": np.zeros(1)}, [{"a": np.ones(1)}])
    np.testing.assert_allclose(found["a"], [-0.125])


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e20), ("float32", 1e-30), ("float64", 1e200), ("float64", 1e-200), ("float32", 0)]
)
def test_the_global_norm_neither_overflows_nor_vanishes(dtype, size, compiled):
    grads = {"a": np.array([3, 0], dtype) * np.asarray(size, dtype), "b": np.array([0, 4], dtype) * np.asarray(size, dtype)}
    norm = mg.jit(optim.global_norm) if compiled else optim.global_norm
    np.testing.assert_allclose(float(norm(grads)), 5 * size, rtol=1e-6)


def test_clipping_scales_gradients_that_are_large_in_float32():
    grads = [{"a": np.array([3e20, 0], "float32"), "b": np.array([0, -4e20], "float32")}]
    found = run(optim.SGD(1.0, clip_norm=1.0), {k: np.zeros(2, "float32") for k in "ab"}, grads)
    np.testing.assert_allclose([found["a"], found["b"]], [[-0.6, 0], [0, 0.8]], rtol=1e-6)


def test_the_gradient_of_a_global_norm_with_a_leaf_of_zeros_is_finite():
    for dtype in ("float32", "float64"):
        found = mg.grad(lambda g: optim.global_norm(g))({"a": np.zeros(2, dtype), "b": np.array([3.0, 4.0], dtype)})
        np.testing.assert_allclose([found["a"].numpy(), found["b"].numpy()], [[0, 0], [0.6, 0.8]], rtol=1e-6)


class Net(mg.Module):
    def __init__(self):
        self.W, self.scale = mg.parameter(np.eye(2, dtype="float32")), 3
        self.inner = {"b": mg.parameter(np.zeros(2, "float32"), name="bias")}


def test_modules_keep_their_class_settings_and_names():
    model, optimizer = Net(), optim.Adam(1e-2, clip_norm=10)
    state = optimizer.init(model)
    _, grads = mg.value_and_grad(lambda m: mg.sum(mg.square(m.W * m.scale + m.inner["b"] - 1)))(model)
    after, state = optimizer.update(model, grads, state)
    assert isinstance(after, Net)
    assert (after.scale, after.W.name, after.inner["b"].name) == (3, "W", "bias")
    assert not np.allclose(after.W, model.W)
    assert isinstance(state.slots["mean"], Net)
    again = mg.sum(after.W)
    again.backward()
    assert after.W.grad is not None


def test_init_inside_a_trace():
    optimizer = optim.SGD(0.5, momentum=0.9)

    @mg.jit
    def first(w):
        return optimizer.update(w, w, optimizer.init(w))

    w, state = first(mg.ones(3))
    np.testing.assert_allclose(w, 0.5)
    assert int(state.step) == 1


def test_eager_training_keeps_no_history():
    optimizer, w = optim.Adam(0.1), mg.parameter(np.ones(3), name="w")
    state = optimizer.init(w)
    counts = []
    for _ in range(5):
        loss = mg.sum(mg.square(w))
        loss.backward()
        w, state = optimizer.update(w, w.grad, state)
        del loss
        gc.collect()
        counts.append(sum(type(o) is Node for o in gc.get_objects()))
    assert counts[1] == counts[-1]
    assert all(not leaf.node.args for leaf in tree.leaves((w, state)))


def test_a_quadratic_is_solved():
    target = np.array([1.0, -2.0, 3.0], "float32")
    for optimizer in (optim.SGD(0.1, momentum=0.9), optim.RMSProp(optim.Cosine(0.1, 300)), optim.GravesRMSProp(1e-2), optim.Adam(0.1)):
        w = mg.parameter(np.zeros(3, "float32"))
        state = optimizer.init(w)
        step = mg.jit(lambda w, s, o=optimizer: o.update(w, mg.grad(lambda w: mg.sum(mg.square(w - target)))(w), s))
        for _ in range(300):
            w, state = step(w, state)
        np.testing.assert_allclose(w, target, atol=0.02)


BAD = [
    ("lr", lambda v: optim.Adam(v), [math.nan, -1e-3, math.inf, "fast", None]),
    ("lr", lambda v: optim.Warmup(v, 10), [math.nan, -1]),
    ("lr", lambda v: optim.Delayed(v, 10), [math.nan, -1]),
    ("lr", lambda v: optim.Cosine(v, 10), [math.nan]),
    ("steps", lambda v: optim.Cosine(0.1, v), [0, -3]),
    ("decay", lambda v: optim.Exponential(0.1, v), [0, -1, math.nan]),
    ("clip_norm", lambda v: optim.SGD(0.1, clip_norm=v), [0, -1, math.nan, math.inf]),
    ("clip_value", lambda v: optim.SGD(0.1, clip_value=v), [0, -1]),
    ("momentum", lambda v: optim.SGD(0.1, momentum=v), [1, -0.1, math.nan]),
    ("beta1", lambda v: optim.Adam(beta1=v), [1, -0.1]),
    ("beta2", lambda v: optim.AdamW(beta2=v), [1]),
    ("weight_decay", lambda v: optim.AdamW(weight_decay=v), [-1, math.nan]),
    ("epsilon", lambda v: optim.GravesRMSProp(epsilon=v), [0]),
    ("nesterov", lambda v: optim.SGD(0.1, nesterov=v), [True]),
    ("nesterov", lambda v: optim.SGD(0.1, momentum=0.9, nesterov=True, dampening=v), [0.1]),
    ("dampening", lambda v: optim.SGD(0.1, dampening=v), [-1, math.nan]),
    ("weight_decay", lambda v: optim.SGD(0.1, weight_decay=v), [-1, math.nan]),
    ("factor", lambda v: optim.Plateau(0.1, factor=v), [1, -0.1]),
    ("patience", lambda v: optim.Plateau(0.1, patience=v), [-1, math.nan]),
]


@pytest.mark.parametrize(("name", "make", "values"), BAD)
def test_bad_settings_are_refused_by_name(name, make, values):
    for value in values:
        with pytest.raises(ValueError, match=name):
            make(value)


def test_bad_trees_are_refused():
    sgd, w = optim.SGD(0.1), mg.parameter(np.ones(2), name="w")
    with pytest.raises(ValueError, match="no parameters"):
        sgd.init({})
    with pytest.raises(ValueError, match=r"\['b'\] and params\['a'\] are the same"):
        sgd.init({"a": w, "b": w})
    with pytest.raises(ValueError, match=r"\['n'\] is int64"):
        sgd.init({"n": mg.tensor([1, 2])})
    with pytest.raises(mg.errors.GraphError, match="structure"):
        sgd.update({"w": w}, {"v": w}, sgd.init({"w": w}))
    with pytest.raises(mg.errors.ShapeError, match=r"gradient of params\['w'\]"):
        sgd.update({"w": w}, {"w": mg.ones((), "float64")}, sgd.init({"w": w}))
    with pytest.raises(ValueError, match="schedule"):
        optim.SGD(lambda step: mg.ones(2)).update({"w": w}, {"w": w}, sgd.init({"w": w}))


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSProp])
def test_a_part_with_a_rate_of_its_own_moves_as_if_it_were_alone_with_that_rate(optimizer):
    a, b, c, d, e = (mg.parameter(np.arange(3.0) + i) for i in range(5))
    params = {"encoder": {"W": a, "b": b}, "encoders": c, "rest": [d, e]}
    grads = mg.tree.map(lambda p: 0.1 * p, params)
    parts = optimizer(0.1, rates={"['encoder']": optim.Warmup(0.5, 4), "['rest'][1]": 0.0})

    def after(optimizer, params, grads):
        state = optimizer.init(params)
        for _ in range(3):
            params, state = optimizer.update(params, grads, state)
        return mg.tree.map(lambda p: p.numpy(), params)

    found, usual = after(parts, params, grads), after(optimizer(0.1), params, grads)
    alone = after(optimizer(optim.Warmup(0.5, 4)), params["encoder"], grads["encoder"])
    np.testing.assert_equal(found, {**usual, "encoder": alone, "rest": [usual["rest"][0], params["rest"][1].numpy()]})


def test_of_nested_parts_the_inner_rate_counts_and_a_part_that_is_none_is_refused():
    model = LSTM(2, 3, 1)
    optimizer = optim.SGD(1.0, rates={"readout": 0.5, "readout.b": 0.0})
    new, _ = optimizer.update(model, mg.tree.map(mg.ones_like, model), optimizer.init(model))
    moved = [float(mg.max(a - b)) for a, b in ((model.b, new.b), (model.readout.W, new.readout.W), (model.readout.b, new.readout.b))]
    assert moved == [1, 0.5, 0]
    with pytest.raises(optim.OptimizerError, match=r"SGD: rates are given of encoder, but the parameters are .*readout\.W"):
        optim.SGD(1.0, rates={"encoder": 0.1}).init(model)
    with pytest.raises(optim.OptimizerError, match=r"rates\['readout'\] must be a finite number"):
        optim.SGD(1.0, rates={"readout": -1})
