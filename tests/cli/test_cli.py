"""The command line, in this process and as a program."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typer")
pytest.importorskip("matplotlib")

from shares import swept
from typer.testing import CliRunner

import minigrad as mg
from minigrad.cli import app
from minigrad.experiments import Experiment, Run, pictures
from minigrad.experiments.config import Config
from minigrad.train import Metrics

TINY = ["--hidden", "8", "--bits", "2", "--lengths", "1-3", "--batch", "2", "--evaluate-every", "5", "--until", "0"]
MODELS_OWN = {
    "ntm": ["--memory", "8x4"],
    "mann": ["--memory", "8x4", "--heads", "2"],
    "rnn": [],
    "transformer": ["--layers", "1", "--heads", "2"],
}
some_models = pytest.mark.parametrize("model", [swept(m) if m == "mann" else m for m in MODELS_OWN])
pytestmark = pytest.mark.usefixtures("interpreted")


def call(*args, code=0):
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.exception)
    return re.sub(r"\s+", " ", result.output)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By model, a finished run of it, with what training printed."""

    @cache
    def run_of(model):
        folder = tmp_path_factory.mktemp("runs") / model
        return folder, call("train", "copy", "--model", model, *TINY, *MODELS_OWN[model], "--steps", "10", "--out", folder)

    return run_of


@some_models
def test_train_writes_a_run(trained, model):
    folder, text = trained(model)
    assert {p.name for p in folder.iterdir()} >= {"config.json", "metrics.jsonl", "checkpoints", "pictures"}
    events = Metrics.read(folder / "metrics.jsonl")
    assert [e["step"] for e in events if "evaluation" in e] == [5, 10]
    assert all(json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines())
    assert Config.from_json(json.loads((folder / "config.json").read_text())).model == model
    for part in (
        "All steps done, not learned after 10 updates, 20 sequences",
        "guessing: 4.000 bits",
        "harder, lengths 6",
        "guessing: 12.000 bits",
        "Look at:",
    ):
        assert part in text
    assert f"--resume {folder} --steps 20" in text


@some_models
def test_pictures_are_svg_with_labelled_axes(trained, model):
    folder = trained(model)[0] / "pictures"
    wanted = {"learning.svg", "outputs.svg", "outputs-harder.svg", "unrolled.svg"}
    wanted |= {"memory.svg"} if model != "transformer" else set()
    assert {p.name for p in folder.iterdir()} == wanted | ({"inside.svg"} if model in ("ntm", "mann") else set())
    for path in folder.iterdir():
        assert ET.fromstring(path.read_bytes()).tag.endswith("svg")
    text = (folder / "learning.svg").read_text()
    for label in ("sequences seen (thousands)", "cost (bits a sequence)", "guessing, 4.000", "fresh, as trained", "fresh, lengths 6"):
        assert f"<!-- {label} -->" in text
    if "memory.svg" in wanted:
        text = (folder / "memory.svg").read_text()
        heads = (" 1", " 2") if model == "mann" else ("",)
        memory = ("8 slots", *(f"{side} weighting w{head}" for side in ("write", "read") for head in heads))
        for label in ("time step t", *(memory if "--memory" in MODELS_OWN[model] else ("hidden state h",))):
            assert f">{label}<" in text


def test_pictures_are_the_same_bytes_when_drawn_again(trained):
    folder = trained("ntm")[0]
    before = {p.name: p.read_bytes() for p in (folder / "pictures").iterdir()}
    assert "Look at:" in call("draw", folder)
    assert {p.name: p.read_bytes() for p in (folder / "pictures").iterdir()} == before


def test_recorded_weightings_are_those_of_the_loop():
    experiment = Experiment(Config.of(hidden=6, memory=(7, 3), bits=2, heads=2))
    model, (xs, _, _) = experiment.model(), experiment.data(experiment.keys.data, 0)
    found = pictures.record(model, xs, ["w_write", "w_read", "r"])
    state, w = model.initial_state(xs.shape[1]), []
    for x in xs:
        state, _ = model.step(state, mg.tensor(x))
        w.append(state.w_write.numpy()[0])
    np.testing.assert_allclose(found["w_write"], np.stack(w), rtol=1e-5)
    assert found["r"].shape == (len(xs), 2, 3)


