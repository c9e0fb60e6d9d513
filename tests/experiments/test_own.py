"""A model and a task in a file of the user's: what the page in docs shows runs, and a file that changed is refused."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from minigrad.cli import app
from minigrad.errors import SettingError
from minigrad.experiments import Config, Experiment, Run

PAGE = (Path(__file__).parents[2] / "docs" / "en" / "howto" / "your-own.md").read_text(encoding="utf-8")
CODE = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGRAD_JIT", "0")  # that compiled programs agree, other tests say
    return tmp_path / "mine.py"


def test_the_page_about_models_and_tasks_of_ones_own_runs(mine: Path) -> None:
    assert len(COMMANDS) == 7
    for command in COMMANDS:
        if "sweep" not in command:  # its workers are processes: another test says that a run is found from its folder alone
            result = CliRunner().invoke(app, [*shlex.split(command)[1:], *(["--no-pictures"] if " train " in command else [])])
            assert result.exit_code == 0, (command, result.output)
    run = Run.open(Path("runs/majority"))
    assert (run.config.task, run.config.model) == (f"{mine}:Majority", f"{mine}:Leaky")
    assert run.config.title == "Leaky (hidden 8) on Majority (length 9)"
    mine.rename(mine.with_name("elsewhere.py"))
    with pytest.raises(SettingError, match=r"majority: .*mine\.py: no such file"):
        Run.open(Path("runs/majority"))
    for text in ("x = 1\n" + CODE, CODE):
        mine.write_text(text)
        result = CliRunner().invoke(app, ["info", "runs/majority"], env={"COLUMNS": "200"})
        assert result.exit_code == (text != CODE)
    mine.write_text("x = 1\n" + CODE)
    with pytest.raises(SettingError, match=r"^runs/majority: .*mine\.py has changed since the run began: its SHA-256 was"):
        Run.open(Path("runs/majority"))


def test_a_sweep_takes_models_and_tasks_of_ones_own(mine: Path) -> None:
    sweep = pytest.importorskip("minigrad.experiments.sweep")
    configs = sweep.grid("mine.py:Majority", ["mine.py:Leaky", "rnn"], [0], {"until": "0.9", "hidden": "4"})
    assert list(configs) == ["Leaky-seed=0", "rnn-seed=0"]
    runs = sweep.open_runs(Path("runs"), configs)
    assert sweep.open_runs(Path("runs"), configs).keys() == runs.keys()
    with pytest.raises(SettingError, match="two models are named Leaky"):
        sweep.grid("copy", ["mine.py:Leaky", str(mine) + ":Leaky"], [0], {})


def test_a_config_is_the_same_from_every_folder(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.of("mine.py:Majority", "mine.py:Leaky", until=0.9)
    monkeypatch.chdir(mine.parent.parent)
    again = Config.from_json(json.loads(json.dumps(config.as_json())))
    assert again == config
    a, b = (Experiment(c).data(Experiment(c).keys.data, 0)[0] for c in (config, again))
    np.testing.assert_array_equal(a, b)
    assert type(Experiment(config).model()) is type(Experiment(again).model())


@pytest.mark.parametrize(
    ("code", "what", "message"),
    [
        ("def Leaky(): ...", "model", "Leaky: a model is a class, got"),
        ("class Leaky:\n  def __init__(self, inputs, key): ...", "model", "Leaky.__init__ has no parameter outputs: a run makes"),
        ("class Leaky:\n  def __init__(self, inputs, outputs, key, n: int): ...", "model", "the parameter n needs a default"),
        ("class Leaky:\n  def __init__(self, inputs, outputs, key, n=None): ...", "model", "the parameter n cannot be a setting"),
        ("class Majority:\n  def batch(): ...", "task", "Majority has no sizes, loss, measures, given, baselines: a task has"),
    ],
)
def test_what_a_class_lacks_is_told(mine: Path, code: str, what: str, message: str) -> None:
    mine.write_text(code)
    name = "mine.py:Leaky" if what == "model" else "mine.py:Majority"
    with pytest.raises(SettingError, match=re.escape(message)):
        Config.of(**{what: name})


def test_the_help_of_a_task_shows_the_settings_of_one_model() -> None:
    def options(*words: str) -> set[str]:
        text = CliRunner().invoke(app, ["train", *words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
        return set(re.findall(r"--[\w-]+", text))

    of_lstm, of_ntm = options("copy", "--model", "lstm"), options("--task", "copy", "--model=ntm")
    assert "--peephole" in of_lstm - of_ntm
    assert "--memory" in of_ntm - of_lstm
    assert options("copy") == of_ntm
