"""The benchmarks' own arithmetic, and that peers are only timed when they agree."""

import importlib.util
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from shares import swept

from benchmarks import calls, contestants, growth, machine, report, timing
from benchmarks.work import WORKS, Skip, layer, ntm, smaller, stacked

PEERS = [p for p in ("jax", "torch", "torch.nn") if importlib.util.find_spec(p.split(".")[0])]
TRAINED = ("rnn", "lstm", "transformer")  # a step is a gradient and Adam's update, and the update is one for all kinds


@cache
def minigrads(work: Any) -> tuple[Any, list[float]]:
    """The loss and gradients at the first weights, and the losses of three steps"""
    ours = contestants.make("minigrad", work, contestants.first_weights(work))
    return ours.value_and_grad(), [ours.step() for _ in range(3 if work.kind in TRAINED else 0)]


FEW = ("rnn", "lstm")  # XLA compiles the loops of the others for seconds
PAIRS = [(kind, peer) for kind in WORKS for peer in PEERS]


@pytest.mark.parametrize(("kind", "peer"), [pair if pair[0] in FEW else swept(pair) for pair in PAIRS])
def test_peers_compute_what_minigrad_computes(kind, peer):
    for work in {smaller(w) for w in WORKS[kind] if w.batch == 16}:
        try:
            contestant = contestants.make(peer, work, contestants.first_weights(work))
        except Skip:
            continue
        at_first, losses = minigrads(work)
        close = contestants.agreement(at_first, contestant.value_and_grad())
        assert close.holds, close
        np.testing.assert_allclose([contestant.step() for _ in losses], losses, rtol=1e-5)


def test_a_step_inside_pytorch_is_minigrads_step(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    work = smaller(layer("rnn", 2))
    weights = contestants.first_weights(work)
    own, inside = (contestants.make(name, work, weights) for name in ("minigrad", "minigrad in torch"))
    assert contestants.agreement(own.value_and_grad(), inside.value_and_grad()).holds
    np.testing.assert_allclose(*([c.step() for _ in range(2)] for c in (own, inside)), rtol=1e-5)


def test_the_bars_of_bridges_are_ratios_of_medians():
    def row(*times):
        names = ("minigrad", "minigrad in torch", "torch")[: len(times)]
        return {"work": "w", "times": {n: {"median": t, "p10": t, "p90": t} for n, t in zip(names, times, strict=True)}}

    (good, slow, far, *none) = report.bridge_sheet([row(1, 1.2, 6.1), row(1, 1.3, 9), row(1, 1.1, 5), row(1)]).body
    assert [line[-1] for line in (good, slow, far)] == ["yes", "**no**", "**no**"]
    assert none == []


@pytest.mark.skipif("jax" not in PEERS, reason="JAX is not installed")
@pytest.mark.parametrize("case", [calls.parameters, calls.update, calls.streaming(smaller(layer("lstm", 1)))])
def test_calls_that_are_timed_give_the_same(case):
    ours, theirs = case(False), case(True)
    for _ in range(3):
        np.testing.assert_allclose(ours(), theirs(), rtol=1e-3, atol=1e-5)


@pytest.mark.skipif("jax" not in PEERS, reason="JAX is not installed")
def test_stacked_layers_compute_what_jax_computes():
    work = replace(smaller(stacked("lstm", 2)), inputs=8, hidden=8, outputs=8)
    weights = contestants.first_weights(work)
    ours, peer = (contestants.make(name, work, weights).value_and_grad() for name in ("minigrad", "jax"))
    assert len(ours[1]) == 6
    assert contestants.agreement(ours, peer).holds


def test_disagreement_is_seen():
    ours = (1.0, {"W": np.array([1.0, 2.0]), "b": np.zeros(1)})
    assert contestants.agreement(ours, ours).holds
    for other in (
        (1.1, ours[1]),
        (1.0, ours[1] | {"W": np.array([1.0, 2.1])}),
        (1.0, ours[1] | {"b": np.ones(1)}),
        (1.0, ours[1] | {"W": np.array([[1.0], [2.0]])}),
        (np.nan, ours[1]),
        (1.0, ours[1] | {"W": np.array([np.nan, 2.0])}),
    ):
        assert not contestants.agreement(ours, other).holds
    with pytest.raises(ValueError, match="against"):
        contestants.agreement(ours, (1.0, {}))


def test_every_process_sees_the_same_data():
    (xs, ys), (again, _) = ntm(2).data(), ntm(2).data()
    assert xs.shape == (41, 2, 9)
    assert ys.shape == (41, 2, 8)
    np.testing.assert_array_equal(xs, again)


def test_turns_are_interleaved():
    log = []

    class Fake:
        def __init__(self, name):
            self.name = name

        def step(self):
            log.append(self.name)
            return 0.0

    found = timing.interleaved({"a": Fake("a"), "b": Fake("b")}, rounds=3, turn=0)
    assert [len(t.rounds) for t in found.values()] == [3, 3]
    assert "".join(log[-18:]) == "aaabbb" + "bbbaaa" + "aaabbb"


def test_exponents_and_flop():
    assert growth.exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
    assert machine.products(layer("lstm", 1)) == 100 * 2 * 512 * (3 * 128 + 2 * 32)


def test_a_step_stands_beside_its_memory_moved_once():
    seconds = {"minigrad": {10: 0.002, 20: 0.004}, "jax": {10: 0.004, 20: 0.016}, "torch.nn": {10: 1.0, 20: 2.0}}
    bytes = {"minigrad": {10: 2**20, 20: 2**21}, "jax": {10: 2**22, 20: 2**23}}
    sweep = {"title": "w", "seconds": seconds, "bytes": bytes, "moved": {10: 0.001, 20: 0.002}, "exponent": {"minigrad": 1.0, "jax": 2.0}}
    alone = {"title": "v", "seconds": {"minigrad": {5: 0.001}}, "bytes": {}, "moved": {5: 0.0005}, "exponent": {"minigrad": 0.0}}
    found = report.large_sheet({"rate": 1e9, "sweeps": {"N": sweep, "T": alone}})
    assert found.body[1] == ["N = 20 (w)", "4", "16", "2000", "2.0", "8.0", "2", "2.0"]
    assert found.body[2] == ["T = 5 (v)", "1", "–", "–", "–", "–", "0.5", "2.0"]
    assert "1.0 GB/s" in found.note


def test_ratio_is_to_the_best_peer():
    assert report.best_peer({"minigrad": 1.0, "jax": 3.0, "torch": 2.0}) == ("torch", 2.0)
    assert report.best_peer({"minigrad": 1.0}) is None
