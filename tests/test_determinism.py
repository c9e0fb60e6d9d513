"""The same seed gives the same bits: in every process, for any number of threads or cores; compiled and interpreted agree to rounding."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest
from children import run
from minigrad.models import LSTM, NTM
from shares import shared, swept

import minigrad as mg

TRAINED = """
import hashlib, os, sys
if sys.argv[1] == "one core":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
import minigrad as mg
from minigrad.models import LSTM, NTM

def digest(*trees):
    found = hashlib.sha256()
    for leaf in mg.tree.leaves(trees):
        found.update(leaf.numpy().tobytes())
    return found.hexdigest()[:16]

def trained(model, xs, wrap, steps=3):
    optimizer = mg.optim.Adam(1e-2, clip_norm=1.0)
    state = optimizer.init(model)
    @wrap
    def update(model, state, xs):
        loss, grads = mg.value_and_grad(lambda m: mg.mean(mg.square(m(xs) - 0.5)))(model)
        return *optimizer.update(model, grads, state), loss
    for _ in range(steps):
        model, state, loss = update(model, state, xs)
    return digest(model, state, loss)

key = mg.random.key(3)
xs = mg.random.normal(mg.random.fold_in(key, 1), (6, 16, 8)).numpy()
wide = mg.random.normal(mg.random.fold_in(key, 2), (12, 64, 64)).numpy()
print("keys", digest(mg.random.split(key, 4), mg.random.permutation(key, 9)))
print("eager", trained(NTM(8, 8, hidden=12, memory=(6, 4), key=1), xs, lambda f: f))
print("compiled", trained(NTM(8, 8, hidden=12, memory=(6, 4), key=1), xs, mg.jit))
print("compiled for two threads", trained(LSTM(64, 96, 64, key=1), wide, mg.jit))
os.environ["MINIGRAD_JIT"] = "0"
print("interpreted", trained(NTM(8, 8, hidden=12, memory=(6, 4), key=1), xs, mg.jit))
"""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@cache
def with_two_threads() -> str:
    return run(TRAINED, "all cores", **dict.fromkeys(THREADS, "2"), PYTHONHASHSEED="1")


ONE_THREAD = {**dict.fromkeys(THREADS, "1"), "MINIGRAD_THREADS": "1", "PYTHONHASHSEED": "2"}
ONE_CORE = {"PYTHONHASHSEED": "3", "MINIGRAD_CACHE": "0"}


@pytest.mark.parametrize(("cores", "environment"), [("all cores", ONE_THREAD), swept(("one core", ONE_CORE))])
def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads_and_cores(cores: str, environment: dict[str, str]) -> None:
    if cores == "one core" and not hasattr(os, "sched_setaffinity"):
        pytest.skip("no process can choose its cores here")
    found = run(TRAINED, cores, **environment)
    assert len(found.splitlines()) == 5
    assert found == with_two_threads()


def model_and_data(kind: str, dtype: str):
    model = NTM(4, 4, hidden=8, memory=(6, 4), key=0) if kind == "ntm" else LSTM(4, 8, 4, key=0)
    xs = np.random.default_rng(0).standard_normal((7, 3, 4))
    return mg.tree.map(lambda p: p.astype(dtype), model), xs.astype(dtype)


@pytest.mark.parametrize(
    ("kind", "dtype", "limit"),
    shared([("ntm", "float32", 2e-5), ("ntm", "float64", 1e-12), ("lstm", "float32", 2e-5), ("lstm", "float64", 1e-12)]),
)
def test_compiled_and_interpreted_agree_to_rounding(monkeypatch, kind: str, dtype: str, limit: float) -> None:
    model, xs = model_and_data(kind, dtype)
    f = mg.value_and_grad(lambda m: mg.mean(mg.square(m(xs))))
    fast = mg.tree.leaves(mg.jit(f)(model))
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    slow = mg.tree.leaves(mg.jit(f)(model))
    for a, b in zip(fast, slow, strict=True):
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit * float(np.max(np.abs(b.numpy()))))


def test_repeated_calls_give_the_same_bits() -> None:
    model, xs = model_and_data("ntm", "float32")
    f = mg.jit(mg.value_and_grad(lambda m, xs: mg.mean(mg.square(m(xs)))))
    first = [y.numpy().tobytes() for y in mg.tree.leaves(f(model, xs))]
    for length in (3, 7, 1, 7):
        again = [y.numpy().tobytes() for y in mg.tree.leaves(f(model, xs[:length]))]
        assert (again == first) is (length == 7)