def test_a_sparse_memory_has_the_pictures_of_a_memory(tmp_path):
    experiment = Experiment(Config.of(model="sam", hidden=6, memory=(7, 3), bits=2))
    model = experiment.model()
    text = pictures.memory(experiment, model, tmp_path / "memory.svg").read_text()
    assert all(label in text for label in ("write weighting w", "read weighting w", "added a", "7 slots"))
    assert "7 slots" in pictures.inside(experiment, model, tmp_path / "inside.svg").read_text()


def test_info_and_eval(trained):
    folder = trained("ntm")[0]
    text = call("info", folder)
    assert all(part in text for part in ("8x4", "1-3", "parameters", "checkpoints at steps", "guessing: 4.000 bits", "at lengths 6"))
    text = call("eval", folder, "--lengths", "2,9", "--sequences", "10")
    assert "18.000" in text
    assert all(f" {n} " in call("eval", folder) for n in ("1-3", "6", "12"))
    assert "lengths must be at least 1" in call("eval", folder, "--lengths", "0", code=1)
    assert "eval takes settings of copy, as --lengths 10,20" in call("eval", folder, "--items", "2", code=1)


@pytest.mark.parametrize(
    ("task", "settings", "measure", "pictures"),
    [
        ("delayed-recall", ["--lag", "1-3"], "right", {"outputs.svg", "outputs-harder.svg"}),
        ("adding", ["--length", "4"], "squared error", set()),
    ],
)
def test_tasks_of_classes_and_numbers_speak_of_their_own_measures(tmp_path, task, settings, measure, pictures):
    small = ["--model", "rnn", "--hidden", "4", "--batch", "2", "--steps", "4", "--evaluate-every", "4"]
    text = call("train", task, *settings, *small, "--out", tmp_path / "r")
    assert re.search(rf"harder, (lag 6|length 8): .*{measure}.*; guessing: .*{measure}", text)
    assert {p.name for p in (tmp_path / "r" / "pictures").iterdir()} == {"learning.svg", "memory.svg", "unrolled.svg"} | pictures
    assert "guessing" in call("info", tmp_path / "r")
    assert measure in call("eval", tmp_path / "r", "--sequences", "5")
    assert f"minigrad train {task} --resume" in call("train", "copy", "--resume", tmp_path / "r", code=1)


def test_a_task_is_trained_on_under_its_earlier_name(tmp_path):
    small = ["--model", "rnn", "--hidden", "3", "--distance", "0-1", "--batch", "2", "--steps", "1", "--no-pictures"]
    assert "on coreference" in call("train", "he", *small, "--out", tmp_path / "r")
    assert "not learned after 2 updates" in call("train", "he", "--resume", tmp_path / "r", "--steps", "2", "--no-pictures")
    assert " he " not in call("train", "--help")


def test_a_start_is_chosen_by_its_earlier_name(tmp_path):
    text = call("train", "copy", "--start", "tape", "--memory", "8x4", *TINY, "--steps", "1", "--no-pictures", "--out", tmp_path / "r")
    assert "start location" in text
    assert Run.open(tmp_path / "r").config.model_settings["start"] == "location"


def test_resume_goes_on_and_takes_no_other_settings(trained, tmp_path):
    folder = trained("rnn")[0]
    assert "not learned after 12 updates" in call("train", "copy", "--resume", folder, "--steps", "12", "--no-pictures")
    assert json.loads((folder / "config.json").read_text())["steps"] == 12
    assert "has made 12 updates, more than steps=5: give 12 or more" in call("train", "copy", "--resume", folder, "--steps", "5", code=1)
    assert json.loads((folder / "config.json").read_text())["steps"] == 12
    assert "leave out --batch, --lr" in call("train", "copy", "--resume", folder, "--lr", "0.1", "--batch", "3", code=1)
    assert "no run that can be read" in call("train", "copy", "--resume", tmp_path, code=1)
    assert "holds a run already" in call("train", "copy", "--out", folder, code=1)


def test_what_is_printed_has_the_name_of_the_folder_and_a_command_that_a_shell_reads(tmp_path):
    folder = tmp_path / "lr [b] :x: [/]"
    printed = call("train", "copy", "--model", "rnn", *TINY, "--steps", "5", "--out", folder, "--no-pictures")
    assert f"in {folder} " in printed
    command = shlex.split(printed.partition("More: ")[2])
    assert f"All steps done, not learned after {command[-1]} updates" in call(*command[1:], "--no-pictures")
    assert call("info", folder).startswith(f"{folder} ")
    assert call("eval", folder, "--sequences", "2").startswith(f"{folder} at step ")
    assert f"minigrad: {folder} holds a run already" in call("train", "copy", "--out", folder, code=1)
    assert "minigrad: [b].py:X: " in call("train", "copy", "--model", "[b].py:X", code=1)


