"""minigrad inspect: the page of a trained run."""

from __future__ import annotations

import json
import re
import webbrowser

import pytest

pytest.importorskip("typer")

from typer.testing import CliRunner

from minigrad.cli import app
from minigrad.experiments import Config, Run


def call(*args, code=0):
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert result.exit_code == code, (result.output, result.exception)
    return re.sub(r"\s+", " ", result.output)


def data_of(path):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.S)[1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs that stand after two updates: a model with memory, one with states, and one without steps."""
    found = {}
    every = {"ntm": {"hidden": 4, "memory": (6, 3)}, "lstm": {"hidden": 4}, "transformer": {"hidden": 4, "heads": 1, "layers": 1}}
    for model, settings in every.items():
        config = Config.of("copy", model, bits=2, lengths=(1, 3), batch=2, steps=2, **settings)
        run = Run.create(tmp_path_factory.mktemp("runs") / model, config)
        trained = run.experiment.model()
        run.checkpoints.save(2, {"model": trained, "optimizer": run.experiment.optimizer().init(trained)}, {})
        found[model] = run.folder
    return found


@pytest.fixture
def opened(monkeypatch):
    """The addresses that were opened in the browser."""
    found = []
    monkeypatch.setattr(webbrowser, "open", found.append)
    return found


@pytest.mark.parametrize(("model", "shown"), [("ntm", {"memory", "gradient"}), ("lstm", {"gradient", "states and gates"})])
def test_inspect_writes_and_opens_the_page_of_a_run(runs, opened, model, shown):
    text = call("inspect", runs[model])
    path = runs[model] / "page.html"
    assert f"Look at: {path}" in text
    assert opened == [path.as_uri()]
    data = data_of(path)
    assert data["title"] == f"{model} on copy after 2 updates"
    assert len(data["columns"]) == 7
    groups = dict(data["groups"])
    assert shown <= groups.keys()
    assert [s["label"] for s in groups["inputs and outputs"]] == ["input", "output", "target"]
    assert (data["memory"] is not None) == (model == "ntm")


def test_a_transformer_sees_all_steps_at_once(runs, opened):
    call("inspect", runs["transformer"], "--no-open")
    data = data_of(runs["transformer"] / "page.html")
    assert data["columns"] == []
    assert "inputs and outputs" not in dict(data["groups"])


def test_length_file_and_no_browser(runs, opened, tmp_path):
    call("inspect", runs["ntm"], "--length", "5", "--out", tmp_path / "x.html", "--no-open")
    assert len(data_of(tmp_path / "x.html")["columns"]) == 11
    assert opened == []
    assert "0 is no range" in call("inspect", runs["ntm"], "--length", "0", "--no-open", code=1)


@pytest.mark.usefixtures("interpreted")
def test_a_task_without_a_length_takes_none(opened, tmp_path):
    pytest.importorskip("sklearn")
    call("train", "digits", "--model", "rnn", "--hidden", "2", "--steps", "1", "--no-pictures", "--out", tmp_path / "r")
    assert "digits has no setting for a length: leave --length out" in call("inspect", tmp_path / "r", "--length", "3", code=1)
