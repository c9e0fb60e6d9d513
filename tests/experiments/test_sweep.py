"""Many runs at once: what is run, what survives, and what is said of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest

pytest.importorskip("distributed")
pytest.importorskip("typer")

from children import GUARD
from distributed import WorkerPlugin
from rich.console import Console
from typer.testing import CliRunner

from minigrad.cli import app
from minigrad.cli.sweep import tell
from minigrad.experiments import Config, ConfigError, Run
from minigrad.experiments.progress import SweepDisplay
from minigrad.experiments.sweep import connected, grid, groups, open_runs, standing, train_all
from minigrad.train import Metrics, locked

TINY = {"hidden": "4", "lengths": "1-2", "bits": "1", "batch": "2", "evaluate_every": "50", "until": "0", "steps": "100"}
SET = [w for k, v in TINY.items() for w in ("--set", f"{k}={v}")]


def call(*args, code=0):
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.exception)
    return re.sub(r"\s+", " ", result.output)


def quiet(name, event):
    pass


def weights(run):
    return run.checkpoints.path(run.config.steps).read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run that nothing disturbed."""
    run = Run.create(tmp_path_factory.mktemp("alone") / "run", Config.of("copy", "rnn", **{**TINY, "steps": 600}, seed=1))
    run.train(lambda event: None, lambda step, numbers: None)
    return run


# ---- what is run


def test_the_table_shows_what_trains_now_and_how_far_it_is(tmp_path):
    runs = {name: Run.create(tmp_path / name, config) for name, config in grid("copy", ["rnn"], [0, 1], TINY).items()}
    text = StringIO()
    with SweepDisplay(Console(file=text, force_terminal=True, width=100), runs) as display:
        for name in runs:
            display.event(name, {"from": 0})
        first, second = runs
        display.event(first, {"step": 50, "seconds": 2.4, "bits": 1.25, "evaluation": {"bits": 1.5}})
        display.event(second, {"step": 100, "seconds": 3.6})
        display.event(second, {"end": "learned"})
        table = display._table()
    said = re.sub(r"\x1b\[[\d;]*m", "", text.getvalue())
    assert table.title == "1 ended, 1 training"
    assert [list(c.cells) for c in table.columns] == [[first], ["50"], ["2"], ["1.250"], ["1.500"]]
    assert f"{second}: learned after 100 updates, 4 s" in said


def test_a_grid_is_every_combination_named_by_what_differs():
    found = grid("copy", ["rnn", "lstm"], [0, 3], {**TINY, "lr": "1e-2,1e-3", "lengths": "1-2,3-4"})
    assert len(found) == 2 * 2 * 2 * 2
    config = found["lstm-lengths=3-4-lr=0.01-seed=3"]
    assert (config.model, config.lr, config.seed, config.task_settings["lengths"], config.batch) == ("lstm", 0.01, 3, (3, 4), 2)


def test_a_setting_is_of_the_models_that_have_it():
    found = grid("copy", ["lstm", "ntm"], [0], {"memory": "8x4,16x4"})
    assert sorted(found) == ["lstm-seed=0", "ntm-memory=16x4-seed=0", "ntm-memory=8x4-seed=0"]
    with pytest.raises(ConfigError, match=r"no run of lstm on copy has a setting memory: take .*hidden"):
        grid("copy", ["lstm"], [0], {"memory": "8x4"})


def test_runs_of_other_settings_are_refused_and_longer_ones_go_on(tmp_path):
    open_runs(tmp_path, grid("copy", ["rnn"], [0], TINY))
    longer = open_runs(tmp_path, grid("copy", ["rnn"], [0, 1], {**TINY, "steps": "200"}))
    assert [r.config.steps for r in longer.values()] == [200, 200]
    with pytest.raises(ConfigError, match=r"rnn-seed=0 holds a run with other settings \(hidden 4, now 8\)"):
        open_runs(tmp_path, grid("copy", ["rnn"], [0], {**TINY, "hidden": "8"}))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--models", "lsmt"], "model 'lsmt' is unknown: take one of rnn"),
        (["--set", "lr"], "a setting is written NAME=VALUE or NAME=VALUE,VALUE, got 'lr'"),
        (["--set", "lr=fast"], "lr must be a number, got 'fast'"),
        (["--set", "seed=3"], "seeds are given by --seeds 0-4"),
        (["--seeds", "a"], "seeds are written 0-4 or 1,5,7, got 'a'"),
        (["--seeds", "0-3,2"], "each once, got '0-3,2'"),
    ],
)
def test_bad_settings_are_one_message(tmp_path, args, words):
    assert words in call("sweep", "copy", "--out", tmp_path / "out", *args, code=1)
    assert not (tmp_path / "out").exists()


# ---- running


@pytest.fixture(scope="module")
def cluster():
    with connected(2) as client:
        yield client


def test_a_run_that_fails_stops_no_other_and_a_second_call_goes_on(tmp_path, cluster):
    address = cluster.scheduler.address
    command = ["sweep", "copy", "--models", "rnn", "--seeds", "0-2", *SET, "--out", tmp_path, "--scheduler", address]
    with locked(tmp_path / "rnn-seed=1"):
        text = call(*command, code=1)
    for words in ("3 runs in", "3 to train", "rnn-seed=2: begins at update 0", "rnn-seed=2: steps after 100 updates", "rnn-seed=1: failed"):
        assert words in text
    assert re.search(r"rnn-seed=1 failed: RunError: \S+rnn-seed=1: another process is training in this folder", text)
    for part in ("0 of 3 seeds, 1 failed", "more than 200", "guessing", "1.500"):
        assert part in (tmp_path / "results.txt").read_text()
    found = json.loads((tmp_path / "results.json").read_text())
    assert [(g["name"], g["seeds"], g["learned"], g["failed"], g["sequences"]) for g in found["groups"]] == [("rnn", 3, 0, 1, None)]
    assert list(found["errors"]) == ["rnn-seed=1"]
    untouched = tmp_path / "rnn-seed=0" / "metrics.jsonl"
    before = untouched.stat().st_mtime_ns
    assert "1 to train" in call(*command)
    assert "0 to train" in call(*command)
    assert untouched.stat().st_mtime_ns == before
    assert json.loads((tmp_path / "results.json").read_text())["errors"] == {}