def test_a_run_stops_when_it_has_learned(tmp_path, monkeypatch):
    monkeypatch.delenv("MINIGRAD_JIT")
    args = ["--model", "lstm", "--hidden", "16", "--bits", "1", "--lengths", "1-1", "--lr", "0.03", "--steps", "2000", "--until", "0.5"]
    text = call("train", "copy", *args, "--evaluate-every", "50", "--out", tmp_path / "r", "--no-pictures")
    assert "Learned after" in text or "All steps done" in text
    last = [e for e in Metrics.read(tmp_path / "r" / "metrics.jsonl") if "evaluation" in e][-1]
    assert last["evaluation"]["learned"] == ("Learned after" in text)
    assert last["evaluation"]["learned"] == (last["evaluation"]["bits"] < 0.5 and last["evaluation"]["wrong_harder"] == 0)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model", "gpt"], "model 'gpt' is unknown: take one of rnn, lstm, gru, attention, transformer, ntm, mann, dnc"),
        (["--controller", "x"], "controller 'x' is unknown"),
        (["--memory", "128"], "memory is written 128x20"),
        (["--memory", "0x3"], "memory must be at least 1"),
        (["--lengths", "a"], "lengths are written 1-20"),
        (["--lengths", "5-2"], "from the smallest to the greatest"),
        (["--lengths", "0-2"], "lengths must be at least 1"),
        (["--batch", "0"], "batch must be at least 1"),
        (["--seed", "-1"], "seed must be at least 0"),
        (["--seed", str(2**64)], "seed must be in"),
        (["--bits", "x"], "bits must be a whole number, got 'x'"),
        (["--model", "lstm", "--memory", "8x4"], "a run of lstm on copy has no setting 'memory': take lengths, bits, hidden"),
        (["--model", "transformer", "--hidden", "7"], "no multiple of heads=4"),
        (["--schedule", "x"], "schedule 'x' is unknown: take one of constant, cosine, exponential"),
        (["--lr", "nan"], "lr must be a finite number"),
        (["--lr", "-1"], "lr must be a finite number"),
        (["--clip-norm", "0"], "clip_norm must be a finite number"),
        (["--until", "nan"], "until must be a number"),
    ],
)
def test_bad_settings_are_refused_before_a_folder_is_made(tmp_path, args, message):
    assert message in call("train", "copy", *args, "--out", tmp_path / "r", code=1)
    assert not (tmp_path / "r").exists()


def test_train_without_a_task_says_how_it_is_used():
    assert "Usage: " in CliRunner().invoke(app, ["train"]).output
    assert "task 'copi' is unknown: take one of copy, repeat-copy" in call("train", "copi", code=1)


def test_draw_a_model(tmp_path):
    for model in ("ntm", "lstm", "transformer"):
        call("draw", model, "--out", tmp_path / f"{model}.svg", "--steps", "2")
        assert ET.fromstring((tmp_path / f"{model}.svg").read_bytes()).tag.endswith("svg")
    assert "neither the folder of a run nor a model" in call("draw", "nothing", code=1)


def test_runs_without_a_folder_get_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        call("train", "copy", "--model", "rnn", *TINY, "--steps", "1", "--no-pictures")
    assert sorted(p.name for p in Path("runs").iterdir()) == ["copy-rnn-0", "copy-rnn-0-2", "copy-rnn-0-3"]


def test_a_trained_model_is_drawn_into_a_file(trained, tmp_path):
    call("draw", trained("rnn")[0], "--steps", "2", "--out", tmp_path / "a.svg")
    text = "".join(ET.fromstring((tmp_path / "a.svg").read_bytes()).itertext())
    assert "t = 1" in text
    assert "t = 2" not in text


