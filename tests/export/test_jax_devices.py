"""examples/outgrow.py: minigrad's training step over several devices and several processes, on simulated devices of the CPU."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import children
import numpy as np
import pytest

import minigrad as mg
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step, train

pytest.importorskip("jax")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).parent.parent.parent
SETTINGS = {"lengths": "3", "bits": 3, "hidden": 8, "memory": "8x4", "lr": 5e-3, "clip_norm": 10}
STEPS, BY_MINIGRAD, KILLED, EVERY = 200, 60, 130, 40
FAST = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

SOURCE = """
import sys
from pathlib import Path
import jax
folder, steps, every, processes, process, port = sys.argv[1], *map(int, sys.argv[2:])
if processes > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
from examples.outgrow import Training, of_batch
print("devices", jax.device_count(), file=sys.stderr, flush=True)
experiment = of_batch(8, **%r)
for step, loss in Training(experiment).run(Path(folder), steps, every):
    print("loss", step, loss, file=sys.stderr, flush=True)  # on stdout Gloo tells of its own
""" % (SETTINGS,)  # noqa: UP031


def start(folder: Path, steps: int, devices: int, processes: int = 1, process: int = 0, port: int = 0) -> Any:
    flags = f"{FAST} --xla_force_host_platform_device_count={devices}"
    return children.start(SOURCE, folder, steps, EVERY, processes, process, port, XLA_FLAGS=flags, PYTHONPATH=str(ROOT))


def losses(text: str) -> dict[int, float]:
    return {int(step): float(loss) for step, loss in re.findall(r"^loss (\d+) (\S+)$", text, re.M)}


def finished(process: Any) -> str:
    _, text = process.communicate(timeout=children.GUARD)
    assert process.returncode == 0, text
    assert "devices 4\n" in text
    return text


def killed(process: Any, last: int) -> str:
    """What a process that is killed at this step has said until then."""
    found = ""
    for line in process.stderr:
        found += line
        if line.startswith(f"loss {last} "):
            process.kill()
            process.communicate()
            return found
    raise AssertionError(found)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment(Config.of("copy", "ntm", batch=8, **SETTINGS))


@pytest.fixture(scope="module")
def expected(experiment: Experiment) -> dict[int, float]:
    """The losses of minigrad's own run."""
    model, optimizer = experiment.model(), experiment.optimizer()
    state, step, found = optimizer.init(model), mg.jit(make_step(experiment.loss, optimizer)), {}
    for done in range(STEPS):
        model, state, numbers = step(model, state, *experiment.data(experiment.keys.data, done))
        found[done + 1] = float(numbers["loss"])
    return found


def agree(found: dict[int, float], expected: dict[int, float]) -> None:
    for step, loss in found.items():
        assert loss == pytest.approx(expected[step], rel=1e-5), step


@pytest.mark.sweep
def test_four_devices_have_the_losses_of_minigrad_killed_and_resumed(experiment: Experiment, expected: Any, tmp_path: Path) -> None:
    """minigrad trains the first steps; JAX goes on from its checkpoint, is killed, and goes on from its own."""
    key, steps = experiment.keys.data, {"save_every": BY_MINIGRAD, "steps": BY_MINIGRAD}
    train(experiment.model(), experiment.optimizer(), experiment.loss, experiment.data, folder=tmp_path, key=key, **steps)
    found = losses(killed(start(tmp_path, STEPS, devices=4), KILLED))
    second = losses(finished(start(tmp_path, STEPS, devices=4)))
    assert min(found) == BY_MINIGRAD + 1
    assert min(second) <= KILLED
    assert (min(second) - 1) % EVERY == 0
    agree({**found, **second}, expected)
    assert max(second) == STEPS
    outcome = train(
        experiment.model(), experiment.optimizer(), experiment.loss, experiment.data, folder=tmp_path, key=key, steps=STEPS + 1, log_every=1
    )
    assert outcome.step == STEPS + 1
    assert outcome.state.step.item() == STEPS + 1


@pytest.mark.sweep
def test_two_processes_of_two_devices_have_the_losses_of_minigrad(expected: Any, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [start(tmp_path, EVERY, 2, processes=2, process=i, port=port) for i in range(2)]
    for found in map(losses, map(finished, both)):
        assert len(found) == EVERY
        agree(found, expected)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


@pytest.mark.sweep
def test_a_step_on_one_device_has_the_loss_of_minigrad(experiment: Experiment, tmp_path: Path) -> None:
    from examples.outgrow import Training

    found = dict(Training(experiment).run(tmp_path, 2, save_every=1))
    model, optimizer = experiment.model(), experiment.optimizer()
    state, step = optimizer.init(model), make_step(experiment.loss, optimizer)
    for done in range(2):
        model, state, numbers = step(model, state, *experiment.data(experiment.keys.data, done))
        assert found[done + 1] == pytest.approx(float(numbers["loss"]), rel=1e-6)
    kept, notes, _ = mg.io.Checkpoints(tmp_path / "checkpoints").restore({"model": model, "optimizer": state})
    assert notes["step"] == 2
    for a, b in zip(mg.tree.leaves(kept), mg.tree.leaves({"model": model, "optimizer": state}), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)
