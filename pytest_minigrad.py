"""The pytest plugin: options for check_grads, its totals, and a fixture for seeds. It imports nothing of minigrad before a test does."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Generator
from typing import Any

import pytest

VARIABLE = "MINIGRAD_GRADCHECK"  # as minigrad.testing.gradients reads it
SETTINGS = {
    "order": {"type": int, "choices": (1, 2), "help": "2 (the default) checks the gradient's gradient as well"},
    "modes": {"help": "rev, fwd, or both: rev,fwd (the default)"},
    "dtype": {"choices": ("float64", "float32"), "help": "float32 compares the gradient in float32 with that in float64 as well"},
    "key": {"type": int, "help": "the seed of random cotangents and directions"},
}
Totals = tuple[int, int, int]  # checks, elements, those without a derivative


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("minigrad", "gradients and seeds")
    for name, option in SETTINGS.items():
        group.addoption(f"--gradcheck-{name}", dest=f"gradcheck_{name}", **option)  # type: ignore[arg-type]
    group.addoption("--gradcheck-discard", type=float, default=0.5, metavar="SHARE",
                    help="fail a test in which more than this share of all elements lay at kinks or jumps (default 0.5)")  # fmt: skip
    group.addoption("--minigrad-seed", type=int, metavar="SEED", help="what minigrad_seed gives (default: another in each test)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gradcheck(discard=0.5): the share of elements at kinks or jumps that the test may meet")
    given = [f"{name}={value}" for name in SETTINGS if (value := config.getoption(f"gradcheck_{name}")) is not None]
    if given:
        patch = pytest.MonkeyPatch()
        patch.setenv(VARIABLE, " ".join([os.environ.get(VARIABLE, ""), *given]))
        config.add_cleanup(patch.undo)


@pytest.fixture
def minigrad_seed(request: pytest.FixtureRequest) -> int:
    """A seed for this test, another one in every run; shown where the test fails, and given again with --minigrad-seed."""
    given = request.config.getoption("minigrad_seed")
    seed = secrets.randbits(32) if given is None else given
    request.node.add_report_section("call", "minigrad", f"minigrad_seed = {seed}; the same again with --minigrad-seed={seed}")
    return seed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    before = _totals()
    result = yield
    checks, elements, lost = (b - a for a, b in zip(before, _totals(), strict=True))
    if checks:
        item.user_properties.append(("gradcheck", (checks, elements, lost)))
    marker = item.get_closest_marker("gradcheck")
    limit = (marker.kwargs if marker else {}).get("discard", item.config.getoption("gradcheck_discard"))
    if lost > limit * elements:
        few = f"{lost} of {elements} elements lay at kinks or jumps, where there is no derivative to compare with"
        pytest.fail(f"check_grads: {few}. Choose other arguments, or allow it with @pytest.mark.gradcheck(discard=1)", pytrace=False)
    return result


def _totals() -> Totals:
    gradients = sys.modules.get("minigrad.testing.gradients")
    return (0, 0, 0) if gradients is None else tuple(gradients.TOTALS.values())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [r for group in terminalreporter.stats.values() for r in group if getattr(r, "when", "") == "call"]
    found = [value for r in reports for name, value in r.user_properties if name == "gradcheck"]
    if found:
        checks, elements, lost = map(sum, zip(*found, strict=True))
        share = f" ({lost / elements:.1%})" if elements else ""
        terminalreporter.write_line(f"check_grads: {checks} checks of {elements} elements, {lost}{share} without a derivative")
