"""Who takes part, and the check that all do the same arithmetic."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np

from .work import BRIDGES, ENGINES, Arrays, Contestant, Skip, Work

TOLERANCE = 1e-3


def make(engine: str, work: Work, weights: Arrays) -> Contestant:
    """The engine at this work. Raises Skip where it is not installed or has no such model."""
    module, name = (ENGINES | BRIDGES)[engine]
    try:
        found = importlib.import_module(f".{module}", __package__)
    except ImportError as problem:
        raise Skip(f"not installed ({problem.name})") from None
    made: Contestant = getattr(found, name)(work, weights)
    return made


def first_weights(work: Work) -> Arrays:
    from .with_minigrad import arrays, build

    return arrays(build(work))


@dataclass
class Agreement:
    """How far a peer's loss and gradients are from minigrad's: the largest difference over the largest entry, of the worst array."""

    loss: float
    gradient: float
    worst: str

    @property
    def holds(self) -> bool:
        return self.loss <= TOLERANCE and self.gradient <= TOLERANCE

    def __str__(self) -> str:
        return f"loss {self.loss:.0e}, gradients {self.gradient:.0e} ({self.worst})"


def agreement(ours: tuple[float, Arrays], theirs: tuple[float, Arrays]) -> Agreement:
    if ours[1].keys() != theirs[1].keys():
        raise ValueError(f"gradients of {sorted(ours[1])} against {sorted(theirs[1])}")
    found = {name: _difference(g, theirs[1][name]) for name, g in ours[1].items()}
    worst = max(found, key=lambda name: found[name])
    return Agreement(_difference(np.float64(ours[0]), np.float64(theirs[0])), found[worst], worst)


def _difference(a: np.ndarray | np.float64, b: np.ndarray | np.float64) -> float:
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.shape(a) != np.shape(b):
        return float("inf")
    return float(np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max(), 1e-30))
