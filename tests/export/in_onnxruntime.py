"""What tests of ONNX files share: run one in onnxruntime, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import minigrad as mg

TOLERANCE = {np.dtype("float64"): 1e-12, np.dtype("float32"): 1e-6}
onnxruntime.set_default_logger_severity(4)  # errors are raised as well


def outputs(program: Any, *args: Any) -> list[np.ndarray]:
    """What the file gives for the leaves of these arguments, in their order."""
    names = [i.name for i in program.get_inputs()]
    return program.run(None, {n: np.asarray(leaf) for n, leaf in zip(names, mg.tree.leaves(args), strict=True)})


def exported(f: Any, args: tuple[Any, ...], folder: Path, **more: Any) -> Any:
    """A session of f as an ONNX file."""
    mg.export.onnx(f, args, folder / "f.onnx", **more)
    return onnxruntime.InferenceSession(folder / "f.onnx")


def close(found: np.ndarray, expected: Any, scale: float | None = None, what: str = "", rounding: float = 0.0) -> None:
    """Equal types, and numbers that differ by a rounding error, in relation to the number or to a scale. `rounding` is added to it."""
    expected = np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
    tolerance = TOLERANCE.get(expected.dtype, 0)
    atol = rounding + tolerance * (scale or 0) + (np.finfo(expected.dtype).tiny if tolerance else 0)
    np.testing.assert_allclose(found, expected, 0 if scale else tolerance, atol, equal_nan=True, err_msg=what)


def largest(tree: Any) -> float:
    return max(float(np.abs(np.asarray(leaf)).max()) for leaf in mg.tree.leaves(tree))
