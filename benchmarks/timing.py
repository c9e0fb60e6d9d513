"""Steps of all contestants in turn, in one process: what disturbs the machine disturbs them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .work import Contestant

TURN = 0.25  # seconds of one contestant's turn, or at least two steps
REST = 0.03  # seconds before a turn: the threads of the one before have stopped spinning


@dataclass
class Times:
    """Seconds a step, and the median of each round."""

    steps: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return float(np.median(self.steps))

    @property
    def spread(self) -> tuple[float, float]:
        low, high = np.percentile(self.steps, [10, 90])
        return float(low), float(high)


def timed(contestant: Contestant) -> float:
    start = time.perf_counter()
    contestant.step()
    return time.perf_counter() - start


def interleaved(contestants: Mapping[str, Contestant], rounds: int, turn: float = TURN) -> dict[str, Times]:
    """Times of each over some rounds. The first step of a turn warms the caches again and is not counted."""
    counts = {name: _steps_of_a_turn(c, turn) for name, c in contestants.items()}
    found = {name: Times() for name in contestants}
    names = list(contestants)
    gc.collect()
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            time.sleep(REST)
            timed(contestants[name])
            steps = [timed(contestants[name]) for _ in range(counts[name])]
            found[name].steps += steps
            found[name].rounds.append(float(np.median(steps)))
    return found


def _steps_of_a_turn(contestant: Contestant, turn: float) -> int:
    """After warming up, how many steps fit a turn."""
    first = timed(contestant)  # compiles
    steady = min(timed(contestant) for _ in range(3 if first < 10 else 1))
    return int(np.clip(turn / max(steady, 1e-6), 2, 200))
