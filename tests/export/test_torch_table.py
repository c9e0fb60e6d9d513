"""Every primitive, and random programs of them, as PyTorch functions: values and gradients are those of mg.vjp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from shares import examples
from table import CASES, DIFFERENTIABLE, NAMES

import minigrad as mg
from minigrad.testing import graphs

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True, scope="module")
def interpreted() -> Any:
    """Compilation would take minutes, and other tests say that it agrees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGRAD_JIT", "0")
        yield


def compare(f: Any, arrays: list[np.ndarray], differentiated: bool = True) -> None:
    """f in PyTorch against f in minigrad; cotangents are random."""
    tensors = [torch.from_numpy(np.array(a)) for a in arrays]
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and differentiated]
    for i in floats:
        tensors[i].requires_grad_()
    found = mg.tree.leaves(mg.export.torch.function(f)(*tensors))

    def of_floats(*given: Any) -> list[Any]:
        filled = dict(zip(floats, given, strict=True))
        return mg.tree.leaves(f(*(filled.get(i, mg.tensor(a)) for i, a in enumerate(arrays))))

    outs, pull = mg.vjp(of_floats, *(arrays[i] for i in floats))
    for a, b in zip(found, outs, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.numpy(), strict=True)
    rng = np.random.default_rng(0)
    cts = [rng.standard_normal(o.shape) if o.type.is_float else np.zeros(o.shape) for o in outs]
    recorded = [
        (o, torch.from_numpy(np.asarray(ct, o.detach().numpy().dtype))) for o, ct in zip(found, cts, strict=True) if o.requires_grad
    ]
    if not recorded:
        return
    results, seeds = map(list, zip(*recorded, strict=True))
    grads = torch.autograd.grad(results, [tensors[i] for i in floats], seeds, allow_unused=True)
    expected = pull([mg.tensor(np.asarray(ct, o.dtype)) for o, ct in zip(outs, cts, strict=True)])
    for a, b in zip(grads, expected, strict=True):
        np.testing.assert_allclose(np.zeros(b.shape) if a is None else a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_primitive_is_a_function_of_pytorch(name: str) -> None:
    for case in CASES:
        if case.op.name == name:
            compare(case, case.arrays, any(case is other for other in DIFFERENTIABLE))


@examples(40)
@given(program=graphs(steps=8))
def test_random_programs_are_functions_of_pytorch(program: Any) -> None:
    compare(program, [np.asarray(x) for x in program.inputs()])
