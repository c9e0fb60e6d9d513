"""A pytest plugin that runs the array API standard's own test suite on minigrad: `make array-api SUITE=dir`.

The suite asks for the widest complex dtype while it is imported. minigrad has none, and float64 stands in its place.
"""

from __future__ import annotations

import builtins
import os
import re
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any

import pytest

os.environ["ARRAY_API_TESTS_MODULE"] = "minigrad"
os.environ["ARRAY_API_TESTS_SKIP_DTYPES"] = "complex64,complex128"
sys.path.insert(0, os.getcwd())  # the suite's directory

import minigrad as mg

# Tests that are skipped: what their names match, and the reason.
SKIPPED = {
    r"\[(elementwise-)?(conj|imag|real)\]": "minigrad has no complex dtypes",
    r"test_has_names\[(linalg|fft)-": "an extension, which is optional",
    r"test_dunder_dlpack": "with copy=False, memory that must not change goes only to consumers that say they know read-only memory",
    r"test_setitem": "tensors are immutable",
    r"test_vecdot": "the suite calls conj, of complex numbers",
    r"floor_?div.*\(x1_i is .infinity and isfinite\(x2_i\)": "NumPy's value, NaN",
    r"floor_?div.* x2_i is .infinity\) -> -0": "NumPy's value, -1",
    r"test_empty_arrays\[(mean|std|var)\]": "the mean of no elements has no value, and is refused",
}


def _widest(found: Any, **options: Any) -> Any:
    return builtins.max(found, default=(mg.float64, 64), **options)


def _import_helpers(name: str) -> None:
    spec = find_spec(name)
    assert spec is not None, "run it in the directory of the suite"
    assert spec.loader is not None
    helpers = sys.modules[name] = module_from_spec(spec)
    vars(helpers)["max"] = _widest
    spec.loader.exec_module(helpers)
    vars(helpers)["max"] = builtins.max


_import_helpers("array_api_tests.dtype_helpers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = next((why for pattern, why in SKIPPED.items() if re.search(pattern, item.name)), None)
        case = getattr(item, "callspec", None) and getattr(item, "callspec").params.get("case")  # noqa: B009
        if reason is None and getattr(case, "is_complex", False):
            reason = "minigrad has no complex dtypes"
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
