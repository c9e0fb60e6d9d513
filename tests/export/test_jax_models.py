"""Every model and its gradient in JAX, and as a file for all sizes that is read without minigrad."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minigrad.models.registry import MODELS
from shares import swept

import minigrad as mg

jax = pytest.importorskip("jax")

from jaxed import FAST  # noqa: E402

from minigrad.export.jax import arrays, save, to_jax  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "rnn": {"hidden": 5},
    "lstm": {"hidden": 5, "peephole": True},
    "gru": {"hidden": 5},
    "attention": {"hidden": 5},
    "transformer": {"hidden": 8, "heads": 2, "layers": 1},
    "ntm": {"hidden": 5, "memory": (6, 4)},
    "mann": {"hidden": 5, "memory": (6, 4), "heads": 2},
    "dnc": {"hidden": 5, "memory": (6, 4), "heads": 2},
    "linear-attention": {"hidden": 4, "feature": "dpfp", "convolution": True},
    "deltanet": {"hidden": 4, "gated": True, "product": 2},
    "fast-weights": {"hidden": 5},
    "rwkv7": {"hidden": 4},
    "slstm": {"hidden": 6, "heads": 2, "convolution": True},
    "mlstm": {"hidden": 6, "heads": 2, "convolution": True},
    "mingru": {"hidden": 5},
    "minlstm": {"hidden": 5},
    "s6": {"hidden": 4, "states": 3, "convolution": True},
    "ttt": {"hidden": 4, "mini_batch": 3},
    "titans": {"hidden": 4},
    "memn2n": {"hidden": 4, "hops": 2, "sentences": 3},
    "hopfield": {"hidden": 4, "updates": 2},
    "cnn": {"hidden": 5, "kernel": 3},
    "sam": {"hidden": 5, "memory": (6, 4), "heads": 2, "nearest": 3},
    "stack-rnn": {"hidden": 5, "stacks": 2, "cells": 5},
    "tape-rnn": {"hidden": 5, "cells": 5, "cell_size": 2, "writer": 3},
    "feedforward": {"hidden": 5},
}
SIZES = [(7, 4), (1, 1)]  # XLA compiles a file for each
EVERY = [name if name == "rnn" else swept(name) for name in MODELS]


def model(name: str) -> Any:
    return mg.tree.map(lambda t: t.astype("float64"), MODELS[name](1, 3, 2, **SMALL[name]))


def loss(model: Any, xs: Any) -> Any:
    return mg.mean(mg.square(model(xs) - 0.3))


def data(T: int, B: int) -> Any:
    return np.random.default_rng(T).standard_normal((T, B, 3))


def same(found: Any, expected: Any) -> None:
    a, b = mg.tree.leaves(found), mg.tree.leaves(expected)
    for x, y, path in zip(a, b, mg.tree.paths(mg.tree.flatten(expected)[1]), strict=True):
        np.testing.assert_allclose(np.asarray(x), y.numpy(), rtol=1e-12, atol=1e-13, err_msg=path)


@pytest.mark.parametrize("name", EVERY)
def test_a_model_and_its_gradients_by_minigrad_and_by_jax(name: str) -> None:
    given, xs = model(name), data(4, 2)
    expected = mg.value_and_grad(loss)(given, xs)
    with jax.enable_x64(True):
        for f in (to_jax(mg.value_and_grad(loss)), jax.value_and_grad(to_jax(loss))):
            same(jax.jit(f).lower(arrays(given), xs).compile(compiler_options=FAST)(arrays(given), xs), expected)


READER = """
import sys
sys.modules["minigrad"] = None
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
exported = jax.export.deserialize(open(sys.argv[1], "rb").read())
assert exported.platforms == ("cpu", "cuda", "tpu")
given = dict(np.load(sys.argv[2]))
model = {name.removeprefix("model."): value for name, value in given.items() if name.startswith("model.")}
found = {}
for size in sys.argv[4:]:
    value, grads = exported.call(model, given[size])
    found |= {size: value, **{f"{size}.{name}": g for name, g in grads.items()}}
np.savez(sys.argv[3], **found)
"""


@pytest.mark.sweep
@pytest.mark.parametrize("name", MODELS)
def test_a_file_for_all_sizes_is_read_where_minigrad_is_not(name: str, tmp_path: Path) -> None:
    given = model(name)
    path = save(tmp_path / "step.jax", mg.value_and_grad(loss), given, data(4, 2), axes={"xs": ("T", "B")})
    leaves, treedef = mg.tree.flatten(given)
    weights = {f"model.{n}": t.numpy() for n, t in zip(mg.io.names(treedef), leaves, strict=True)}
    np.savez(tmp_path / "given.npz", **weights, **{f"{T}x{B}": data(T, B) for T, B in SIZES})
    files = [str(tmp_path / n) for n in ("step.jax", "given.npz", "found.npz")]
    flags = " ".join(f"--{name}={str(value).lower()}" for name, value in FAST.items())
    command = [sys.executable, "-c", READER, *files, *(f"{T}x{B}" for T, B in SIZES)]
    subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, check=True)
    found = np.load(tmp_path / "found.npz")
    for T, B in SIZES:
        value, grads = mg.value_and_grad(loss)(given, data(T, B))
        same([found[f"{T}x{B}"], *(found[f"{T}x{B}.{n}"] for n in mg.io.names(treedef))], [value, *mg.tree.leaves(grads)])
    assert path.stat().st_size < 100_000


@pytest.mark.sweep
def test_a_whole_training_step_is_one_file_for_all_sizes(tmp_path: Path) -> None:
    """The state of the optimiser is a dict by the names of a checkpoint, as the model is, and goes from call to call."""
    given, optimizer = model("gru"), mg.optim.Adam(1e-2, clip_norm=0.1)

    def step(model: Any, state: Any, xs: Any) -> Any:
        value, grads = mg.value_and_grad(loss)(model, xs)
        return *optimizer.update(model, grads, state), value

    state = optimizer.init(given)
    path = save(tmp_path / "step.jax", step, given, state, data(4, 2), axes={"xs": ("T", "B")})
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    held = [dict(zip(mg.io.names(mg.tree.flatten(t)[1]), map(np.asarray, mg.tree.leaves(t)), strict=True)) for t in (given, state)]
    for T, B in SIZES:
        with jax.enable_x64(True):
            *held, value = exported.call(*held, data(T, B))
        given, state, expected = step(given, state, data(T, B))
        same([value, *(held[0][n] for n in mg.io.names(mg.tree.flatten(given)[1]))], [expected, *mg.tree.leaves(given)])
    assert int(held[1]["step"]) == len(SIZES)
