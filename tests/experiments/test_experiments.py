"""Settings are read, refused and kept; an experiment measures what it says and is not fooled by one lucky sample."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import product
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrad.models.registry import Size
from minigrad.models.tasks.draw import Range, Words
from minigrad.models.tasks.strokes import ALPHABETS
from shares import shared

import minigrad as mg
from minigrad.experiments import Config, ConfigError, pictures
from minigrad.experiments.config import MODELS, TASKS, Setting, model_settings, run_settings, settings_of, size, span, task_settings
from minigrad.experiments.presets import PRESETS, UNTIL_HARDER
from minigrad.experiments.run import CONFIRM, SAMPLE, Experiment, Run
from minigrad.experiments.sample import Sample

quick = settings(max_examples=25, deadline=None)
VALUES = {
    int: st.integers(1, 10**9),
    float: st.floats(allow_nan=False, allow_infinity=False, width=32),
    bool: st.booleans(),
    str: st.text(),
    Range: st.tuples(st.integers(1, 99), st.integers(0, 99)).map(lambda p: (p[0], p[0] + p[1])),
    Size: st.tuples(st.integers(1, 999), st.integers(1, 999)),
    Words: st.lists(st.text("abc", min_size=1)).map(tuple),
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
@quick
@given(data=st.data())
def test_a_value_is_read_from_itself_and_from_what_is_shown(kind, data):
    value = data.draw(VALUES[kind])
    setting = Setting("x", kind, value, "")
    assert setting.read(value) == value
    assert setting.read(json.loads(json.dumps(value))) == value
    assert setting.read(setting.show(value)) == (pytest.approx(value, rel=1e-5) if kind is float else value)


def example(a, b, n: Annotated[int, "how many"] = 3, way: Annotated[Literal["up", "down"], "where to"] = "up"):
    return n, way


def test_settings_are_the_annotated_parameters_of_a_function():
    found = settings_of(example, 2)
    assert list(found) == ["n", "way"]
    assert found["n"] == Setting("n", int, 3, "how many")
    assert (found["n"].form, found["way"].form) == ("INT", "up|down")
    assert found["way"].read("down") == "down"


@pytest.mark.parametrize(
    ("kind", "default", "value", "message"),
    [
        (int, 3, "x", "x must be a whole number, got 'x'"),
        (int, 3, 2.5, "x must be a whole number, got 2.5"),
        (int, 3, 0, "x must be at least 1, got 0"),
        (int, 0, -1, "x must be at least 0, got -1"),
        (float, 0.5, "a", "x must be a number, got 'a'"),
        (bool, True, "perhaps", "x must be yes or no, got 'perhaps'"),
        (Range, (1, 2), "a", "x are written 1-20, got 'a'"),
        (Range, (1, 2), "5-2", "x go from the smallest to the greatest, got 5-2"),
        (Range, (0, 2), (-1, 2), "x must be at least 0, got -1-2"),
        (Size, (1, 2), "128", "x is written 128x20, slots by width, got '128'"),
        (Size, (1, 2), 128, "x is written 128x20, slots by width, got '128'"),
        (Literal["a", "b"], "a", "c", "x 'c' is unknown: take one of a, b"),
    ],
)
def test_bad_values_are_refused_by_name(kind, default, value, message):
    with pytest.raises(ConfigError) as error:
        Setting("x", kind, default, "").read(value)
    assert str(error.value) == message


def test_spans_and_sizes():
    assert (span("1-20"), span("7"), span(" 3 – 4 ")) == ((1, 20), (7, 7), (3, 4))
    assert (size("128x20"), size("3 × 4")) == ((128, 20), (3, 4))


@pytest.mark.parametrize(("model", "task"), shared(product(MODELS, TASKS), of=7))
def test_config_survives_json_for_every_task_and_model(model, task):
    config = Config.of(task, model, seed=3)
    assert Config.from_json(json.loads(json.dumps(config.as_json()))) == config
    assert config.flat.keys() == {**task_settings(task), **model_settings(model), **run_settings()}.keys()
    assert all(config.setting(name).read(config.setting(name).show(value)) == value for name, value in config.flat.items())
    assert config.title.startswith(f"{model} (")


def test_settings_are_sorted_by_name_and_the_unknown_refused():
    config = Config.of("recall", "ntm", items="2-4", hidden="7", lr="1e-3", memory=[9, 5])
    assert config.task_settings == {"items": (2, 4), "vectors": 3, "bits": 6}
    assert (config.model_settings["hidden"], config.model_settings["memory"], config.lr) == (7, (9, 5), 1e-3)
    for call, message in (
        (lambda: Config.of("recal"), "task 'recal' is unknown: take one of copy, "),
        (lambda: Config.of("copy", "gpt"), "model 'gpt' is unknown: take one of rnn, "),
        (lambda: Config.of("copy", "lstm", memory=(3, 4)), "a run of lstm on copy has no setting 'memory': take lengths, bits, hidden"),
        (lambda: Config("copy", "lstm", {"items": 3}, {}), "task copy has no setting 'items': take lengths, bits"),
        (lambda: Config.from_json({}), "the settings are not those of a run"),
        (lambda: Config.from_json([]), "the settings are not those of a run"),
        (lambda: Config.from_json({**config.as_json(), "x": 1}), "not those of a run: ['x']"),
    ):
        with pytest.raises(ConfigError, match=message.replace("[", r"\[").replace("(", r"\(")):
            call()


def test_a_task_has_defaults_of_its_own():
    assert Config.of("copy").until == 0.05
    assert Config.of("coreference").until == 0.99
    assert Config.of("coreference", until=0.5).until == 0.5
    assert Config.of("coreference").model == "lstm"


def test_a_task_s_defaults_for_models_are_of_those_that_have_the_setting():
    assert Config.of("recall").model_settings["start"] == "location"
    assert Config.of("sort").model_settings["start"] == "weak-location"
    assert Config.of("recall", start="plain").model_settings["start"] == "plain"
    assert Config.of("copy").model_settings["start"] == "plain"
    assert "start" not in Config.of("recall", "lstm").model_settings


def test_presets_are_of_settings_that_their_task_a_model_or_a_run_has():
    of_models = {name for model in MODELS for name in model_settings(model)}
    for task, preset in PRESETS.items():
        assert preset.keys() <= {"model", *of_models, *task_settings(task), *run_settings()}
        assert Config.of(task).model == preset.get("model", "ntm")


def test_what_is_learned_is_asked_of_the_harder_test_of_a_task_that_has_one():
    for task, wanted in UNTIL_HARDER.items():
        experiment = Experiment(Config.of(task))
        assert experiment.harder is not None
        assert wanted.keys() <= experiment.measures.keys()


def test_longest_opens_an_lstm_s_forget_gates_and_closes_its_input_gates():
    plain, chrono = (Experiment(Config.of("copy-memory", "lstm", hidden=8, longest=n)).model().b.numpy().reshape(4, 8) for n in (0, 100))
    assert (plain == [[0], [1], [0], [0]]).all()
    assert (chrono[1] > 0).all()
    np.testing.assert_array_equal(chrono[0], -chrono[1])


def test_a_title_has_the_sizes_and_what_is_not_as_by_default():
    assert Config.of("copy", "lstm").title == "lstm (hidden 100, layers 1) on copy (lengths 1-20, bits 8)"
    title = Config.of("glyphs", "lstm", peephole=True, hidden=7, test="a,b", warp=0.1).title
    assert title == "lstm (hidden 7, layers 1, peephole yes, image 20) on glyphs (ways 5, shots 10, test a,b, size 20, warp 0.1, easy 3000)"
    assert Config.of("digits", "feedforward", hidden=3).title == "feedforward (hidden 3) on digits"


@pytest.mark.usefixtures("interpreted")
def test_a_run_goes_on_though_its_model_has_got_new_settings_since(tmp_path):
    run = Run.create(tmp_path / "r", Config.of("copy", "rnn", bits=1, lengths=(1, 2), hidden=3, steps=1))
    before = run.config.as_json()
    del before["model_settings"]["activation"], before["task_settings"]["bits"]
    before["task_settings"]["lengths"] = [1, 1]
    (run.folder / "config.json").write_text(json.dumps(before))
    for steps in (1, 2):
        run = Run.open(tmp_path / "r", steps=steps)
        assert (run.config.steps, run.config.model_settings["activation"], run.config.task_settings["bits"]) == (steps, "tanh", 8)
        assert run.train(lambda event: None, lambda step, numbers: None).step == steps
    assert json.loads((run.folder / "config.json").read_text()) == {**before, "steps": 2}
    before["model_settings"]["hidden"] = 4
    (run.folder / "config.json").write_text(json.dumps(before))
    with pytest.raises(mg.errors.CheckpointError):
        Run.open(run.folder, steps=3).train(lambda event: None, lambda step, numbers: None)


def test_a_setting_that_needs_a_model_of_another_size_is_refused():
    e = Experiment(Config.of("copy", "rnn", bits=2, hidden=3))
    with pytest.raises(ConfigError, match="bits 3 makes 4 inputs and 3 outputs, but the model was trained with 3 and 2"):
        e.measure(e.model(), 1, bits=3)


def test_the_nearest_neighbour_is_measured_on_the_same_sequences_where_a_task_has_one():
    e = Experiment(Config.of("glyphs", "feedforward", ways=2, shots=2, size=8, hidden=3))
    found, again = (e.nearest(50, split="test", turn=0.0, shift=0.0) for _ in range(2))
    assert found.means["accuracy@2"] > 0.7 > found.means["accuracy@1"]
    assert found.means["accuracy"] == again.means["accuracy"]
    assert math.isnan(found.means["nats"])
    assert Experiment(Config.of("copy")).nearest(50) is None


def test_the_learning_rate_falls_to_a_hundredth_and_stays_when_there_are_more_steps():
    for schedule in ("cosine", "exponential"):
        config = Config.of(schedule=schedule, lr=0.1, steps=50, warmup=5)
        rates = [float(config.rate()(mg.tensor(step))) for step in range(51)]
        assert rates[:4] == sorted(rates[:4])
        assert rates[4:] == sorted(rates[4:], reverse=True)
        assert rates[50] == pytest.approx(0.001)
        again = Config.from_json({**config.as_json(), "steps": 100})
        assert float(again.rate()(mg.tensor(30))) == rates[30]
    assert Config.of(lr=0.1).rate() == 0.1


def test_the_encoder_waits():
    settings = {"lr": 0.1, "warmup": 2, "encoder_after": 10, "size": 6, "memory": "4x3", "heads": 1}
    assert Config.of("glyphs", "mann", image=0, **settings).rates() == {}
    config = Config.of("glyphs", "mann", image=6, **settings)
    for step, rate in ((9, 0.0), (10, float(config.rate()(mg.tensor(10))))):
        assert float(config.rates()["encoder"](mg.tensor(step))) == rate
    e = Experiment(config)
    model, optimizer = e.model(), e.optimizer()
    new, _ = optimizer.update(model, mg.tree.map(mg.ones_like, model), optimizer.init(model))
    moved = [float(mg.max(a - b)) for a, b in ((model.encoder.W, new.encoder.W), (model.model.readout.W, new.model.readout.W))]
    assert moved == pytest.approx([0, 0.05], rel=1e-3)


def test_a_run_older_than_a_setting_has_its_default():
    written = Config.of("copy", bits=4).as_json()
    older = {k: v for k, v in written.items() if k != "encoder_after"}
    assert Config.from_json(older) == Config.from_json(written)
    for wrong, name in (({**written, "colour": 1}, "colour"), ({k: v for k, v in written.items() if k != "task"}, "task")):
        with pytest.raises(ConfigError, match=name):
            Config.from_json(wrong)


@pytest.mark.usefixtures("interpreted")
def test_a_task_is_known_by_its_earlier_name(tmp_path):
    new = Config.of("coreference", "rnn", distance=1, hidden=3, steps=1)
    assert Config.of("he", "rnn", distance=1, hidden=3, steps=1) == new
    assert Config("he", "rnn", {}, {}).task == "coreference"
    run = Run.create(tmp_path / "r", new)
    written = {**new.as_json(), "task": "he"}
    (run.folder / "config.json").write_text(json.dumps(written))
    for steps in (1, 2):
        run = Run.open(run.folder, steps=steps)
        assert run.config == dataclasses.replace(new, steps=steps)
        assert run.train(lambda event: None, lambda step, numbers: None).step == steps
    assert json.loads((run.folder / "config.json").read_text())["task"] == "he"


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("earlier", "start"), [("tape", "location"), ("loose", "weak-location")])
def test_a_run_has_the_earlier_name_of_a_start(tmp_path, earlier, start):
    new = Config.of("copy", start=start, bits=1, lengths=(1, 2), hidden=3, memory=(4, 2), steps=1)
    written = new.as_json()
    written["model_settings"]["start"] = earlier
    assert Config.from_json(written) == new
    assert new.setting("start").read(earlier) == start
    run = Run.create(tmp_path / "r", new)
    assert run.train(lambda event: None, lambda step, numbers: None).step == 1
    (run.folder / "config.json").write_text(json.dumps(written))
    assert Run.open(run.folder).config.title == new.title
    assert Run.open(run.folder).restore()[1] == 1


def test_every_optimizer_has_the_rate_and_the_clipping_norm():
    for name, kind in (("sgd", mg.optim.SGD), ("graves-rmsprop", mg.optim.GravesRMSProp)):
        optimizer = Experiment(Config.of(optimizer=name, lr=0.5, clip_norm=7)).optimizer()
        assert isinstance(optimizer, kind)
        assert (optimizer.lr, optimizer.clip_norm) == (0.5, 7)


@pytest.mark.usefixtures("interpreted")
def test_clipping_can_be_turned_off(tmp_path):
    run = Run.create(tmp_path / "r", Config.of(model="rnn", hidden=2, bits=1, lengths=1, clip_norm="inf", steps=1))
    assert run.experiment.optimizer().clip_norm is None
    run.train(lambda event: None, lambda step, numbers: None)
    assert Run.open(run.folder).config == run.config
    assert "Infinity" not in (run.folder / "config.json").read_text()
    assert Run.open(run.folder).restore()[1] == 1


def test_the_three_streams_of_data_do_not_meet():
    e = Experiment(Config.of(bits=4, lengths=(8, 8), batch=16))
    seen = [e.batch(k, i, 16)[1].tobytes() for k in e.keys[1:] for i in range(4)]
    assert len(set(seen)) == len(seen)


class Recorder(Experiment):
    """An experiment whose model is never run: it notes what it would be measured on, and measures what it is told."""

    def measure(self, model, sequences, start=0, **changes):
        self.__dict__.setdefault("asked", []).append((sequences, start, changes))
        return Sample.of({k: np.full(sequences, v) for k, v in model(sequences, changes).items()})


def test_one_lucky_sample_is_not_enough():
    def lucky(sequences, changes):
        return {"bits": 0.01, "wrong": 0.002 if changes and sequences > SAMPLE else 0.0}

    e = Recorder(Config.of("copy"))
    found = e.evaluate(lucky, 3)
    means = {k: found[k] for k in ("bits", "wrong", "bits_harder", "wrong_harder")}
    assert means == pytest.approx({"bits": 0.01, "wrong": 0, "bits_harder": 0.01, "wrong_harder": 0.002})
    assert [found[k] for k in ("sequences", "sequences_harder", "faulty", "faulty_harder")] == [CONFIRM, CONFIRM, 0, CONFIRM]
    assert (found["low"], found["high"]) == pytest.approx((0.01, 0.01))
    assert not found["passed"]
    assert not found["learned"]
    assert [s for s, _, _ in e.asked] == [SAMPLE, SAMPLE, CONFIRM, CONFIRM]
    assert len({start for _, start, _ in e.asked}) == 4
    assert e.asked[3][2] == {"lengths": 40}
    assert e.evaluate(lambda *_: {"bits": 0.01, "wrong": 0.0}, 4)["learned"]
    assert not e.evaluate(lambda *_: {"bits": 0.06, "wrong": 0.0}, 5)["learned"]
    assert e.asked[-1][0] == SAMPLE


def test_a_run_that_does_not_stop_says_that_it_has_learned():
    found = Recorder(Config.of("copy", stop="no")).evaluate(lambda *_: {"bits": 0.01, "wrong": 0.0}, 4)
    assert (found["passed"], found["learned"]) == (True, False)


def test_accuracies_are_learned_from_below():
    e = Recorder(Config.of("delayed-recall"))
    assert e.evaluate(lambda *_: {"accuracy": 0.995, "nats": 0.1}, 0)["learned"]
    assert not e.evaluate(lambda *_: {"accuracy": 0.98, "nats": 0.0}, 0)["learned"]
    assert not Recorder(Config.of("delayed-recall", until=1)).evaluate(lambda *_: {"accuracy": 1.0, "nats": 0.0}, 0)["learned"]


class Silent(mg.Module):
    """A model that says nothing: all its outputs are 0."""

    def __init__(self, outputs):
        self.y = mg.zeros(outputs)

    def __call__(self, xs):
        return mg.broadcast_to(self.y, (*xs.shape[:2], *self.y.shape))


def test_a_measure_is_the_mean_over_all_values_of_a_range():
    """Of copy's lengths 1-4 each as often: a model that says nothing costs 1 bit for every bit."""
    e = Experiment(Config.of("copy", lengths="1-4", bits=3))
    assert e.measure(Silent(3), 20).means["bits"] == pytest.approx(2.5 * 3)
    assert e.baselines()["chance"] == 2.5 * 3
    assert e.measure(Silent(3), 20, lengths=5).means["bits"] == pytest.approx(15)
    assert [p["lengths"] for p in e._points({})] == [1, 2, 3, 4]
    assert len(Experiment(Config.of("copy", lengths="1-1000"))._points({})) == 100
    repeat = Experiment(Config.of("repeat-copy", lengths="1-30", repeats="1-30"))._points({})
    assert len(repeat) == 100
    assert np.mean([p["lengths"] for p in repeat]) == pytest.approx(15.5, abs=0.1)