def test_a_task_without_a_harder_test_is_evaluated_as_trained(tmp_path):
    pytest.importorskip("sklearn")
    call("train", "digits", "--model", "rnn", "--hidden", "2", "--steps", "1", "--no-pictures", "--out", tmp_path / "r")
    assert call("eval", tmp_path / "r", "--sequences", "10").count("guessing") == 1


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "r"
    command = [sys.executable, "-m", "minigrad.cli", "train", "copy", *TINY, "--steps", "1000000", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    for line in process.stdout:
        if line.startswith("step"):
            break
    process.send_signal(signal.SIGINT)
    text = process.stdout.read()
    assert process.wait() == 130
    assert re.search(rf"Stopped and saved at step [\d,]+\. Go on with:\n  minigrad train copy --resume {folder}", text)
    step = Run.open(folder).checkpoints.steps()[-1]
    assert 5 <= step < 1_000_000
    call("train", "copy", "--resume", folder, "--steps", step + 3, "--no-pictures")
    assert Run.open(folder).checkpoints.steps()[-1] == step + 3


def test_without_the_extra_it_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from minigrad.cli import app; app()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "pip install 'minigrad[cli]'" in found.stderr


def test_cache_shows_and_clears_what_was_compiled(tmp_path, monkeypatch):
    monkeypatch.delenv("MINIGRAD_JIT")
    monkeypatch.setenv("MINIGRAD_CACHE_DIR", str(tmp_path / "cache"))
    assert "0 entries" in call("cache")
    mg.jit(lambda x: mg.tanh(x) * 3)(np.ones(2))
    assert "1 entries" in call("cache")
    assert "Cleared" in call("cache", "--clear")
    assert "0 entries" in call("cache")


def test_version_is_that_of_the_package():
    assert call("--version") == f"minigrad {metadata.version('minigrad')} "


@some_models
def test_export_writes_a_file_and_compares_its_outputs(trained, model):
    pytest.importorskip("onnxruntime")
    folder, _ = trained(model)
    text = call("export", folder, "--to", "onnx")
    assert f"{folder}/model.onnx: {model}" in text
    assert f"updates, {(folder / 'model.onnx').stat().st_size:,} bytes" in text
    assert text.count("of lengths 1-3") == text.count("of lengths 6") == 3


def test_a_file_of_jax_gives_the_models_outputs(trained):
    pytest.importorskip("jax")
    folder, _ = trained("rnn")
    assert f"{folder}/model.jax: rnn" in call("export", folder, "--to", "jax")


def test_export_fails_where_the_outputs_differ_or_the_form_is_unknown(trained, monkeypatch):
    pytest.importorskip("onnxruntime")
    from minigrad.experiments import exported

    folder, _ = trained("rnn")
    assert "'pt' is no form that a model is exported to: take onnx, jax, torch" in call("export", folder, "--to", "pt", code=1)
    nothing = exported.Form("wrong", "", lambda model, xs, path: path.touch() or (lambda xs: np.full((*xs.shape[:2], 2), np.nan)))
    monkeypatch.setitem(exported.FORMS, "wrong", nothing)
    assert "differ from the model's by more than" in call("export", folder, "--to", "wrong", code=1)


def test_a_state_dict_for_pytorchs_own_layer_gives_the_models_outputs(trained, tmp_path):
    pytest.importorskip("torch")
    from safetensors.numpy import load_file

    from minigrad.experiments.exported import compare, write

    text = call("export", trained("rnn")[0], "--to", "torch", "--out", tmp_path / "rnn.safetensors")
    assert "rnn.safetensors: rnn" in text
    assert set(load_file(tmp_path / "rnn.safetensors")) >= {"weight_ih_l0", "weight_hh_l0", "readout.weight", "readout.bias"}
    assert "PyTorch has no layout for NTM" in call("export", trained("ntm")[0], "--to", "torch", code=1)
    for model, more in (("lstm", {"projection": 4}), ("lstm", {"layers": 2}), ("gru", {"layers": 2}), ("rnn", {"hidden": 3})):
        experiment = Experiment(Config.of("copy", model, **{"hidden": 6, "bits": 2, "lengths": "1-3", **more}))
        made = experiment.model()
        rows = compare(experiment, made, write(experiment, made, tmp_path / "model.safetensors", "torch"))
        assert max(row.relative for row in rows) < 1e-6


def test_tensorboard_files_and_flat_metrics_of_a_run(tmp_path):
    folder = tmp_path / "run"
    call(
        "train", "copy", "--model", "rnn", *TINY, "--steps", "5", "--out", folder, "--no-pictures", "--tensorboard", "--schedule", "cosine"
    )
    call("train", "copy", "--resume", folder, "--steps", "10", "--no-pictures", "--tensorboard")
    assert len(list(folder.glob("events.out.tfevents.*"))) == 2
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert not any(isinstance(v, (dict, list)) for line in lines for v in line.values())
    assert {"step", "loss", "norm", "lr", "seconds", "time", "evaluation.bits", "evaluation.learned"} <= set().union(*lines)
    rates = [line["lr"] for line in lines if "lr" in line]
    assert rates[0] == pytest.approx(2e-3)
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) > 5
