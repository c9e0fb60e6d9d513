"""Inside PyTorch, programs run on PyTorch's threads: the same bits for any number, errors, and where there are none of its threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import children
import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.llvm.work_board import THREADS
from minigrad.compiler.lower import program as lowering
from minigrad.compiler.runtime import executable
from minigrad.compiler.runtime.openmp import OpenMP
from minigrad.errors import BoundsError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PyTorch's OpenMP has GNU's names there, and a process forks")
RNG = np.random.default_rng(0)
W = torch.from_numpy(RNG.standard_normal((20, 20)) / 5).requires_grad_()
XS = torch.from_numpy(RNG.standard_normal((7, 17, 20)))
PLACES = torch.from_numpy(RNG.integers(0, 17, 17))


@contextmanager
def shared() -> Iterator[Any]:
    """A loop and a look-up, of which all is shared that can be, however small."""

    def loop(w: Any, xs: Any, places: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = mg.tanh(x + h @ w)
            return h, h

        return mg.scan(step, mg.zeros((xs.shape[1], 20), "float64"), xs)[1][:, places]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGRAD_THREADS", "4")
        patch.setattr(lowering, "SHARED_WORK", 1)
        patch.setattr(executable, "THREAD_WORK", 1)
        made = mg.export.torch.function(loop)
        bits(made)  # a first call may be long, and runs in a thread of its own
        yield made


@pytest.fixture(scope="module")
def f() -> Iterator[Any]:
    with shared() as made:
        yield made


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def regions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return noting_regions(monkeypatch)


def noting_regions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For each phase that will run on PyTorch's threads, the threads that were to divide it."""
    found: list[int] = []
    call = OpenMP.call

    def noted(self: OpenMP, kernel: Any, arrays: Any, sizes: Any, arena: Any, board: Any) -> tuple[int, int]:
        found.append(board[THREADS])
        return call(self, kernel, arrays, sizes, arena, board)

    monkeypatch.setattr(OpenMP, "call", noted)
    return found


def bits(f: Any, places: Any = PLACES) -> list[bytes]:
    out = f(W, XS, places)
    return [t.detach().numpy().tobytes() for t in (out, *torch.autograd.grad(out.square().sum(), W))]


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 8])
def test_the_bits_are_the_same_on_any_number_of_pytorchs_threads(threads: int, f: Any, regions: list[int]) -> None:
    expected = bits(f)
    regions.clear()
    torch.set_num_threads(threads)
    assert [bits(f) for _ in range(5)] == [expected] * 5
    assert max(regions, default=1) == min(threads, 4)


def test_a_failed_check_ends_the_region(f: Any, regions: list[int]) -> None:
    expected, wrong = bits(f), PLACES.clone()
    wrong[5] = 17
    regions.clear()
    for _ in range(3):
        with pytest.raises(BoundsError, match="index 17 out of bounds for an axis of size 17"):
            f(W, XS, wrong)
        assert bits(f) == expected
    assert regions


def test_threads_of_python_have_threads_of_their_own(f: Any, regions: list[int]) -> None:
    expected = bits(f)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(bits, [f] * 8)) == [expected] * 8
    assert set(regions) == {2}


FORKS = """
import sys
from multiprocessing import get_context
import pytest, torch
from children import GUARD
from test_torch_threads import bits, noting_regions, shared

torch.set_num_threads(2)
with shared() as f, pytest.MonkeyPatch.context() as patch:
    regions, expected = noting_regions(patch), bits(f)
    assert regions
    regions.clear()
    child = get_context("fork").Process(target=lambda: sys.exit(bits(f) != expected or bool(regions)))
    child.start()
    child.join(GUARD)
    child.kill()  # one that waits for threads that are gone
    sys.exit(child.exitcode)
"""


def test_in_a_forked_child_which_has_none_of_the_threads_it_computes_without_them() -> None:
    """In a process of its own: PyTorch's autograd refuses a child of one where a backward pass had threads."""
    children.run(FORKS, PYTHONPATH=os.pathsep.join(sys.path))


def test_where_pytorch_has_no_openmp_or_another_one_our_own_workers_help(
    f: Any, regions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, expected = mg.export.torch.threads, bits(f)
    for at, name in ((torch.backends.openmp, "is_available"), (threads.ctypes, "CDLL")):
        with monkeypatch.context() as patch:
            patch.setattr(at, name, lambda *name: None)
            assert threads.openmp.__wrapped__() is None
    monkeypatch.setattr(threads, "openmp", lambda: None)
    regions.clear()
    assert bits(f) == expected
    assert not regions
