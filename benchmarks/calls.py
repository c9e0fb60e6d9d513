"""The cost of a call: compiled functions that compute little, and models that take one step a call (streaming, B = 1)."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .console import say
from .work import BETA1, BETA2, EPSILON, LEARNING_RATE, Arrays, Work, layer, ntm

Call = Callable[[], Any]  # gives an array that must agree with the other's
Case = Callable[[bool], Call]  # of minigrad, or of JAX

PARAMETERS = 30


def vectors(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"w{i}": rng.standard_normal(8, dtype=np.float32) for i in range(PARAMETERS)}


def one_array(jax: bool) -> Call:
    x = vectors(0)["w0"]
    f = jitted(jax, lambda x: x + 1.0)
    return lambda: f(x)


def parameters(jax: bool) -> Call:
    def f(p: Any) -> Any:
        return {k: v * 0.5 for k, v in p.items()}

    fast, p = jitted(jax, f), on_device(jax, vectors(0))
    return lambda: fast(p)["w7"]


def update(jax: bool) -> Call:
    """Parameters, their gradients, and an optimiser's state, which come back."""
    if jax:
        from .with_jax import adam

        p, g = on_device(jax, vectors(0)), on_device(jax, vectors(1))
        held: Any = [p, on_device(jax, zeros()), on_device(jax, zeros()), 0.0]

        def step(p: Any, g: Any, m: Any, v: Any, t: Any) -> Any:
            return *adam(p, g, m, v, t + 1), t + 1

        fast = jitted(jax, step, donate_argnums=(0, 2, 3))

        def call() -> Any:
            p, m, v, t = held
            held[:] = fast(p, g, m, v, t)
            return held[0]["w7"]

        return call

    import minigrad as mg

    optimizer = mg.optim.Adam(LEARNING_RATE, beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
    grads = on_device(jax, vectors(1))
    own: Any = {k: mg.parameter(v) for k, v in vectors(0).items()}
    kept = [own, optimizer.init(own)]
    quick = jitted(jax, lambda p, g, state: optimizer.update(p, g, state))

    def ours() -> Any:
        kept[:] = quick(kept[0], grads, kept[1])
        return kept[0]["w7"]

    return ours


def streaming(work: Work) -> Case:
    """One step of a model a call: its state goes in and comes out."""

    def case(jax: bool) -> Call:
        from .with_minigrad import arrays, build

        x, model = work.data()[0][0], build(work)
        if jax:
            from jax import numpy as jnp
            from jax import tree

            from . import with_jax

            start, step = getattr(with_jax, work.kind)(work)
            p = on_device(jax, arrays(model))
            fast, state = jitted(jax, step, donate_argnums=1), tree.map(jnp.copy, start(p, work.batch))
        else:
            p = model.detached()
            fast, state = jitted(jax, lambda model, state, x: model.step(state, x)), p.initial_state(work.batch)
        held = [state]

        def call() -> Any:
            held[0], y = fast(p, held[0], x)
            return y

        return call

    return case


CASES: dict[str, tuple[Case, float]] = {  # with the bar, in µs
    "one array": (one_array, 10),
    "30 parameters": (parameters, 30),
    "30 parameters, gradients, Adam's state": (update, 30),
    "a step of LSTM 128": (streaming(layer("lstm", 1)), 25),
    "a step of NTM LSTM-100 128×20": (streaming(ntm(1)), 60),
}


def zeros() -> Arrays:
    return {k: np.zeros_like(v) for k, v in vectors(0).items()}


def jitted(jax: bool, f: Any, **options: Any) -> Any:
    if jax:
        from jax import jit

        return jit(f, **options)
    import minigrad as mg

    return mg.jit(f)


def on_device(jax: bool, tree: Arrays) -> Any:
    if jax:
        from jax import device_put

        return device_put(tree)
    import minigrad as mg

    return {k: mg.tensor(v) for k, v in tree.items()}


def run(quick: bool) -> dict[str, dict[str, float]]:
    """Seconds a call, the median over turns of a hundred, and the bar. JAX is left out where it is not installed or disagrees."""
    found = {}
    engines = {"minigrad": False, **({"jax": True} if importlib.util.find_spec("jax") else {})}
    for name, (case, bar) in CASES.items():
        made = {engine: case(jax) for engine, jax in engines.items()}
        firsts = {engine: [np.asarray(call()) for _ in range(3)] for engine, call in made.items()}
        for engine in list(made):
            if not np.allclose(firsts[engine], firsts["minigrad"], rtol=1e-3, atol=1e-5):
                say(f"[red]{name}: {engine} disagrees, not timed")
                del made[engine]
        times: dict[str, list[float]] = {engine: [] for engine in made}
        for _ in range(3 if quick else 60):
            for engine, call in made.items():
                start = time.perf_counter()
                for _ in range(100):
                    call()
                np.asarray(call())
                times[engine].append((time.perf_counter() - start) / 101)
        found[name] = {"bar": bar * 1e-6, **{engine: float(np.median(t)) for engine, t in times.items()}}
        say(f"{name}: " + ", ".join(f"{engine} {1e6 * t:.1f} µs" for engine, t in found[name].items()))
    return found
