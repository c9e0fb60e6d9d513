"""What the fast suite leaves out of a table, the sweeps run, and CI runs these."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from shares import shared, swept


class Named(NamedTuple):
    a: int
    b: int


def fast(cases: list[Any]) -> list[Any]:
    return [case for case in cases if isinstance(case, str)]


@pytest.mark.parametrize("of", [2, 3, 4])
def test_each_case_has_its_turn_and_none_is_lost(of: int) -> None:
    cases = list("abcdefg")
    turns = [shared(cases, turn, of) for turn in range(of)]
    assert sorted(case for turn in turns for case in fast(turn)) == cases
    assert all([case if isinstance(case, str) else case.values[0] for case in turn] == cases for turn in turns)


def test_a_swept_case_keeps_its_values_its_marks_and_its_name() -> None:
    marked = pytest.param(1, 2, marks=pytest.mark.skip, id="both")
    found = swept(marked)
    assert (found.values, found.id, [m.name for m in found.marks]) == ((1, 2), "both", ["skip", "sweep"])
    assert swept((1, 2)).values == (1, 2)
    assert swept("a").values == ("a",)
    assert swept(Named(1, 2)).values == (Named(1, 2),)


def test_ci_runs_the_sweeps() -> None:
    root = Path(__file__).parent.parent
    assert "make sweep" in (root / ".ci" / "run").read_text()
    assert '-m "sweep or hypothesis"' in (root / "Makefile").read_text()
