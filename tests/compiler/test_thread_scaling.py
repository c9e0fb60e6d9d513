"""Accounts of scaling: the longest path is what is not shared and the longest part of each statement."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.llvm.work_board import Mark
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.runtime import executable
from minigrad.compiler.runtime.scaling import _account, table
from minigrad.errors import MinigradError

XS, W = np.random.default_rng(0).standard_normal((5, 16, 8)), np.eye(8) / 2


def last(w, xs):
    return mg.scan(lambda h, x: (mg.tanh(x + h @ w), None), mg.zeros((xs.shape[1], 8), "float64"), xs)[0]


def test_each_interval_counts_with_its_least_time_and_the_longest_part_of_each_statement_is_on_the_path():
    first = [(Mark.OPENED, 1.0), (Mark.OPENED, 1.0), (Mark.BEGUN, 5.0), (Mark.ENDED, 1.0), (Mark.BEGUN, 7.0), (Mark.ENDED, 1.0)]
    then = [(Mark.OPENED, 1.0), (Mark.BEGUN, 2.0), (Mark.ENDED, 3.0)]
    one = [*first, *then]
    slower = [(what, 2 * seconds) for what, seconds in one]
    slower[2] = (Mark.BEGUN, 4.0)
    total, path, serial = _account([one, slower])
    assert (total, path, serial) == (21.0, 17.0, 8.0)


def test_a_call_is_accounted_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(lowering, "SHARED_WORK", 1)
    monkeypatch.setattr(executable, "THREAD_WORK", 1)
    step = mg.jit(mg.value_and_grad(lambda w, xs: mg.sum(last(w, xs))))
    before = step(W, XS)[1].numpy()
    found = step.scaling(W, XS, threads=(1, 2, 16))
    assert [a.threads for a in found] == [1, 2, 16]
    assert all(0 < a.serial < a.path for a in found)
    assert found[0].path == pytest.approx(found[0].parts)
    assert all(a.path < a.parts for a in found[1:])
    assert len({a.alone for a in found}) == 1
    assert len(table(found).splitlines()) == 4
    np.testing.assert_array_equal(step(W, XS)[1].numpy(), before)


def test_what_is_not_shared_is_all_on_the_path():
    (found,) = mg.jit(lambda x: mg.tanh(x)).scaling(np.ones(3), threads=(8,))
    assert found.path == found.parts == found.serial


def test_what_is_not_compiled_is_refused(monkeypatch):
    monkeypatch.setenv("MINIGRAD_JIT", "0")
    with pytest.raises(MinigradError, match="no compiled program"):
        mg.jit(last).scaling(W, XS)
