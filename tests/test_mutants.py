from __future__ import annotations

import pytest
from mutants import ENGINE, MUTATIONS, engine_score, score
from table import DIFFERENTIABLE


def survivors(found: list[tuple[str, str, bool]]) -> list[tuple[str, str]]:
    print(f"{sum(killed for *_, killed in found)} of {len(found)} mutants killed")
    return [(name, label) for name, label, killed in found if not killed]


def test_some_planted_faults_are_found() -> None:
    """Every 29th, which takes all operations and mutations in turn."""
    found = list(score(every=29))
    assert len(found) > 15
    assert survivors(found) == []


def test_faults_around_the_rules_are_found() -> None:
    found = list(engine_score())
    assert len(found) == len(ENGINE)
    assert survivors(found) == []


@pytest.mark.slow
def test_every_planted_fault_is_found() -> None:
    found = list(score())
    assert len(found) > 800
    assert {label for _, label, _ in found} == set(MUTATIONS)
    assert {name for name, *_ in found} == {case.op.name for case in DIFFERENTIABLE}
    assert survivors(found) == []
