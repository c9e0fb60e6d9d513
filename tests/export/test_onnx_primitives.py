"""Every primitive as ONNX, from the table's own examples: onnxruntime gives the interpreter's number, or the export refuses by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from table import Case, cases, out_types, value

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from in_onnxruntime import close, exported, outputs

import minigrad as mg
from minigrad.errors import GraphError
from minigrad.export.onnx_model import RULES
from minigrad.export.onnx_model.writer import REFUSALS
from minigrad.table import TABLE

FLOATS = (np.dtype("float64"), np.dtype("float32"))
# {operation: the floats in which it is refused}
REFUSED = {"bitcast": FLOATS, "nextafter": FLOATS, "erf": FLOATS[:1], "kernel": FLOATS}
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-30, -1e-30, 100, -100, 30, -30, 0.5, -0.5, 1, -1, 2.5, 709.9, -709.9, 1e19, 1e36])
INTEGERS = ["int8", "int32", "int64", "uint16", "uint64"]


def test_every_primitive_has_a_rule_and_every_rule_a_primitive():
    assert set(RULES) == set(TABLE)


def in_dtype(case: Case, dtype: np.dtype) -> Case:
    """The case with its floats in another dtype."""
    attrs = {k: dtype if v == FLOATS[0] else v for k, v in case.attrs.items()}
    return replace(case, arrays=[a.astype(dtype) if a.dtype.kind == "f" else np.asarray(a) for a in case.arrays], attrs=attrs)


def agrees(case: Case, folder: Any) -> None:
    found = outputs(exported(lambda *arrays: case(*arrays), tuple(case.arrays), folder), *case.arrays)
    for a, b in zip(found, value(case), strict=True):
        close(a, b, what=repr(case))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_runtime_gives_the_interpreters_number(name, tmp_path):
    bodies = any(isinstance(v, mg.Graph) for case in cases(name) for v in case.attrs.values())
    for dtype in FLOATS[:1] if bodies else FLOATS:
        for case in (in_dtype(case, dtype) for case in cases(name)):
            if dtype in REFUSED.get(name, ()):
                with pytest.raises(GraphError, match=rf"export.onnx: {name}\("):
                    agrees(case, tmp_path)
            else:
                agrees(case, tmp_path)


@pytest.mark.parametrize(
    "name", sorted(n for n, op in TABLE.items() if op.elementwise and not op.examples and n not in ("where", "nextafter"))
)
def test_special_values_of_floats(name, tmp_path):
    """NaN, infinities, zeros of both signs, and numbers at which functions overflow."""
    op = TABLE[name]
    for dtype in FLOATS:
        if dtype not in REFUSED.get(name, ()):
            x = SPECIAL.astype(dtype)
            arrays = [x] if len(op.domain) == 1 else [np.repeat(x, len(x)), np.tile(x, len(x))]
            with np.errstate(all="ignore"):
                agrees(Case(op, arrays, {}, name), tmp_path)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argsort", "scatter_max", "cumsum", "maximum"])
def test_nan_counts_as_in_numpy(name, tmp_path):
    x = np.random.default_rng(0).choice([np.nan, np.inf, -np.inf, 1.0, 2.0], (6, 5, 4))
    (case,) = cases(name)[:1]
    if name == "scatter_max":
        agrees(Case(case.op, [x[0, :4, :3], case.arrays[1]], case.attrs), tmp_path)
    else:
        with np.errstate(all="ignore"):
            agrees(Case(case.op, [x] * len(case.arrays), case.attrs), tmp_path)


def integers(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Small and large ones, with both ends of the range."""
    info = np.iinfo(dtype)
    drawn = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    small = rng.integers(-9 if info.min else 0, 10, shape).astype(dtype)
    ends = rng.choice(np.array([info.min, info.max], dtype), shape)
    return np.choose(rng.integers(0, 8, shape), [ends, *[small] * 4, *[drawn] * 3])


def on_integers(case: Case, dtype: str) -> Case | None:
    """The case on integers, also where the entry has an example of floats alone; None if the operation takes none of them."""
    rng = np.random.default_rng(0)
    shape = (60,) if case.op.elementwise else None
    arrays = [a if a.dtype == bool else integers(shape or a.shape, dtype, rng) if shape or a.dtype.kind == "f" else a for a in case.arrays]
    arrays = [rng.random(60) > 0.5 if a.dtype == bool else a for a in arrays]
    found = replace(case, arrays=arrays)
    try:
        out_types(found)
    except mg.errors.DTypeError:
        return None
    return found


OF_INTEGERS = [n for n in sorted(TABLE) if TABLE[n].kind != "control" and any(on_integers(c, "int64") for c in cases(n) if c.arrays)]


@pytest.mark.parametrize("name", sorted({*OF_INTEGERS} - {"bitcast", "cast", "fit", "pow", "position", "one_hot", "random"}))
def test_integers_of_every_width_wrap_as_in_numpy(name, tmp_path):
    """Sums are exact, and division by 0 and −1 has NumPy's results. What onnxruntime does not compute in uint64 is refused."""
    for dtype in INTEGERS:
        case = on_integers(cases(name)[0], dtype)
        assert case is not None
        with np.errstate(all="ignore"):
            if name in REFUSALS and REFUSALS[name].of == dtype:
                with pytest.raises(GraphError, match=rf"export.onnx: {name}\(uint64"):
                    agrees(case, tmp_path)
            else:
                agrees(case, tmp_path)


@pytest.mark.parametrize("source", ["float64", "float32", "int64", "uint64", "int8", "bool"])
def test_a_cast_of_a_float_gives_the_nearest_integer_that_the_dtype_holds(source, tmp_path):
    with np.errstate(all="ignore"):
        ends = [2.0**63, 2.0**64, -(2.0**63), 2.0**31, 300.7, -129, 1e10, -1.5]
        x = np.concatenate([SPECIAL, -SPECIAL, ends]).astype(source)
        for target in (*INTEGERS, "float32", "float64", "bool"):
            agrees(Case(TABLE["cast"], [x], {"dtype": np.dtype(target)}), tmp_path)


def test_powers_of_integers_are_refused(tmp_path):
    with pytest.raises(GraphError, match="powers of integers in float64, which is not exact"):
        exported(lambda x: mg.pow(x, x), (np.arange(3),), tmp_path)


def test_sixteen_bits_are_refused(tmp_path):
    for f in (lambda x: mg.astype(mg.astype(x, "float16"), "float32"), lambda x: mg.astype(x, "bfloat16")):
        with pytest.raises(GraphError, match=r"float16 is not exported"):
            exported(f, (np.ones(3, "float32"),), tmp_path)
    with pytest.raises(GraphError, match=r"x is float16\(3\)"):
        exported(lambda x: mg.astype(x, "float32"), (np.ones(3, "float16"),), tmp_path)