class KilledOnce(WorkerPlugin):
    """Workers die at update 210 of seed 1, unless that has left its mark."""

    name = "killed once"

    def __init__(self, mark):
        self.mark = mark

    def setup(self, worker):
        train = Run.train

        def mortal(run, report, progress):
            def step(number, numbers):
                if number == 210 and run.config.seed == 1 and not self.mark.exists():
                    self.mark.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return progress(number, numbers)

            return train(run, report, step)

        Run.train = mortal


def test_a_run_whose_worker_is_killed_goes_on_and_ends_with_the_same_bits(tmp_path, cluster, alone):
    runs = open_runs(tmp_path, grid("copy", ["rnn"], [0, 1], {**TINY, "steps": "600"}))
    begun = {}

    def tell(name, event):
        if "from" in event:
            begun[name] = event["from"]

    cluster.register_plugin(KilledOnce(tmp_path / "mark"))
    assert train_all(runs, cluster, tell) == ({}, 0)
    assert begun == {"rnn-seed=0": 0, "rnn-seed=1": 200}
    assert [standing(r).state for r in runs.values()] == ["steps", "steps"]
    assert weights(runs["rnn-seed=1"]) == weights(alone)


def test_ctrl_c_in_a_terminal_saves_and_says_how_to_go_on(tmp_path):
    """Ctrl-C reaches the whole process group: the workers too."""
    endless = {**TINY, "steps": "1000000"}
    settings = [w for k, v in endless.items() for w in ("--set", f"{k}={v}")]
    command = ["sweep", "copy", "--models", "rnn", "--seeds", "1-3", *settings, "--out", str(tmp_path / "out"), "--workers", "1"]
    program = subprocess.Popen(
        [sys.executable, "-m", "minigrad.cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    folder = tmp_path / "out" / "rnn-seed=1"
    while program.poll() is None and not any(e["step"] >= 100 for e in Metrics.read(folder / "metrics.jsonl")):
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGINT)
    text, _ = program.communicate(timeout=GUARD)
    assert program.returncode == 128 + signal.SIGINT, text
    assert "Stopped and saved. Go on with:" in text
    assert "minigrad sweep copy --models rnn --seeds 1-3 --set hidden=4" in text
    assert "Traceback" not in text
    step = standing(Run.open(folder)).step
    assert step >= 100
    assert standing(Run.open(tmp_path / "out" / "rnn-seed=3")).state == "new"
    stopped = Run.open(folder, steps=step + 50)
    whole = Run.create(tmp_path / "whole", Config.of("copy", "rnn", **{**endless, "steps": step + 50}, lr_steps=endless["steps"], seed=1))
    for run in (stopped, whole):
        run.train(lambda event: None, lambda step, numbers: None)
    assert weights(stopped) == weights(whole)


# ---- what came of it


def test_the_median_counts_seeds_that_have_not_learned_as_more_than_any(tmp_path):
    runs = open_runs(tmp_path, grid("copy", ["rnn"], range(5), TINY))
    for run, (step, learned) in zip(runs.values(), [(50, True), (100, True), (100, False), (100, False), (75, True)], strict=True):
        run.checkpoints.save(step, {"w": 1.0}, {})
        last = {"step": step, "evaluation": {"bits": 0.5, "learned": learned}, "seconds": step}
        run.metrics.write_text(json.dumps(last) + "\n")
    (found,) = groups(runs, {"rnn-seed=2": "boom"})
    assert (found.seeds, found.learned, found.failed, found.sequences, found.seconds) == (5, 3, 1, 200, 100)
    (found,) = groups({k: runs[k] for k in list(runs)[2:]}, {})
    assert (found.learned, found.sequences) == (1, None)


def test_every_group_has_its_own_line_of_guessing_and_a_run_that_goes_on_counts_as_learned(tmp_path):
    settings = {**TINY, "until": "0.6", "lengths": "1,3", "stop": "no"}
    runs = open_runs(tmp_path, grid("copy", ["rnn"], [0], settings))
    for run in runs.values():
        evaluation = {"bits": 0.5, "wrong": 0.0, "bits_harder": 0.9, "wrong_harder": 0.0, "passed": True, "learned": False}
        run.checkpoints.save(100, {"model": run.experiment.model()}, {})
        metrics = [{"step": step, "seconds": 1.0, "evaluation": evaluation} for step in (50, 100)]
        run.metrics.write_text("".join(json.dumps(m) + "\n" for m in metrics))
    tell(tmp_path, runs, {})
    text = re.sub(r"\s+", " ", (tmp_path / "results.txt").read_text())
    assert re.search(r"lengths=1\S* │ 1 of 1 seeds │ 100 │ 1 │ 0.500 │ 1.000 │ 0.000", text), text
    assert re.search(r"lengths=3\S* │ 1 of 1 seeds │ 100 │ 1 │ 0.500 │ 3.000 │ 0.000", text)
