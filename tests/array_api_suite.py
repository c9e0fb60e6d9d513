"""A pytest plugin that runs the array API standard's own test suite on minigrad: `make array-api SUITE=dir`.

The suite asks for the widest complex dtype while it is imported. minigrad has none, and float64 stands in its place.
"""

from __future__ import annotations

import builtins
import os
import sys
from importlib.util import find_spec, module_from_spec
from typing import Any

os.environ["ARRAY_API_TESTS_MODULE"] = "minigrad"
os.environ["ARRAY_API_TESTS_SKIP_DTYPES"] = "complex64,complex128"
sys.path.insert(0, os.getcwd())  # the suite's directory

import minigrad as mg


def _widest(found: Any, **options: Any) -> Any:
    return builtins.max(found, default=(mg.float64, 64), **options)


name = "array_api_tests.dtype_helpers"
spec = find_spec(name)
assert spec is not None, "run it in the directory of the suite"
assert spec.loader is not None
helpers = sys.modules[name] = module_from_spec(spec)
vars(helpers)["max"] = _widest
spec.loader.exec_module(helpers)
vars(helpers)["max"] = builtins.max
