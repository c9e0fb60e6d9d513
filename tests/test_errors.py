"""Exceptions derive from the builtins that fit, and their messages name the place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from minigrad.models import LSTM, MANN, NTM, Bidirectional
from minigrad.models.tasks import adding, sort

import minigrad as mg
from minigrad import errors, viz
from minigrad.experiments import Config, ConfigError, Experiment
from minigrad.origin import Origin

X = mg.zeros((3, 4))


def test_errors_derive_from_builtins() -> None:
    pairs = [("ShapeError", ValueError), ("AxisError", IndexError), ("BoundsError", IndexError), ("DTypeError", TypeError),
             ("GraphError", RuntimeError),
             ("AbstractValueError", TypeError), ("NonFiniteError", FloatingPointError),
             ("CheckpointError", ValueError)]  # fmt: skip
    for name, builtin in pairs:
        assert issubclass(getattr(errors, name), (builtin, errors.MinigradError))
        assert issubclass(getattr(errors, name), builtin)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mg.dropout(X, 2, mg.random.key(0)),
        lambda: mg.optim.SGD(-1),
        lambda: mg.optim.Cosine(0.1, steps=0),
        lambda: NTM(3, 4, memory=5),
        lambda: MANN(3, 4, heads=9, memory=(8, 4)),
        lambda: Bidirectional(LSTM(3, 4), LSTM(2, 4)),
        lambda: adding.batch(0, 0, 1, length=1),
        lambda: sort.batch(0, 0, 1, best=0),
        lambda: Config.of("copy", lr="fast"),
        lambda: Config.of("copy", "gpt"),
        lambda: Experiment(Config.of("recall", items="1-3")).data(mg.random.key(0), 0),
        lambda: viz.unrolled(X, level="atom"),
    ],
)
def test_a_bad_setting_is_one_error_wherever_it_is_given(make: Callable[[], object]) -> None:
    with pytest.raises(errors.SettingError) as found:
        make()
    assert type(found.value) is errors.SettingError is mg.optim.OptimizerError is ConfigError


def test_messages_name_scope_and_step() -> None:
    with pytest.raises(errors.ShapeError, match=r"in encoder/rnn\[3\]"), mg.scope("encoder"), mg.scope("rnn", step=3):
        X + mg.zeros(3)


def test_a_message_about_no_line_names_none() -> None:
    assert Origin().describe() == "an unknown line"
    assert errors.message("take", "no", place=Origin()) == "take: no"
