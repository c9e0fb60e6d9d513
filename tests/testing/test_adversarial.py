"""check_grads raises no false alarm where derivatives are hard to check, and finds planted faults at every scale."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from shares import shared

import minigrad as mg
from minigrad.testing import GradientError, KinkWarning, check_grads, subject
from tests.testing.adversarial import FAULTS, FUNCTIONS, SHAPE, SMOOTH, arguments, faulty, finite, gradient

SCALES = (1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6)
ARGUMENTS = arguments()


@pytest.mark.gradcheck(discard=1)
@pytest.mark.parametrize("name", shared(FUNCTIONS))
def test_a_right_gradient_passes_at_adversarial_arguments(name: str) -> None:
    f = FUNCTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinkWarning)
        for kind, x in ARGUMENTS.items():
            if finite(f, x):
                assert check_grads(f, x).elements == x.size, kind


def missed(name: str, scales: tuple[float, ...]) -> list[str]:
    """The planted faults that check_grads does not find."""
    f, z = FUNCTIONS[name], np.random.default_rng(1).standard_normal(SHAPE)
    found = []
    for scale in scales:
        x = scale * z
        right = gradient(f, x).numpy()
        for fault, change in FAULTS.items():
            wrong = gradient(faulty(f, change), x).numpy()
            if np.abs(wrong - right).max() <= 1e-6 * np.abs(right).max():
                continue  # the function is flat here, or its rows have one gradient: there is no fault to find
            try:
                check_grads(faulty(f, change), x, order=1)
            except GradientError:
                continue
            found.append(f"{fault} at {scale:g}")
    return found


@pytest.mark.gradcheck(discard=1)
@pytest.mark.parametrize(("name", "scale"), shared(product(SMOOTH, SCALES), of=5))
def test_planted_faults_are_found_at_every_scale(name: str, scale: float) -> None:
    assert not missed(name, (scale,))


@pytest.mark.gradcheck(discard=1)
@pytest.mark.parametrize("name", shared(["prod", "softmax", "quotient"]))
def test_without_a_wider_long_double_faults_are_found_and_rounding_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "LONG", None)
    test_a_right_gradient_passes_at_adversarial_arguments(name)
    check_grads(lambda x: (x * 1e8 + 1) - x * 1e8 + mg.sin(x), np.array([0.3, 0.7]))
    assert not missed(name, (1e-4, 1.0))
