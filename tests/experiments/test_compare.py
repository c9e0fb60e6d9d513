"""What the models are compared by: each measurement on models whose answer is known."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

pytest.importorskip("distributed")
pytest.importorskip("matplotlib")
pytest.importorskip("typer")

from minigrad.models import NTM, AttentiveLSTM, Transformer
from minigrad.models.cell import Cell
from typer.testing import CliRunner

import minigrad as mg
from minigrad.cli import app
from minigrad.experiments import Config, ConfigError, Experiment
from minigrad.experiments.compare import answering, copying, study
from minigrad.experiments.compare.cost import cost
from minigrad.experiments.compare.figure import Figure, Panel
from minigrad.experiments.compare.trained import Trained, medians, state_floats

LENGTHS = (1, 4)


class TapeState(NamedTuple):
    M: mg.Tensor
    shadow: mg.Tensor
    at: mg.Tensor
    w_read: mg.Tensor


class Tape(Cell):
    """Copies: writes slot after slot until the delimiter, then reads them in order; from its memory, or from a copy that nobody sees."""

    def __init__(self, reads, slots=8, bits=8):
        self.inputs, self.memory, self.reads = bits + 1, (slots, bits), reads
        self.scale = mg.parameter(mg.ones(()))

    def initial_state(self, batch):
        M = mg.zeros((batch, *self.memory))
        return TapeState(M, M, mg.zeros((batch,)), mg.zeros((batch, 1, self.memory[0])))

    def step(self, state, x):
        slots = self.memory[0]
        vector, end = x[:, :-1], x[:, -1]
        shown = mg.astype(mg.greater(mg.max(vector, -1), 0.5), "float32")
        w = mg.expand_dims(mg.one_hot(mg.astype(state.at % slots, "int64"), slots, "float32"), -1)
        write = mg.reshape(shown, (-1, 1, 1)) * w
        M, shadow = (old * (1 - write) + write * mg.expand_dims(vector, 1) for old in (state.M, state.shadow))
        y = mg.sum((M if self.reads else shadow) * w, 1)
        return TapeState(M, shadow, (1 - end) * (state.at + 1), w.mT), (2 * y - 1) * self.scale


class Silent(mg.Module):
    """Says 0 to everything."""

    def __init__(self):
        self.b = mg.parameter(-mg.ones(8))

    def __call__(self, xs):
        return mg.tensor(xs)[:, :, :8] * 0 + self.b


def trained(name, model, **settings):
    experiment = Experiment(Config.of("copy", name, lengths=LENGTHS, **settings))
    return {name: [Trained(experiment, model)]}


def numbers(figure, name):
    return figure.panels[-1].curves[name]


def vectors_without_zeros(monkeypatch):
    """Vectors of ones and zeros, none of zeros alone: a Tape must see that one is shown."""
    original = copying._batch

    def batch(t, length, count, step=0):
        inputs, targets, mask = original(t, length, count, step)
        inputs[:length, :, 0] = targets[length + 1 :, :, 0] = 1
        return inputs, targets, mask

    monkeypatch.setattr(copying, "_batch", batch)


# ---- measurements, of models whose answer is known


@pytest.mark.parametrize(("reads", "follow"), [(True, 100), (False, 0)])
def test_outputs_follow_an_overwritten_slot_where_the_memory_is_read(monkeypatch, reads, follow):
    vectors_without_zeros(monkeypatch)
    found = numbers(copying.intervention(trained("ntm", Tape(reads)), count=5), "ntm")
    assert found == {3: follow, 4: follow}


def test_a_memory_of_too_few_slots_loses_items_and_one_of_enough_none(monkeypatch):
    vectors_without_zeros(monkeypatch)
    figure = copying.memory_pressure(trained("ntm", Tape(True)), slots=(1, 2, 4, 8), count=20)
    found = numbers(figure, "ntm")
    assert found[4] == found[8] == 0 < found[2] < found[1] < 50
    assert figure.panels[0].baselines["one item a slot, the rest guessed"] == {1: 37.5, 2: 25, 4: 0, 8: 0}


def test_longer_sequences_are_copied_by_a_memory_with_a_slot_for_each(monkeypatch):
    vectors_without_zeros(monkeypatch)
    figure = copying.length_generalisation(trained("ntm", Tape(True, slots=4)), lengths=(2, 4, 16), count=5)
    assert numbers(figure, "ntm") == {2: 0, 4: 0, 16: 0}
    assert figure.panels[0].trained == LENGTHS
    assert figure.panels[0].baselines == {"guessing": 50, "optimum": 0}


def test_gradients_reach_exactly_as_far_as_the_answer_was_read(monkeypatch):
    vectors_without_zeros(monkeypatch)
    found = copying._spread(trained("ntm", Tape(True))["ntm"][0], Tape(True), 4, 3)
    assert [k for k, norm in found.items() if norm > 0] == [5]
    assert study.peak(found) == 5


def test_a_network_without_memory_guesses():
    figure = copying.length_generalisation(trained("rnn", Silent()), lengths=(4,), count=200)
    assert numbers(figure, "rnn")[4] == pytest.approx(50, abs=3)


def test_interference_is_measured_sequence_by_sequence(monkeypatch):
    """A Tape that forgot to go back to its first slot after a sequence reads the wrong ones in the second."""
    vectors_without_zeros(monkeypatch)
    found = numbers(copying.interference(trained("ntm", Tape(True)), sequences=2, length=3, count=20), "ntm")
    assert found[1] == 0 < found[2]


def test_a_span_ends_where_the_curve_first_falls():
    assert answering.span({1: 99, 2: 95, 5: 80, 10: 100}) == 2
    assert answering.span({1: 50, 2: 100}) == 0


@pytest.mark.parametrize(("task", "measured", "values"), [("delayed-recall", "lag", (1, 8)), ("mqar", "mqar", (2, 4))])
def test_untrained_models_answer_at_chance_beside_it(task, measured, values):
    experiment = Experiment(Config.of(task, "gru", hidden=4))
    panel = study.MEASURES[measured].figure({"gru": [Trained(experiment, experiment.model())]}, values, count=300).panels[0]
    chance = panel.baselines["guessing"]
    assert chance == pytest.approx(100 * experiment.baselines()["chance"])
    assert all(abs(y - chance) < 7 for y in panel.curves["gru"].values())
    assert panel.trained == tuple(next(iter(experiment.config.task_settings.values())))


def test_presentations_stand_beside_guessing_the_ideal_guesser_and_the_nearest_neighbour():
    experiment = Experiment(Config.of("glyphs", "rnn", hidden=4, ways=5, shots=3, size=8))
    panel = answering.presentations({"rnn": [Trained(experiment, experiment.model())]}, count=40).panels[0]
    assert panel.baselines["guessing"] == 20
    assert panel.baselines["ideal guesser"] == pytest.approx({1: 100 * 137 / 300, 2: 100, 3: 100})
    nearest = panel.baselines["nearest neighbour"]
    assert 20 < nearest[2] < nearest[3] < 100
    assert set(panel.curves["rnn"]) == {1, 2, 3}


def test_bytes_are_constant_for_a_memory_and_grow_with_the_square_for_attention():
    ntm, attention = NTM(3, 2, hidden=4, memory=(6, 3), key=0), AttentiveLSTM(3, 4, 2, key=0)
    assert state_floats(ntm, 10) == state_floats(ntm, 99) == 2 * 4 + 6 * 3 + 3 + 2 * 6
    assert state_floats(attention, 10) == 2 * 4 + 10 * 4
    transformer = Transformer(3, 2, 4, 2, layers=3)
    assert state_floats(transformer, 10) == 10 * 3 * 2 * 4
    experiment = Experiment(Config.of("copy"))
    every = {"ntm": ntm, "attention": attention, "transformer": transformer}
    models = {name: [Trained(experiment, model)] for name, model in every.items()}
    held = cost(models, lengths=(4, 8), repeats=1).panels[1].curves
    assert {n: n * b for n, b in held["ntm"].items()} == {4: 4 * 41, 8: 4 * 41}
    assert {n: n * b for n, b in held["attention"].items()} == {4: 4 * (8 + 16 + 16), 8: 4 * (8 + 32 + 64)}
    assert {n: n * b for n, b in held["transformer"].items()} == {4: 4 * (96 + 2 * 16), 8: 4 * (192 + 2 * 64)}


# ---- figures and the table


def test_a_figure_is_numbers_and_a_picture_with_labels_and_baselines(tmp_path):
    panel = Panel(
        "items", "wrong (%)", {"ntm": {1: 0.123456, 2: 3}, "lstm": {1: 4, 2: 5.5}}, {"guessing": 50, "ideal": {1: 0, 2: 1}}, (1, 2)
    )
    figure = Figure("test", "A title", (panel, panel))
    text = figure.write(tmp_path).read_text()
    for words in ("A title", "items", "wrong (%)", "ntm", "lstm", "guessing", "ideal", "trained"):
        assert f">{words}<" in text
    again = Figure.read(tmp_path / "test.json")
    assert again.panels[0].curves == {"ntm": {1: 0.123, 2: 3}, "lstm": {1: 4, 2: 5.5}}
    assert again.panels[0].baselines == panel.baselines
    again.write(tmp_path / "again")
    assert (tmp_path / "again" / "test.json").read_text() == (tmp_path / "test.json").read_text()


def test_curves_are_medians_over_seeds():
    values = iter([1.0, 5.0, 3.0])
    assert medians({"ntm": ["a", "b", "c"]}, lambda t: {1: next(values)}) == {"ntm": {1: 3}}


@pytest.mark.sweep
def test_compare_by_command_takes_models_that_have_no_memory(tmp_path):
    """What only a memory has is neither set nor measured."""
    command = [
        "compare",
        "--quick",
        "--tasks",
        "copy",
        "--models",
        "rnn,attention",
        "--seeds",
        "0",
        "--workers",
        "1",
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    drawn = {p.stem for p in tmp_path.glob("*.svg")}
    assert drawn == {"length_generalisation", "interference", "gradient_span", "intervention", "cost"}
    assert set(Figure.read(tmp_path / "intervention.json").panels[0].curves) == {"attention"}
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[0] == "|  | rnn | attention |"
    assert not any("slots" in line for line in lines)


@pytest.mark.slow
def test_compare_by_command_trains_measures_draws_and_goes_on(tmp_path):
    command = ["compare", "--quick", "--models", "rnn,attention,transformer,ntm", "--seeds", "0", "--workers", "2", "--out", str(tmp_path)]
    for words in ("16 runs in", "16 to train"), ("16 runs in", "0 to train"):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert all(w in result.output for w in words)
    names = list(study.MEASURES)
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == {"table.md", *(f"{n}{s}" for n in names for s in (".json", ".svg"))}
    assert all(json.loads((tmp_path / f"{n}.json").read_text())["panels"] for n in names)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[0] == "|  | rnn | attention | transformer | ntm |"
    rows = {cells[1].strip(): [c.strip() for c in cells[2:-1]] for cells in (line.split("|") for line in lines[2:])}
    assert rows["copy: seeds that learned"] == ["0 of 1"] * 4
    assert rows["glyphs: sequences to threshold"] == ["> 40"] * 4
    follow = rows["copy: outputs that follow an overwritten slot, %"]
    assert follow[0] == follow[2] == "–"
    assert all(0 <= float(n) <= 100 for n in follow[1::2])


def test_the_table_has_what_the_runs_tell(tmp_path):
    runs = study.runs_of(tmp_path, ["copy"], ["gru", "ntm"], [0, 1, 2], quick=True)
    for run, learned in zip(runs.values(), [True, False, True, False, False, True], strict=True):
        run.checkpoints.save(10, {"w": 1.0}, {})
        run.metrics.write_text(json.dumps({"step": 10, "evaluation": {"bits": 0.5, "learned": learned}, "seconds": 4}) + "\n")
    figures = {"lag": Figure("lag", "", (Panel("lag", "%", {"ntm": {1: 99, 5: 91, 9: 20}}),))}
    rows = study.table(runs, figures)
    assert rows["copy: seeds that learned"] == {"gru": "2 of 3", "ntm": "1 of 3"}
    assert rows["copy: sequences to threshold"] == {"gru": "40", "ntm": "> 40"}
    assert rows["span@90 of the lag curve, steps"] == {"gru": "–", "ntm": "5"}
    assert rows["state after 9 steps, floats"]["gru"] == "6"
    assert study.as_markdown(rows).splitlines()[0] == "|  | gru | ntm |"


def test_a_task_that_is_not_compared_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="compare has no task sort: take some of copy, delayed-recall, mqar, glyphs"):
        study.runs_of(tmp_path, ["sort"], ["rnn"], [0])
