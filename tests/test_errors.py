"""Exceptions derive from the builtins that fit, and their messages name the place."""

from __future__ import annotations

import pytest

import minigrad as mg
from minigrad import errors
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


def test_messages_name_scope_and_step() -> None:
    with pytest.raises(errors.ShapeError, match=r"in encoder/rnn\[3\]"), mg.scope("encoder"), mg.scope("rnn", step=3):
        X + mg.zeros(3)


def test_a_message_about_no_line_names_none() -> None:
    assert Origin().describe() == "an unknown line"
    assert errors.message("take", "no", place=Origin()) == "take: no"
