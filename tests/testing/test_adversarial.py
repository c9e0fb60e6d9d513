"""check_grads raises no false alarm where derivatives are hard to check, and finds planted faults at every scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from minigrad.testing import GradientError, KinkWarning, check_grads
from tests.testing.adversarial import FAULTS, FUNCTIONS, SHAPE, SMOOTH, arguments, faulty, finite, gradient

SCALES = (1e-4, 1e-2, 1.0, 1e2, 1e4, 1e6)
ARGUMENTS = arguments()


@pytest.mark.gradcheck(discard=1)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_gradient_passes_at_adversarial_arguments(name: str) -> None:
    f = FUNCTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KinkWarning)
        for kind, x in ARGUMENTS.items():
            if finite(f, x):
                assert check_grads(f, x).elements == x.size, kind


@pytest.mark.gradcheck(discard=1)
@pytest.mark.parametrize("name", SMOOTH)
def test_planted_faults_are_found_at_every_scale(name: str) -> None:
    f, z = FUNCTIONS[name], np.random.default_rng(1).standard_normal(SHAPE)
    missed = []
    for scale in SCALES:
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
            missed.append(f"{fault} at {scale:g}")
    assert not missed
