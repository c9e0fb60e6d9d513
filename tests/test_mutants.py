from __future__ import annotations

import pytest
from mutants import score


@pytest.mark.slow
def test_every_planted_fault_is_found() -> None:
    found = list(score())
    assert len(found) > 300
    assert [(name, label) for name, label, killed in found if not killed] == []
