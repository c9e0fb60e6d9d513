"""The long run's own limits: what grows, compiles or slows down is told."""

from __future__ import annotations

import dataclasses
import io
import itertools

import pytest
from soak import Config, Minute, faults, soak

FLAT = [Minute(60.0 * i, 100 * i, 1.0, 1.1, 200.0, 9) for i in range(1, 41)]


def changed(**last: float) -> list[Minute]:
    return [*FLAT[:-4], *(dataclasses.replace(m, **last) for m in FLAT[-4:])]


def test_a_flat_record_has_no_faults() -> None:
    assert faults(FLAT) == []
    assert faults([dataclasses.replace(FLAT[0], cpu=50.0, rss=100.0, programs=2), *FLAT[1:]]) == []  # the warm-up


@pytest.mark.parametrize(("last", "word"), [({"rss": 205.0}, "memory"), ({"cpu": 1.3}, "longer"), ({"programs": 10}, "compiled")])
def test_each_fault_is_told(last: dict[str, float], word: str) -> None:
    (found,) = faults(changed(**last))
    assert word in found


def test_a_record_has_a_line_each_time_with_steps_memory_and_programs(tmp_path) -> None:
    """By a clock that goes on by a second a step: asked after every one of them."""
    out = io.StringIO()
    config = Config.of(task="copy", model="rnn", hidden=4, bits=2, lengths=(1, 5), batch=1, steps=10**9, until=0.0)
    record = soak(tmp_path / "run", 30, config, every=10, out=out, clock=itertools.count().__next__)
    assert len(out.getvalue().splitlines()) == 3
    assert [(m.seconds, m.steps, m.wall) for m in record] == [(10, 11, 1000), (20, 21, 1000), (30, 31, 1000)]
    assert record[-1].programs > 0
    assert record[-1].rss > 10
