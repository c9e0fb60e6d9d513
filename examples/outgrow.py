"""Outgrow one machine: a training step of minigrad on a GPU, or shared by many devices and machines, by JAX.

    python -m examples.outgrow RUN                  # trains an NTM to copy on all devices that JAX sees, and goes on where RUN stopped
    python -m examples.outgrow RUN --measure        # steps a second at B = 64, 1,024 and 16,384, beside minigrad on the CPU

The step is the one that mg.train runs: loss, gradient and optimiser. Each device has the whole model and its rows of the batch; XLA adds up
the gradients. The checkpoints are minigrad's own: mg.train, `minigrad inspect` and this file go on from each other's.

On many machines start it on each, with RUN on a disk that all see:

    python -m examples.outgrow RUN --coordinator HOST:PORT --processes 4 --process 0      # and 1, 2, 3

A batch is a pure function of (key, step), so each machine makes the batch and keeps its rows, and no data is sent. JAX compiles for each
length of a sequence again, so train with one length, or a few.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import minigrad as mg
from minigrad.experiments import Config, Experiment
from minigrad.train import make_step

BATCHES = 64, 1024, 16384


def of_batch(batch: int, **settings: Any) -> Experiment:
    given = {"lengths": "20", "hidden": 100, "memory": "128x20", "lr": 1e-3, "clip_norm": 10, **settings}
    return Experiment(Config.of("copy", "ntm", batch=batch, **given))


class Training:
    """A training step on all devices, in a mesh with one axis, over which the rows of a batch are divided."""

    def __init__(self, experiment: Experiment):
        self.experiment = experiment
        mesh = Mesh(np.array(jax.devices()), ("rows",))
        self.whole, self.rows = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (None, "rows")))
        step = mg.export.to_jax(make_step(experiment.loss, experiment.optimizer()))
        self.step = jax.jit(step, donate_argnums=(0, 1), out_shardings=(self.whole, self.whole, self.whole))

    def placed(self, tree: Any, sharding: NamedSharding) -> Any:
        """The tree on the devices. Each machine gives what its devices keep."""
        with jax.enable_x64(True):
            leaves = jax.tree.map(np.asarray, mg.export.jax.arrays(tree))
            return jax.tree.map(lambda a: jax.make_array_from_callback(a.shape, sharding, lambda at: a[at]), leaves)

    def batch(self, step: int) -> Any:
        return self.placed(self.experiment.data(self.experiment.keys.data, step), self.rows)

    def begin(self, store: mg.io.Checkpoints) -> tuple[Any, Any, int]:
        """The model, the state of its optimiser, and the steps done: of the newest checkpoint, if there is one."""
        model = self.experiment.model()
        tree, step = {"model": model, "optimizer": self.experiment.optimizer().init(model)}, 0
        if store.steps():
            tree, notes, _ = store.restore(tree)
            step = notes["step"]
        placed = self.placed(tree, self.whole)
        return placed["model"], placed["optimizer"], step

    def run(self, folder: Path, steps: int, save_every: int = 500) -> Iterator[tuple[int, float]]:
        """The number and the loss of each step. The first machine writes the checkpoints."""
        store = mg.io.Checkpoints(folder / "checkpoints")
        notes = {"config": {}, "key": [int(n) for n in self.experiment.keys.data.numpy()]}
        model, state, done = self.begin(store)
        while done < steps:
            model, state, found = self.step(model, state, *self.batch(done))
            done += 1
            if (done % save_every == 0 or done == steps) and jax.process_index() == 0:
                store.save(done, jax.tree.map(np.asarray, {"model": model, "optimizer": state}), {**notes, "position": done})
            yield done, float(found["loss"])


def rate(step: Any, model: Any, state: Any, batch: Any, seconds: float = 5.0) -> float:
    """Steps a second, each with its loss as a number, so that it is done."""
    model, state, _ = step(model, state, *batch)  # compiles
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        model, state, found = step(model, state, *batch)
        float(found["loss"])
        count += 1
    return count / passed


def measure(batch: int) -> None:
    experiment = of_batch(batch)
    model, optimizer = experiment.model(), experiment.optimizer()
    ours = rate(mg.jit(make_step(experiment.loss, optimizer)), model, optimizer.init(model), experiment.data(experiment.keys.data, 0))
    try:
        training = Training(experiment)
        placed = (training.placed(tree, training.whole) for tree in (model, optimizer.init(model)))
        theirs = f"{rate(training.step, *placed, training.batch(0)):8.3f}"
    except jax.errors.JaxRuntimeError as error:  # it does not fit into the memory of the devices
        theirs = str(error).splitlines()[0]
    print(f"B = {batch:6,}: minigrad on the CPU {ours:8.3f} steps/s, JAX {theirs} steps/s", flush=True)


def main() -> None:
    p = argparse.ArgumentParser("examples.outgrow")
    p.add_argument("folder", type=Path)
    p.add_argument("--steps", type=int, default=3000)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--measure", type=int, nargs="*", metavar="B", help="only measure steps a second, at these sizes of a batch")
    p.add_argument("--coordinator")
    p.add_argument("--processes", type=int, default=1)
    p.add_argument("--process", type=int, default=0)
    chosen = p.parse_args()
    if chosen.coordinator:
        jax.distributed.initialize(chosen.coordinator, chosen.processes, chosen.process)
    print(f"{jax.device_count()} × {jax.devices()[0].device_kind}")
    if chosen.measure is not None:
        for batch in chosen.measure or BATCHES:
            measure(batch)
        return
    for step, loss in Training(of_batch(chosen.batch)).run(chosen.folder, chosen.steps):
        if step % 50 == 0 and jax.process_index() == 0:
            print(f"step {step:6,}: loss {loss:.4f}")


if __name__ == "__main__":
    main()
