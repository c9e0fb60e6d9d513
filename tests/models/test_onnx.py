"""RNN, LSTM, GRU and scaled dot-product attention against ONNX's published node tests, and their generators on random weights."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from minigrad.models import GRU, LSTM, RNN, causal, scaled_dot_product

import minigrad as mg

onnx = pytest.importorskip("onnx")
CASES = "onnx.backend.test.case.node"
GENERATORS = {op: importlib.import_module(f"{CASES}.{op.lower()}") for op in ("RNN", "LSTM", "GRU", "Attention")}
PUBLISHED = {case.name.removeprefix("test_"): case for case in importlib.import_module(CASES)._NodeTestCases}
ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2]}  # where our gates stand in i o f c, and in z r h
PEEPHOLES = [0, 2, 1]  # and i f o in i o f


def published(*ops):
    return [name for name, case in PUBLISHED.items() if case.model.graph.node[0].op_type in ops and "expanded" not in name]


def cell(op, d, p, dtype):
    """Our cell with the weights of direction d."""
    gates, (hidden, inputs) = ORDER[op], (p["R"].shape[-1], p["W"].shape[-1])
    after = bool(p.get("linear_before_reset"))
    more = {"LSTM": {"peephole": "P" in p}, "GRU": {"reset_first": not after}, "RNN": {}}[op]
    made = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[op](inputs, hidden, dtype=dtype, **more)
    for name, theirs in (("W_x", p["W"][d]), ("W_h", p["R"][d])):
        setattr(made, name, mg.parameter(np.concatenate([theirs.reshape(len(gates), hidden, -1)[g].T for g in gates], axis=1)))
    b = p.get("B", np.zeros((d + 1, 2 * len(gates) * hidden), dtype))[d].reshape(2, len(gates), hidden)[:, gates]
    if after:
        made.c_n = mg.parameter(b[1, 2])
        b[1, 2] = 0
    made.b = mg.parameter(b.sum(0).ravel())
    if more.get("peephole"):
        made.peephole = mg.parameter(p["P"][d].reshape(3, hidden)[PEEPHOLES])
    return made


def computed(op, p):
    """Y, Y_h and Y_c as ONNX lays them out."""
    swap = (lambda v: np.swapaxes(v, 0, 1)) if p.get("layout") else (lambda v: v)
    xs, names, direction = swap(p["X"]), ("initial_h", "initial_c")[: 1 + (op == "LSTM")], p.get("direction", "forward")
    mask = np.arange(len(xs))[:, None] < p["sequence_lens"] if "sequence_lens" in p else None
    ys, ends = [], []
    for d, reverse in enumerate({"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]):
        model = cell(op, d, p, xs.dtype)
        first = model.initial_state(xs.shape[1])
        first = type(first)(*(mg.tensor(swap(p[n])[d]) if n in p else v for n, v in zip(names, first, strict=True)))
        y, last = model.run(xs, first, mask, reverse=reverse)
        ys.append(y.numpy())
        ends.append([v.numpy() for v in last])
    y = np.stack(ys, axis=1)
    last = [swap(np.stack(v)) for v in zip(*ends, strict=True)]
    return {"Y": np.transpose(y, (2, 0, 1, 3)) if p.get("layout") else y, **dict(zip(("Y_h", "Y_c"), last, strict=False))}


@pytest.mark.parametrize("name", published("RNN", "LSTM", "GRU"))
def test_published_recurrent(name):
    """Defaults, biases, peepholes, initial states, lengths, batch-first layout, both directions."""
    case = PUBLISHED[name]
    node, ((inputs, outputs),) = case.model.graph.node[0], case.data_sets
    text = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    p = {k: v.decode() if isinstance(v, bytes) else v for k, v in text.items()} | dict(zip(filter(None, node.input), inputs, strict=True))
    found = computed(node.op_type, p)
    for which, expected in zip(filter(None, node.output), outputs, strict=True):
        np.testing.assert_allclose(found[which], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op", ORDER)
def test_generators_with_random_weights(op, direction, layout):
    """The published weights are constant; random ones tell gates, peepholes and directions apart."""
    rng, T, B, D, inputs, hidden, gates = np.random.default_rng(8), 5, 3, 1 + (direction == "bidirectional"), 4, 6, len(ORDER[op])
    p = {
        "X": rng.standard_normal((B, T, inputs) if layout else (T, B, inputs)),
        "W": rng.normal(0, 0.5, (D, gates * hidden, inputs)),
        "R": rng.normal(0, 0.5, (D, gates * hidden, hidden)),
        "B": rng.normal(0, 0.5, (D, 2 * gates * hidden)),
        "direction": direction,
        "layout": layout,
    }
    names = ["initial_h", "initial_c"][: 1 + (op == "LSTM")]
    p |= {n: rng.standard_normal((B, D, hidden) if layout else (D, B, hidden)) for n in names}
    variants = {"RNN": [{}], "LSTM": [{}, {"P": rng.standard_normal((D, 3 * hidden))}], "GRU": [{}, {"linear_before_reset": 1}]}[op]
    for more in variants:
        expected = getattr(GENERATORS[op], f"{op}Helper")(**p, **more).step()
        found = computed(op, p | more)
        for which, value in zip(("Y", "Y_h", "Y_c"), expected, strict=False):
            np.testing.assert_allclose(found[which], value, rtol=1e-10, atol=1e-12, err_msg=f"{which} {more}")


@pytest.mark.parametrize("name", ["", "_causal", "_attn_mask_bool", "_attn_mask_bool_4d", "_diff_heads_sizes", "_diff_heads_sizes_causal"])
def test_published_attention(name):
    """Heads as a batch axis, (batch, heads, T, width); masks are True where attention is allowed, in ONNX as here."""
    q, k, v, *mask = PUBLISHED[f"attention_4d{name}"].data_sets[0][0]
    if "causal" in name:
        mask = [np.arange(k.shape[-2]) <= np.arange(q.shape[-2])[:, None]] if q.shape[-2] != k.shape[-2] else [causal(q.shape[-2])]
    found, _ = scaled_dot_product(*map(mg.tensor, (q, k, v)), *mask)
    np.testing.assert_allclose(found.numpy(), PUBLISHED[f"attention_4d{name}"].data_sets[0][1][0], rtol=1e-5, atol=1e-6)
