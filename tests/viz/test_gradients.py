"""Gradients in drawings: along each state's own lane, in rows of their own, and where they break."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM, RNN
from minigrad.viz import style
from minigrad.viz.unrolled import timeline_of

import minigrad as mg
from minigrad import viz

XS = np.random.default_rng(0).standard_normal((6, 2, 3), dtype="float32")


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def words(drawing: viz.Drawing) -> list[str]:
    scene = drawing.scene
    return [w.text for p in scene.placed for w in p.part.words] + [s.label for p in scene.placed for s in p.part.shapes]


def test_the_rate_of_a_state_is_what_a_step_multiplies_its_gradient_by() -> None:
    def loss(xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = (0.25 * h + x).named("h")
            return h, h

        return mg.sum(mg.scan(step, mg.zeros(3), xs)[0])

    assert "a step back: ‖∂L/∂h‖ × 0.25" in words(viz.unrolled(loss, XS[:, 0], color="grad"))


def test_the_cell_lane_and_the_hidden_lane_of_an_lstm_are_told_apart() -> None:
    model = LSTM(3, 4)
    timeline, colours = timeline_of(last, (model, XS), None, "grad", "op")
    for t in range(2, 5):
        c = next(i for i in timeline.items if i.name == "c" and i.column == t)
        lane, total = colours.lanes[c.index, t + 1], colours.norms[c.index]
        f = next(i for i in timeline.items if i.name == "f" and i.column == t + 1)
        after = next(i for i in timeline.items if i.name == "c" and i.column == t + 1)
        state = model.run(mg.tensor(XS[: t + 2]))[1]
        assert state.c.shape == f.node.type.shape
        assert lane < colours.norms[after.index], "f < 1: the lane carries f ⊙ ∂L/∂c"
        assert lane != pytest.approx(total, rel=1e-3), "the rest comes by h"
    rates = next(w for w in words(viz.unrolled(last, model, XS, color="grad")) if w.startswith("a step back"))
    assert "∂c" in rates
    assert "∂h" in rates


def test_nan_is_unmissable_and_its_start_is_named() -> None:
    W, h = mg.parameter(np.eye(3, dtype="float32"), name="W"), mg.zeros(3)
    for t in range(4):
        with mg.scope("rnn", step=t):
            h = mg.tanh(XS[t, 0] + h @ W) / (0.0 if t == 2 else 1.0)
    loss = mg.sum(h * h)
    loss.backward()
    drawing = viz.unrolled(loss)
    alarm = next(w for w in words(drawing) if w.startswith("NaN or ∞ in"))
    assert "t = 3, test_gradients.py:" in alarm
    assert drawing.notes[0] == alarm
    assert drawing.svg.count(style.NOT_FINITE) > 10
    assert not any("NaN or ∞ in" in w for w in words(viz.unrolled(last, RNN(3, 4), XS, color="grad")))


def test_fewer_steps_keep_the_loss_of_the_last_output() -> None:
    found = words(viz.unrolled(mg.trace(last, RNN(3, 4), XS), steps=2))
    assert {"t = 0", "t = 1"} == {p.frame.label for p in viz.unrolled(last, RNN(3, 4), XS, steps=2).scene.placed if p.frame} - {"after"}
    assert "x₁" in found
    assert "x₂" not in found


def test_gradients_in_their_own_row_are_coloured_by_their_own_norm() -> None:
    model = RNN(3, 4)
    timeline, colours = timeline_of(last, (model, XS), None, "grad", "op", backward=True)
    found = {i.name: colours.norms[i.index] for i in timeline.items if (i.name or "").startswith("∂W") or i.name == "∂b"}
    grads = mg.grad(last)(model, XS)
    for name, gradient in (("∂Wₓ", grads.W_x), ("∂Wₕ", grads.W_h), ("∂b", grads.b)):
        assert found[name] == pytest.approx(np.linalg.norm(gradient.numpy()), rel=1e-4)
    with pytest.raises(viz.DrawingError, match="backward=True needs a float scalar"):
        viz.unrolled(lambda m, xs: m(xs), model, XS, backward=True)


def test_compared_runs_share_one_legend_and_keep_their_names() -> None:
    drawing = viz.compare({"RNN": (last, RNN(3, 4)), "LSTM": (last, LSTM(3, 4))}, XS, level="cell", color="grad")
    found = words(drawing)
    assert {"RNN", "LSTM"} <= set(found)
    assert found.count("← vanishing") == 1
    names = [p.prefix + s.id for p in drawing.scene.placed for s in p.part.shapes]
    assert len(set(names)) == len(names)
    with pytest.raises(viz.DrawingError, match="at least one run"):
        viz.compare({})


def nodes(drawing: viz.Drawing) -> dict[str, Any]:
    return {s.label: s for p in drawing.scene.placed for s in p.part.shapes if s.label}


@pytest.mark.parametrize("level", ["op", "gate", "cell", "box"])
def test_each_weight_has_the_colour_of_its_gradient(level: str) -> None:
    model = RNN(3, 4)
    grads = mg.grad(last)(model, XS)
    found = nodes(viz.unrolled(last, model, XS, color="grad", level=level, scale=(1e-6, 1e2)))
    for label, gradient in (("Wₓ (3×4)", grads.W_x), ("Wₕ (4×4)", grads.W_h), ("b (4)", grads.b)):
        assert found[label].fill == style.gradient_colour(float(np.linalg.norm(gradient.numpy())), (-6, 2))


def test_the_line_from_the_weights_has_the_colour_of_what_a_step_adds_to_their_gradients() -> None:
    timeline, colours = timeline_of(last, (RNN(3, 4), XS), None, "grad", "op")
    weights = [i.index for i in timeline.items if i.leaf == "parameter"]
    expected = {style.gradient_colour(float(np.linalg.norm([colours.lanes[w, t] for w in weights])), colours.scale) for t in range(6)}
    lines = {w.colour for p in viz.unrolled(last, RNN(3, 4), XS, color="grad").scene.placed for w in p.part.wires if w.tail == "weights"}
    assert lines == expected
    assert len(lines) > 3


@pytest.mark.parametrize("T", [4, 400])
def test_the_colours_reach_over_the_norms_that_are_drawn(T: int) -> None:
    xs = np.random.default_rng(0).standard_normal((T, 1, 3), dtype="float32")
    _, colours = timeline_of(last, (LSTM(3, 4), xs), None, "grad", "gate")
    exponents = np.log10([n for n in colours.all_norms() if n > 0])
    low, high = colours.scale
    assert high - 1 < max(exponents) <= high
    assert np.mean(exponents < low) <= 0.05 < np.mean(exponents < low + 1), "the least of all may lie below"
    with pytest.raises(mg.errors.SettingError, match="two norms that rise"):
        viz.unrolled(last, LSTM(3, 4), xs, color="grad", scale=(1, 0.1))


def test_runs_beside_each_other_have_one_scale_and_a_fixed_one_where_it_is_given() -> None:
    runs = {"short": (last, RNN(3, 4), XS), "long": (last, RNN(3, 4), np.repeat(XS, 4, 0))}
    single, both = (viz.compare({k: runs[k] for k in names}, color="grad") for names in (["short"], runs))
    assert {w for w in words(single) if w.startswith("10")} != {w for w in words(both) if w.startswith("10")}
    assert {"10⁻⁸", "10⁴"} <= set(words(viz.compare(runs, color="grad", scale=(1e-8, 1e4))))


@pytest.mark.parametrize("exponent", np.linspace(-9, 5, 113))
def test_words_can_be_read_on_every_colour_of_a_gradient(exponent: float) -> None:
    fill = style.decade_colour(exponent)
    assert style.contrast(style.ink(fill), fill) >= 4.5


def test_contrast_is_that_of_the_guidelines() -> None:
    assert style.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert style.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert style.ink("#FFFFFF") == style.ink("#FFF3C4") == style.TEXT, "kinds keep the usual colour"
