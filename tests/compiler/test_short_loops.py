"""Loops whose length is no multiple of a vector."""

import numpy as np
import pytest

from minigrad.compiler import compile_function, run_python
from minigrad.compiler import loop_ir as L
from minigrad.compiler.llvm.short_loops import FEW, is_unrolled, vectors

MOST = 48
j = L.LoopVar("j")
X = L.Buffer("x", "float32", MOST + 1)
BODIES = {  # what an iteration stores, by the element before, its own, and that of x
    "copies": lambda before, here, x: L.Unary("neg", x),
    "changes in place": lambda before, here, x: L.Binary("sub", x, here),
    "adds up in memory": lambda before, here, x: L.Binary("sub", x, before),
    "keeps a sum": None,
    "keeps the element before": None,
}
LENGTHS = {
    "copies": {3: [3], 5: [4, 4], 7: [4, 4], 8: [8], 9: [8, 1], 14: [8, 4, 2], 16: [16], 31: [16, 16], 37: [32, 8], 48: [48]},
    "changes in place": {7: [4, 2, 1], 15: [8, 4, 2, 1], 20: [16, 4], 31: [16, 16], 37: [32, 8]},
    "adds up in memory": {6: [4, 2], 15: [8, 4, 2, 1], 20: [16, 4], 31: [16, 16], 37: [32, 8]},
    "keeps a sum": {7: [7], 8: [8], 9: [8, 1], 15: [8, 4, 2, 1], 20: [20], 31: [31]},
    "keeps the element before": {3: [3], 7: [4, 2, 1], 8: [8], 20: [16, 4], 31: [16, 8, 4, 2, 1], 48: [48]},
}


def output(n):
    return L.Buffer(f"out{n}", "float32", MOST + 1)


def loop(kind, n, extent=None, start=0, reverse=False):
    sum_, out, x = L.Read(f"sum{n}", "float32"), output(n), L.Load(X, j + 1)
    if kind == "keeps a sum":
        body = (L.Assign(sum_.name, L.Binary("add", sum_, x)),)
    elif kind == "keeps the element before":
        body = L.Store(out, j + 1, L.Binary("sub", x, sum_)), L.Assign(sum_.name, x)
    else:
        body = (L.Store(out, j + 1, BODIES[kind](L.Load(out, j), L.Load(out, j + 1), x)),)
    return L.For(j, n if extent is None else extent, body, reverse, start)


@pytest.mark.parametrize("kind", BODIES)
def test_loops_fill_vectors_to_the_last_element(kind):
    size = L.Size("n")
    for n, lengths in LENGTHS[kind].items():
        parts = vectors(loop(kind, n, start=size), True)
        assert [L.evaluate(p.extent, {}) for p in parts] == lengths
        assert L.evaluate(parts[0].start, {"n": 5}) == 5
        assert L.evaluate(parts[-1].start, {"n": 5}) + lengths[-1] == n + 5
    assert vectors(loop(kind, 9, extent=size), True) == (loop(kind, 9, extent=size),)


def test_much_work_stays_whole_beside_a_sum_and_functions_do_in_a_short_loop_if_there_are_masks():
    work = tuple(L.Let(f"v{n}", L.Unary("exp", L.Load(X, j))) for n in range(FEW + 1))
    beside = (*work, *loop("keeps a sum", 7).body)

    def lengths(n, body, masks):
        return [p.extent for p in vectors(L.For(j, L.Literal(n), body), masks)]

    assert lengths(14, beside, False) == [L.Literal(14)]
    assert lengths(14, work, True) == [L.Literal(8), L.Literal(4), L.Literal(2)]
    assert lengths(7, beside, True) == lengths(7, work, True) == [L.Literal(7)]
    assert lengths(7, beside, False) == [L.Literal(4), L.Literal(2), L.Literal(1)]
    assert not is_unrolled(L.For(j, 7, beside), None)


def test_a_short_loop_whose_iterations_read_each_others_results_is_not_unrolled():
    i, out = L.LoopVar("i"), L.Buffer("out", "float32", 100)
    for before, apart in ((i * 7, True), ((i - 1) * 7, False)):
        inner = L.For(j, 7, (L.Store(out, i * 7 + j, L.Unary("neg", L.Load(out, before + j))),))
        assert is_unrolled(inner, L.For(i, 10, (inner,), start=1)) == apart


@pytest.mark.parametrize(("kind", "reverse"), [*((kind, False) for kind in BODIES), ("keeps the element before", True)])
def test_parts_compute_what_the_loop_computes(kind, reverse):
    x = np.random.default_rng(0).integers(-9, 9, MOST + 1).astype("float32")
    steps = []
    for n in LENGTHS[kind]:
        if kind.startswith("keeps"):
            total = L.Read(f"sum{n}", "float32")
            steps += [L.Declare(total.name, L.Const("float32", 0)), loop(kind, n, reverse=reverse), L.Store(output(n), 0, total)]
        else:
            steps.append(loop(kind, n))
    f = L.Function("f", (X,), tuple(map(output, LENGTHS[kind])), (), (), tuple(steps))
    found, plain = ({b.name: x.copy() for b in f.arguments} for _ in range(2))
    compile_function(f).run(found, {})
    run_python(f, plain, {})
    for name in found:
        np.testing.assert_array_equal(found[name], plain[name], err_msg=name)