def test_a_run_that_can_not_be_tested_does_not_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(TASKS["copy"], "harder", lambda **_: {"lengths": (5, 2)})
    with pytest.raises(ConfigError, match="copy: "):
        Run.create(tmp_path / "r", Config.of("copy", "rnn"))
    assert not (tmp_path / "r").exists()


def test_guessing_is_not_learning(tmp_path):
    for config, chance in (
        (Config.of("sort", items=3, best=2, bits=2), "until=15 is reached by guessing, 4.000 bits"),
        (Config.of("coreference", until=0.1), "until=0.1 is reached by guessing, 12.5% right"),
    ):
        with pytest.raises(ConfigError, match=chance):
            Run.create(tmp_path / "r", config)
    Run.create(tmp_path / "r", Config.of("sort", items=3, best=2, bits=2, until=1))


def test_a_run_that_can_not_begin_makes_no_folder(tmp_path):
    for config, message in (
        (Config.of("recall", items="1-3"), "recall: .* at least 2"),
        (Config.of("copy", "mann", memory="2x3"), "mann: heads=4"),
        (Config.of("babi", data=str(tmp_path / "none.txt")), "babi: .*none.txt"),
    ):
        with pytest.raises(ConfigError, match=message):
            Run.create(tmp_path / "r", config)
    with pytest.raises(mg.optim.OptimizerError, match="lr must be"):
        Run.create(tmp_path / "r", Config.of(lr=-1))
    assert not (tmp_path / "r").exists()


def test_answers_in_strings_are_read_letter_by_letter_and_drawn(tmp_path):
    e = Experiment(Config.of("glyphs", "lstm", labels="strings", size=6, shots=2, hidden=3, test=",".join(ALPHABETS[1:])))
    model, batch = e.model(), e.batch(e.keys.pictures, 0, 3)
    given = e.given(model, *batch[:2])
    assert given.shape == batch[1].shape == (10, 3, 5, 5)
    np.testing.assert_allclose(given.sum(-1), 1, rtol=1e-5)
    assert pictures.answers(e, model, tmp_path / "outputs.svg").stat().st_size > 10_000


def test_what_has_no_value_is_left_out_or_a_dash():
    e = Experiment(Config.of("glyphs", "lstm", size=6, shots=2, hidden=3, test=",".join(ALPHABETS[1:])))
    found = dict.fromkeys(e.measures, float("nan")) | {"accuracy": 0.25, "accuracy@2": 0.5}
    assert e.words(found) == "25.0% right, 50.0% right at 2"
    assert e.measures["accuracy@10"].number(found["accuracy@10"]) == "–"
