"""The training loop: a run that is killed or stopped and goes on ends with the same bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from children import GUARD

import minigrad as mg
from minigrad import io
from minigrad.errors import CheckpointError, DTypeError, NonFiniteError
from minigrad.experiments import Config, Run
from minigrad.train import Metrics, RunError, locked, train

SMALL = Config.of("copy", "lstm", hidden=8, bits=2, lengths=(1, 3), batch=2, steps=60, until=0.0, evaluate_every=10)
RUNNER = """
import os, signal, sys
from pathlib import Path
from minigrad.experiments import Run

FUNCTIONS, METHODS = {open, os.replace, os.rename, os.unlink, os.remove, os.mkdir, os.fsync}, {"write", "flush"}
moments, last = 0, int(sys.argv[2])

def moment():
    global moments
    moments += 1
    if moments == last:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(frame, event, called):
    if event == "c_call" and (called in FUNCTIONS or called.__name__ in METHODS):
        moment()

sys.setprofile(watch)
outcome = Run.open(Path(sys.argv[1])).train(lambda event: None, lambda step, numbers: moment())
print(outcome.reason, outcome.step, moments)
"""


def start(folder, last=0):
    """(its exit code, what it prints: reason, step, moments) of a run that is killed at the last of so many moments, or never.

    Moments are calls that change files, before they do, and steps.
    """
    process = subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder), str(last)], stdout=subprocess.PIPE, text=True, timeout=GUARD, check=False
    )
    return process.returncode, process.stdout.split()


def quiet(run):
    return run.train(lambda event: None, lambda step, numbers: None)


def final(folder):
    return (folder / "checkpoints" / f"step-{SMALL.steps:09d}.safetensors").read_bytes()


def evaluations(folder):
    return [{k: v for k, v in e.items() if k not in ("seconds", "time")} for e in Metrics.read(folder / "metrics.jsonl")]


def check_kills(tmp_path, kills):
    """Kill a run at random moments, going on each time; compare with one that was left alone."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        Run.create(folder, SMALL)
    code, (*outcome, moments) = start(whole)
    assert (code, outcome) == (0, ["steps", str(SMALL.steps)])
    rng = np.random.default_rng(0)
    codes = [start(broken, int(rng.integers(1, int(moments) // 3)))[0] for _ in range(kills)]
    assert set(codes) <= {0, -signal.SIGKILL}
    assert -signal.SIGKILL in codes
    assert start(broken)[0] == 0
    assert final(broken) == final(whole)
    assert evaluations(broken) == evaluations(whole)


def test_killed_and_resumed_is_the_same_bit_for_bit(tmp_path):
    check_kills(tmp_path, kills=1)


@pytest.mark.sweep
def test_killed_twenty_times_is_the_same_bit_for_bit(tmp_path):
    check_kills(tmp_path, kills=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_request_saves_and_the_run_goes_on(tmp_path, number):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    quiet(Run.create(whole, SMALL))

    def stop(step, numbers):
        if step == 13:
            os.kill(os.getpid(), number)

    outcome = Run.create(broken, SMALL).train(lambda event: None, stop)
    assert (outcome.reason, outcome.step, outcome.signal) == ("interrupted", 13, number)
    assert outcome.checkpoint == broken / "checkpoints" / "step-000000013.safetensors"
    assert outcome.checkpoint.exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert quiet(Run.open(broken)).reason == "steps"
    assert final(broken) == final(whole)


def test_progress_may_ask_to_stop(tmp_path):
    outcome = Run.create(tmp_path / "run", SMALL).train(lambda event: None, lambda step, numbers: step == 13)
    assert (outcome.reason, outcome.step, outcome.signal) == ("interrupted", 13, 0)
    assert outcome.checkpoint.exists()


def test_a_second_ctrl_c_acts_at_once(tmp_path):
    def stop(step, numbers):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Run.create(tmp_path / "r", SMALL).train(lambda event: None, stop)


def test_a_finished_run_only_says_so(tmp_path):
    run = Run.create(tmp_path / "r", SMALL)
    quiet(run)
    before = final(run.folder)
    outcome = quiet(Run.open(run.folder))
    assert (outcome.reason, outcome.step) == ("steps", SMALL.steps)
    assert final(run.folder) == before
    assert all(leaf.node.op.name == "parameter" for leaf in mg.tree.leaves(outcome.model))


def test_more_steps_go_on_from_the_end(tmp_path):
    run = Run.create(tmp_path / "r", SMALL)
    quiet(run)
    assert quiet(Run.open(run.folder, steps=70)).step == 70
    assert [e["step"] for e in Metrics.read(run.metrics) if "evaluation" in e] == list(range(10, 71, 10))


def line(key, step):
    """y = 2x + 1 with noise-free data that depends on (key, step) alone."""
    x = mg.random.normal(mg.random.fold_in(key, step), (8,)).numpy()
    return x, 2 * x + 1


def fit(model, x, y):
    loss = mg.mse(model["a"] * x + model["b"], y)
    return loss, {"root": mg.sqrt(loss)}


def fresh():
    return {"a": mg.parameter(0.0), "b": mg.parameter(0.0)}


def test_any_model_trains_and_stops_when_it_has_learned(tmp_path):
    events = []
    outcome = train(
        fresh(), mg.optim.Adam(0.1), fit, line, folder=tmp_path, steps=1000, key=mg.random.key(1), report=events.append, log_every=10,
        evaluate=lambda m, step: {"learned": abs(float(m["a"]) - 2) < 0.01}, evaluate_every=20, save_every=50, keep=2,
    )  # fmt: skip
    assert outcome.reason == "learned"
    assert outcome.step < 1000
    assert outcome.step % 20 == 0
    np.testing.assert_allclose([float(outcome.model["a"]), float(outcome.model["b"])], [2, 1], atol=0.02)
    assert events == Metrics.read(tmp_path / "metrics.jsonl")
    assert set(events[0]) == {"step", "loss", "norm", "root", "lr", "seconds", "time"}
    assert len(list((tmp_path / "checkpoints").iterdir())) <= 2
    meta = io.meta(outcome.checkpoint)
    assert meta == {"config": {}, "key": [1, 0], "position": outcome.step, "step": outcome.step}
    again = train(
        fresh(), mg.optim.Adam(0.1), fit, line, folder=tmp_path, steps=1000, key=mg.random.key(1),
        evaluate=lambda m, step: {"learned": True}, evaluate_every=20,
    )  # fmt: skip
    assert (again.reason, again.step) == ("learned", outcome.step)


def test_another_key_or_config_is_refused(tmp_path):
    settings = {"folder": tmp_path, "steps": 5}
    train(fresh(), mg.optim.SGD(0.1), fit, line, key=mg.random.key(1), config={"lr": 0.1}, **settings)
    for key, config in ((2, {"lr": 0.1}), (1, {"lr": 0.2})):
        with pytest.raises(CheckpointError, match="other settings"):
            train(fresh(), mg.optim.SGD(0.1), fit, line, key=mg.random.key(key), config=config, **settings)
    with pytest.raises(CheckpointError, match="not for this model"):
        train(fresh(), mg.optim.Adam(0.1), fit, line, key=mg.random.key(1), config={"lr": 0.1}, **settings)


def test_nan_is_explained_and_the_checkpoints_stay(tmp_path):
    def broken(key, step):
        x, y = line(key, step)
        return (np.full_like(x, -1) if step == 7 else np.abs(x) + 1), y

    def loss(model, x, y):
        return mg.mean(mg.square(mg.log(x) * model["a"] + model["b"] - y)), {}

    with pytest.raises(NonFiniteError, match=r"step 8: loss = nan(.|\n)*log(.|\n)*mg\.log\(x\)"):
        train(fresh(), mg.optim.SGD(0.01), loss, broken, folder=tmp_path, steps=20, key=mg.random.key(0), save_every=5)
    assert io.Checkpoints(tmp_path / "checkpoints").steps() == [5]


def test_a_seed_is_a_key(tmp_path):
    results = [
        train(fresh(), mg.optim.SGD(0.1), fit, line, folder=tmp_path / name, steps=3, key=key).model
        for name, key in [("seed", 7), ("key", mg.random.key(7))]
    ]
    assert results[0]["a"].item() == results[1]["a"].item()


def test_an_evaluation_may_give_numpy_numbers_and_tensors(tmp_path):
    found = {"loss": np.float32(0.5), "counts": np.arange(2), "error": mg.tensor(0.25), "learned": np.bool_(False)}
    train(fresh(), mg.optim.SGD(0.1), fit, line, folder=tmp_path, steps=2, key=0, evaluate=lambda model, step: found)
    assert Metrics.read(tmp_path / "metrics.jsonl")[-1]["evaluation"] == {"loss": 0.5, "counts": [0, 1], "error": 0.25, "learned": False}


@pytest.mark.parametrize(("result", "words"), [(np.float64(0.3), "not a dict"), (None, "not a dict"), ({"f": print}, "metrics.jsonl")])
def test_an_evaluation_that_cannot_be_recorded_is_refused(tmp_path, result, words):
    with pytest.raises(DTypeError, match=words):
        train(fresh(), mg.optim.SGD(0.1), fit, line, folder=tmp_path, steps=2, key=0, evaluate=lambda model, step: result)


def test_a_loss_alone_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(DTypeError, match=r"loss returned Tensor.*not a scalar and a dict .* Return loss, \{\}"):
        train(fresh(), mg.optim.SGD(0.1), lambda *batch: fit(*batch)[0], line, folder=tmp_path, steps=2, key=0)


@pytest.mark.parametrize("name", ["step", "seconds", "time", "evaluation", "evaluation.error", "lr"])
def test_a_number_that_a_loss_logs_is_written_as_it_is_or_refused(tmp_path, name):
    def loss(model, *batch):
        return fit(model, *batch)[0], {name: mg.tensor(7.0)}

    def run():
        train(fresh(), mg.optim.SGD(0.1), loss, line, folder=tmp_path, steps=1, key=0, log_every=1)
        return Metrics.read(tmp_path / "metrics.jsonl")[-1][name]

    if name == "lr":
        assert run() == 7
    else:
        with pytest.raises(mg.errors.SettingError, match=rf"loss logs {name}, which train writes"):
            run()


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    with locked(tmp_path), pytest.raises(RunError, match="another process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_metrics_cut_short_or_ahead_of_the_checkpoint_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [{"step": s, "loss": 1.0, "seconds": 0.5 * s} for s in (1, 2, 3)]
    path.write_text("".join(json.dumps(e) + "\n" for e in lines) + '{"step": 4, "lo')
    metrics = Metrics(path, 2, lambda event: None)
    metrics.write({"step": 3, "loss": 2.0})
    found = Metrics.read(path)
    assert [e["step"] for e in found] == [1, 2, 3]
    assert found[-1]["loss"] == 2
    assert found[-1]["seconds"] >= 1


@pytest.mark.parametrize(
    "line",
    [b'{"step": "four", "seconds": 1}', b'{"step": 4, "seconds": null}', b'{"step": true, "seconds": 1}', b'{"step": NaN, "seconds": 1}',
     b"\xff\xfe\x00", b'{"step": 4, "seconds": 1, "note": "\xe9"}', b"[1, 2]", b"", b"[" * 100_000],
)  # fmt: skip
def test_a_damaged_line_of_metrics_is_dropped_alone(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    good = [json.dumps({"step": s, "loss": 1.0, "seconds": 0.5 * s}).encode() for s in (1, 2)]
    path.write_bytes(b"\n".join([good[0], line, good[1]]) + b"\n")
    assert [e["step"] for e in Metrics.read(path)] == [1, 2]
    Metrics(path, 1, lambda event: None).write({"step": 2})
    assert [e["step"] for e in Metrics.read(path)] == [1, 2]


def test_in_another_thread_signals_are_left_alone(tmp_path):
    import threading

    found = []

    def work():
        found.append(train(fresh(), mg.optim.SGD(0.1), fit, line, folder=tmp_path, steps=3, key=mg.random.key(0)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].step == 3
