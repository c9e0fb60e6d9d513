"""Names in drawings: those of the user, each once in a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM, NTM, RNN, Bidirectional, Stack
from minigrad.viz.unrolled import timeline_of

import minigrad as mg
from minigrad import viz

XS = np.random.default_rng(0).standard_normal((3, 2, 3), dtype="float32")


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def loop(W: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = mg.tanh(x + h @ W)
        return h, h

    return mg.mean(mg.scan(step, mg.zeros(3), xs)[0] ** 2)


def nodes(drawing: viz.Drawing, prefix: str = "") -> list[str]:
    return [s.label for p in drawing.scene.placed if p.prefix.startswith(prefix) for s in p.part.shapes if s.label]


def words(drawing: viz.Drawing) -> list[str]:
    return [w.text for p in drawing.scene.placed for w in p.part.words]


# ---- gradients


def test_the_forward_loop_of_a_gradient_is_drawn_once() -> None:
    drawing = viz.unrolled(mg.grad(loop), np.eye(3, dtype="float32"), XS[:, 0])
    found = nodes(drawing)
    assert found.count("tanh") == 3
    assert found.count("h₋₁ = 0") == 1
    assert "∂W" in found
    assert {"∂W[1:]", "∂W[2:]"} <= set(words(drawing))


@pytest.mark.parametrize("level", ["op", "gate", "cell", "box"])
def test_results_are_called_by_what_they_are_the_gradient_of(level: str) -> None:
    found = nodes(viz.unrolled(last, RNN(3, 4, outputs=2), XS, backward=True, level=level))
    assert {"∂Wₓ", "∂Wₕ"} <= set(found)
    assert not any(label.startswith("+") and len(label) > 1 for label in found if "[" not in label), "+₁ says nothing"
    assert sum(label.startswith("∂b =") for label in found) == 1
    assert sum(label.startswith("∂readout.b =") for label in found) == 1


def test_the_level_of_gradients_is_the_cell_unless_another_is_asked_for() -> None:
    f = (last, LSTM(3, 4), XS)
    assert viz.unrolled(*f, backward=True).svg == viz.unrolled(*f, backward=True, level="cell").svg
    assert viz.unrolled(*f).svg == viz.unrolled(*f, level="op").svg


def test_gradients_that_are_zero_everywhere_are_left_out_and_it_is_said() -> None:
    def both(model: Any, xs: Any) -> Any:
        ys = model(xs)
        return mg.sum(ys[-1] * ys[1])

    for f, zeros in ((last, 5), (both, 4)):
        drawing = viz.unrolled(f, RNN(3, 4), np.repeat(XS, 2, 0), backward=True, level="op")
        assert "pad" not in nodes(drawing)
        assert any(f"{zeros} slices" in note for note in drawing.notes)


def test_a_gradient_drawn_is_the_gradient_computed() -> None:
    def f(xs: Any) -> Any:
        ys = Bidirectional(LSTM(3, 4), RNN(3, 4))(xs)
        return mg.sum(ys[0] * ys[-1][:, ::-1]) + mg.mean(ys[1:3] ** 2)

    timeline, _ = timeline_of(f, (XS,), None, "grad", "op", backward=True)
    gradient = next(i for i in timeline.items if i.name == "∂xs" and i.index in timeline.outputs)
    np.testing.assert_allclose(gradient.node.value, mg.grad(f)(XS).numpy(), rtol=1e-4, atol=1e-6)


# ---- values


def test_relu_is_one_operation() -> None:
    x = mg.parameter(XS[0], name="x")
    assert nodes(viz.unrolled(mg.sum(mg.relu(x))))[:2] == ["relu", "Σ"]
    assert "where 1" in nodes(viz.unrolled(mg.sum(mg.where(x <= 0, 1, x)))), "another choice is no relu"
    assert nodes(viz.unrolled(last, RNN(3, 4, activation="relu"), XS)).count("h = relu") == 3


def test_a_line_of_a_function_is_called_by_that_function_and_learned_only_where_it_reads_a_weight() -> None:
    drawing = viz.unrolled(last, NTM(3, 2, hidden=4, memory=(5, 3)), XS[:1], level="gate")
    looks = {s.label: s.look for p in drawing.scene.placed for s in p.part.shapes}
    assert looks["similarity"] not in ("layer", "affine")
    assert "sqrt" not in looks
    assert "layer" in looks.values()


def test_values_of_one_name_in_a_step_have_their_scopes_or_primes() -> None:
    labels = nodes(viz.unrolled(last, NTM(3, 2, hidden=4, memory=(5, 3)), XS[:1]))
    assert {"read.k = tanh", "write.k = tanh"} <= set(labels)
    labels = nodes(viz.unrolled(last, Stack([RNN(3, 4), RNN(4, 4)]), XS[:2], level="box"))
    assert {"h₋₁ = 0", "h′₋₁ = 0"} <= set(labels)


def test_two_arrays_of_one_name_are_told_apart() -> None:
    x, y = mg.parameter(XS[0], name="x"), mg.parameter(XS[1], name="x")
    assert "x (2×3)  ·  x′ (2×3)" in "  ·  ".join(words(viz.unrolled(mg.sum(x * y))))
    found = nodes(viz.unrolled(last, Bidirectional(RNN(3, 4), RNN(3, 4)), np.repeat(XS, 2, 0), level="cell"))
    assert {"h₀ … h₅", "h←₀ … h←₅"} <= set(found)


def test_a_variable_names_its_last_value_and_the_array_that_its_line_makes(tmp_path: Path) -> None:
    def step(W: mg.Tensor) -> mg.Tensor:
        h = mg.sin(W)
        h = mg.cos(h)
        return h

    W = mg.parameter(XS[0])
    timeline, _ = timeline_of(step(W), (), None, None, "gate")
    assert [i.name for i in timeline.items] == ["W", None, "h"]


def test_states_stand_in_one_order_at_every_level() -> None:
    for level in ("op", "gate", "cell", "box"):
        drawing = viz.unrolled(last, LSTM(3, 4), XS, level=level)
        heights = {s.label: s.y + p.dy for p in drawing.scene.placed for s in p.part.shapes}
        assert heights["c₋₁ = 0"] < heights["h₋₁ = 0"], level


def test_the_result_of_a_compiled_function_says_what_to_draw_instead() -> None:
    W = mg.parameter(np.eye(3, dtype="float32"), name="W")
    compiled = mg.jit(lambda x: mg.sum(mg.tanh(x @ W)))
    found = compiled(XS[0])
    with pytest.raises(viz.DrawingError, match=r"result of a compiled function.*draw the function: viz\.unrolled\(f, \*args\)"):
        viz.unrolled(found)
    assert "tanh" in nodes(viz.unrolled(compiled, XS[0]))


def test_an_initial_state_comes_from_the_line_of_the_user() -> None:
    timeline, _ = timeline_of(loop, (np.eye(3, dtype="float32"), XS[:, 0]), None, None, "op")
    (start,) = (i for i in timeline.items if i.leaf == "start")
    assert start.node.origin.code is not None
    assert start.node.origin.code.co_filename == __file__
    assert "test_names.py" in viz.unrolled(loop, np.eye(3, dtype="float32"), XS[:, 0]).dot
