"""The pytest plugin, in sessions of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

pytest_plugins = "pytester"

CHECK = """
import numpy as np
import pytest
import minigrad as mg
from minigrad.testing import check_grads

slope = mg.custom_vjp(mg.cos)
slope.defvjp(lambda ct, out, x: ct * x)
second_is_wrong = mg.custom_vjp(mg.sin)
second_is_wrong.defvjp(lambda ct, out, x: ct * slope(x))
"""


def run(pytester: Any, body: str, *options: str) -> Any:
    pytester.makepyfile(CHECK + body)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def test_the_plugin_loads_nothing() -> None:
    code = "import sys, pytest_minigrad; print([m for m in ('numpy', 'numba', 'minigrad', 'hypothesis') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_options_set_what_check_grads_does(pytester: Any) -> None:
    body = "def test(): check_grads(mg.sin, 1.0).key == 7 or 1 / 0\ndef test_key(): assert check_grads(mg.sin, 1.0).key == 7"
    run(pytester, body, "--gradcheck-key=7").assert_outcomes(passed=2)
    run(pytester, body).assert_outcomes(failed=2)


def test_the_order_can_be_chosen(pytester: Any) -> None:
    body = "def test(): check_grads(second_is_wrong, 1.0)"
    run(pytester, body, "--gradcheck-order=1", "--gradcheck-modes=rev").assert_outcomes(passed=1)
    run(pytester, body).assert_outcomes(failed=1)
    run(pytester, body, "--gradcheck-modes=sideways").stdout.fnmatch_lines(["*modes are among*"])


def test_the_summary_counts(pytester: Any) -> None:
    found = run(pytester, "def test(): [check_grads(mg.relu, np.array([0.0, 1, 2])) for _ in range(4)]")
    found.stdout.fnmatch_lines(["check_grads: 4 checks of 12 elements, 4 (33.3%) without a derivative"])


@pytest.mark.gradcheck(discard=1)
def test_a_test_that_met_little_but_kinks_fails(pytester: Any) -> None:
    body = """
def test(): check_grads(mg.relu, np.zeros(3))
@pytest.mark.gradcheck(discard=1)
def test_allowed(): check_grads(mg.relu, np.zeros(3))
"""
    found = run(pytester, body, "-W", "ignore")
    found.assert_outcomes(passed=1, failed=1)
    found.stdout.fnmatch_lines(["*3 of 3 elements lay at kinks or jumps*"])
    run(pytester, body, "-W", "ignore", "--gradcheck-discard=1").assert_outcomes(passed=2)


def test_the_seed_is_shown_on_failure_and_given_again(pytester: Any) -> None:
    body = "def test(minigrad_seed): assert minigrad_seed == 5"
    found = run(pytester, body)
    found.assert_outcomes(failed=1)
    found.stdout.re_match_lines([r"minigrad_seed = (\d+); the same again with --minigrad-seed=\1"])
    run(pytester, body, "--minigrad-seed=5").assert_outcomes(passed=1)


def test_sessions_leave_no_trace(pytester: Any) -> None:
    import os

    run(pytester, "def test(): pass", "--gradcheck-key=7").assert_outcomes(passed=1)
    assert "MINIGRAD_GRADCHECK" not in os.environ


@pytest.mark.parametrize("option", ["--gradcheck-order=3", "--gradcheck-dtype=float16"])
def test_options_that_make_no_sense_are_refused(pytester: Any, option: str) -> None:
    assert run(pytester, "def test(): pass", option).ret == pytest.ExitCode.USAGE_ERROR
