"""The story table: its rows as settings that exist, its verdicts, and that a second call makes nothing again."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from minigrad.models import RNN
from minigrad.models.tasks.metrics import measure
from shares import shared
from typer.testing import CliRunner

from minigrad.cli import app
from minigrad.errors import SettingError
from minigrad.experiments import Experiment
from minigrad.experiments.compare import sparse, story
from minigrad.experiments.compare.sparse import Cost
from minigrad.experiments.compare.story_rows import LEARNED, ROWS, Row
from minigrad.experiments.compare.trained import state_floats
from minigrad.experiments.run import Run


@pytest.mark.parametrize("row", shared(ROWS), ids=lambda row: row.name)
def test_every_model_of_a_row_has_settings_that_make_a_run(row: Row) -> None:
    """Of each a run's folder; settings of the row that a model lacks are those of another model."""
    configs = [story.config_of(row, entry, seed=1) for entry in row.entries]
    assert {k for config in configs for k in config.flat} >= row.settings.keys() - LEARNED.keys()
    assert len({story.folder_of(entry) for entry in row.entries}) == len(row.entries)
    for entry, config in zip(row.entries, configs, strict=True):
        experiment = Experiment(config)
        assert config.task == row.task
        assert row.measure in experiment.measures, entry.name
        assert state_floats(experiment.model(), 4) > 0
        for changes in row.points.values():
            experiment.batch(experiment.keys.data, 0, 1, **changes)
        assert vars(experiment.model()).keys() >= entry.at_test.keys()


def test_a_bar_is_beyond_failure_which_is_not_as_good_as_chance() -> None:
    for row in ROWS:
        form = measure(row.measure)
        sign = 1 if form.rises else -1
        assert sign * row.bar > sign * row.fail
        for entry in row.entries:
            if entry.published is not None and entry.expected is not None:
                bar = row.bar if entry.bar is None else entry.bar
                wanted = {True: "learns", False: "fails"}[entry.expected]
                assert story.verdict(entry.published, bar, row.fail, form) == wanted, entry.name


def test_a_verdict_is_by_the_bar_and_by_failure_whichever_way_is_better() -> None:
    accuracy, error = measure("accuracy"), measure("half-error")
    assert [story.verdict(v, 0.9, 0.5, accuracy) for v in (0.95, 0.9, 0.7, 0.5, 0.1, float("nan"))] == [
        "learns", "learns", "neither", "fails", "fails", "fails",
    ]  # fmt: skip
    assert [story.verdict(v, 0.1, 0.5, error) for v in (0.05, 0.1, 0.3, 0.5, 0.9, float("nan"))] == [
        "learns", "learns", "neither", "fails", "fails", "fails",
    ]  # fmt: skip


def test_neither_a_median_nor_an_end_of_its_range_is_rounded_to_all() -> None:
    assert story.spread([0.9996, 0.99996, 1.0], measure("accuracy")) == "99.996% (99.96–100.0%)"
    assert story.spread([0.25], measure("accuracy")) == "25.0%"


def test_numbers_of_rows() -> None:
    assert story.rows_of("1-3,8") == [1, 2, 3, 8]
    assert story.rows_of("4") == [4]
    for text in ("0", "9", "1-9", "x", "", "1,,2"):
        with pytest.raises(SettingError, match="rows are written 1-3,8"):
            story.rows_of(text)


def test_names_of_models() -> None:
    assert story.models_of("lstm,deltanet", [1, 8]) == ["lstm", "deltanet"]
    assert story.models_of("", [8]) == []
    for text, rows in (("DeltaNet", [1]), ("mann", [1, 2]), ("sam", [8])):
        with pytest.raises(SettingError, match=f"model '{text}' is in none of these rows"):
            story.models_of(text, rows)


def trained(folder: Path) -> list[Run]:
    """The runs of a quick row, as a call that trains leaves them."""
    runs = list(story.runs_of(folder, 3, [0], ["lstm"], quick=True).values())
    for run in runs:
        model = run.experiment.model()
        run.checkpoints.save(4, {"model": model, "optimizer": run.experiment.optimizer().init(model)}, {"step": 4})
    return runs


@pytest.mark.usefixtures("interpreted")
def test_what_is_trained_is_measured_and_written(tmp_path: Path) -> None:
    trained(tmp_path)
    command = ["compare", "story", "--quick", "--rows", "3", "--models", "lstm", "--seeds", "0", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "2 runs in" in result.output
    assert "0 to train" in result.output
    table = (tmp_path / "table.md").read_text()
    assert table in result.output
    assert "| LSTM, 20 keys | 16 | – | 0." in table
    assert "0 of 1 | – | fails |" in table


@pytest.mark.usefixtures("interpreted")
def test_a_measurement_is_kept_until_the_run_goes_on(tmp_path: Path) -> None:
    row = ROWS[2]
    run = trained(tmp_path)[0]
    found = story.measured(run, row, quick=True)
    kept = json.loads((run.folder / "points.json").read_text())
    assert kept == {"step": 4, **found}
    (run.folder / "points.json").write_text(json.dumps({"step": 4, "as trained": 0.25}))
    assert story.measured(run, row, quick=True) == {"as trained": 0.25}
    (run.folder / "points.json").write_text(json.dumps({"step": 3, "as trained": 0.25}))
    assert story.measured(run, row, quick=True) == found


def test_a_model_is_measured_with_the_attributes_that_it_has_at_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured with others, or with none, it is measured again."""
    seen: list[str] = []
    sample = SimpleNamespace(means={"half-error": 0.5})
    monkeypatch.setattr(Experiment, "measure", lambda self, model, *args, **changes: seen.append(model.label) or sample)
    run = trained(tmp_path)[0]
    for at_test in ({}, {"label": "a"}, {"label": "a"}, {"label": "b"}, {}):
        assert story.measured(run, ROWS[2], at_test, quick=True) == {"as trained": 0.5}
    assert seen == ["lstm", "a", "b", "lstm"]


def test_the_table_keeps_the_rows_of_other_calls_in_order(tmp_path: Path) -> None:
    story.write(tmp_path, {2: "## 2. b\n\nold\n"})
    story.write(tmp_path, {1: "## 1. a\n\n| x |\n", 8: "## 8. h\n"})
    path = story.write(tmp_path, {2: "## 2. b\n\nnew\n"})
    assert path.read_text() == "## 1. a\n\n| x |\n\n## 2. b\n\nnew\n\n## 8. h\n"


def test_what_memories_cost_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, asked = tmp_path / "8" / "costs.json", []
    monkeypatch.setattr(sparse, "cost", lambda model, steps: asked.append(model.memory[0]) or Cost(1.0, 10))
    found = sparse.costs(kept, (8, 16))
    assert found == sparse.costs(kept, (8, 16)) == {n: {"NTM": Cost(1.0, 10), "SAM": Cost(1.0, 10)} for n in (8, 16)}
    assert list(sparse.costs(kept, (8, 32))) == [8, 32]
    assert asked == [8, 8, 16, 16, 32, 32]


def test_a_cost_is_a_time_a_step_and_the_bytes_that_the_gradient_works_in() -> None:
    found = sparse.cost(RNN(8, 4, outputs=8), steps=300, repeats=1)
    assert found.milliseconds > 0
    assert 300 * 4 * 4 < found.bytes < 300 * 1000


def test_options_before_the_name_of_the_table_are_refused() -> None:
    result = CliRunner().invoke(app, ["compare", "--seeds", "1", "story"])
    assert result.exit_code == 1
    assert "--seeds must stand behind story" in result.output
