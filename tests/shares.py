"""Large tables and properties: a share of each runs in the fast suite, the rest in the sweeps (`make sweep`), which .ci/run runs too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings


def shared(cases: Iterable[Any], turn: int = 0, of: int = 3) -> list[Any]:
    """The cases, for parametrize. Of so many that follow each other, the one whose turn it is is fast.

    Where tests of one table have different turns, each test meets some of its cases, and each case is met by some of the tests. Of a
    product every value is met if `of` has no divisor in common with the number of values of the factors but the first."""
    return [case if k % of == turn % of else swept(case) for k, case in enumerate(cases)]


def swept(case: Any) -> Any:
    """A case that only the sweeps run. A plain tuple is the values of several arguments."""
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.sweep], id=case.id)
    return pytest.param(*(case if type(case) is tuple else (case,)), marks=pytest.mark.sweep)


def examples(count: int) -> Any:
    """For `given`: a property's own number of examples, of which the fast suite draws the same share as of those of other properties."""
    return settings(max_examples=max(1, count * 2 // 5) if settings.get_current_profile_name() == "share" else count)
