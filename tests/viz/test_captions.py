"""Values, gradients and shapes written on the nodes, and what a notebook shows of a tensor."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from minigrad.models import LSTM, RNN
from minigrad.viz.scene import Scene

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check

XS = np.random.default_rng(0).standard_normal((3, 2, 3), dtype="float32")


def last(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs)[-1] ** 2)


def captions(scene: Scene) -> dict[str, str]:
    return {s.label: s.caption for p in scene.placed for s in p.part.shapes if s.caption}


def micrograd() -> mg.Tensor:
    a, b, c, f = (mg.parameter(value, name=name) for value, name in ((2.0, "a"), (-3.0, "b"), (10.0, "c"), (-2.0, "f")))
    e = a * b
    d = e + c
    L = d * f
    return L


def test_a_small_graph_of_numbers_shows_each_value_and_after_backward_each_gradient() -> None:
    L = micrograd()
    assert captions(viz.unrolled(L).scene) == {
        "a": "2", "b": "−3", "e = ×": "−6", "c": "10", "d = +": "4", "f": "−2", "L = ×": "−8",
    }  # fmt: skip
    L.backward()
    drawing = viz.unrolled(L)
    assert captions(drawing.scene) == {
        "a": "2 · ∂ 6", "b": "−3 · ∂ −4", "e = ×": "−6 · ∂ −2", "c": "10 · ∂ −2", "d = +": "4 · ∂ −2", "f": "−2 · ∂ 4", "L = ×": "−8 · ∂ 1",
    }  # fmt: skip
    check(drawing.scene)
    assert "value · ∂ gradient" in [w.text for p in drawing.scene.placed for w in p.part.words]
    assert "−6 · ∂ −2" in [e.text for e in ET.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}text")]
    assert captions(viz.unrolled(L, show=()).scene) == {}
    assert captions(viz.unrolled(L, show="grad").scene)["a"] == "∂ 6"


def test_arrays_show_their_shape_their_range_and_the_norm_of_their_gradient() -> None:
    W, x = mg.parameter(XS[0, :1].T @ XS[0, 1:], name="W"), mg.parameter(XS[0], name="x")
    loss = mg.sum((x @ W).named("z"))
    found = captions(viz.unrolled(loss, show=("shape", "value", "grad")).scene)
    low, high = (f"{v:.4g}".replace("-", "−") for v in (W.numpy().min(), W.numpy().max()))
    norm = np.linalg.norm(x.numpy().T @ np.ones((2, 3)))
    assert found["W"] == f"3×3 · {low} … {high} · ∂ ‖{norm:.3g}‖"
    assert found["z = @"].startswith("2×3 · ")
    assert captions(viz.unrolled(loss).scene) == {}, "only numbers are shown without being asked"


@pytest.mark.parametrize("level", ["op", "gate"])
def test_captions_have_room_also_where_there_is_time(level: str) -> None:
    scene = viz.unrolled(last, RNN(3, 4), XS, show=("value", "grad", "shape"), level=level).scene
    check(scene)
    assert captions(scene)["x₀"].startswith("2×3 · ")


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(mg.errors.SettingError, match="show='values' is unknown: take some of 'value', 'grad' and 'shape'"):
        viz.unrolled(micrograd(), show="values")
    with pytest.raises(mg.errors.SettingError, match="needs level='op' or 'gate'"):
        viz.unrolled(last, LSTM(3, 4), XS, show="value", level="cell")
    with pytest.raises(viz.DrawingError, match="need values"):
        viz.unrolled(mg.trace(last, LSTM(3, 4), XS), show="value")
    assert captions(viz.unrolled(mg.trace(last, RNN(3, 4), XS), show="shape").scene)["h = tanh"] == "2×4"


def test_a_notebook_shows_the_graph_of_a_number_that_was_computed() -> None:
    L = micrograd()
    assert set(L._repr_mimebundle_()) == {"text/plain", "image/svg+xml"}
    assert "L = ×" in L._repr_mimebundle_()["image/svg+xml"]
    for other in (mg.parameter(2.0, name="a"), mg.parameter(XS) * 2, mg.trace(lambda x: x, XS).outputs[0]):
        tensor = other if isinstance(other, mg.Tensor) else mg.Tensor(other)
        assert set(tensor._repr_mimebundle_()) == {"text/plain"}
        assert tensor._repr_mimebundle_()["text/plain"] == repr(tensor)
