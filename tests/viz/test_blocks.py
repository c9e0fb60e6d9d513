"""Outside the steps, a drawing at level cell shows blocks: nothing is lost, and attention is a fan of its weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from minigrad.models import AttentiveLSTM, FeedForwardNetwork, Transformer
from minigrad.viz import fan
from minigrad.viz.timeline import Timeline

import minigrad as mg
from minigrad import viz
from tests.viz.test_geometry import check

timeline_of = import_module("minigrad.viz.unrolled").timeline_of
XS = np.random.default_rng(0).standard_normal((5, 2, 3), dtype="float32")
MODELS = {
    "attention": lambda: AttentiveLSTM(3, 4, 2),
    "bahdanau": lambda: AttentiveLSTM(3, 4, 2, score="bahdanau"),
    "transformer": lambda: Transformer(3, 2, width=4, heads=2, layers=2),
    "learned positions": lambda: Transformer(3, 2, width=4, heads=1, layers=1, positions="learned", causal=False),
}


def loss(model: Any, xs: Any) -> Any:
    return mg.mean(model(xs) ** 2)


def timelines(name: str) -> list[tuple[Timeline, Any]]:
    """The timelines at the levels op and cell, with gradients."""
    model = MODELS[name]()
    return [timeline_of(loss, (model, XS), None, "grad", level) for level in ("op", "cell")]


def outside(timeline: Timeline) -> list[int]:
    return [*timeline.before, *timeline.after]


def sources(timeline: Timeline) -> dict[int, set[int]]:
    """For each operation outside the steps, all leaves, and values of steps, from which it is computed."""
    found: dict[int, set[int]] = {}
    for i in outside(timeline):
        found[i] = set().union(*(found.get(a, {a}) for a in timeline.items[i].args)) - {
            a for a in timeline.items[i].args if timeline.items[a].leaf == "number"
        }
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_block_is_computed_from_what_its_value_is_computed_from(name: str) -> None:
    (op, _), (cell, _) = timelines(name)
    whole, blocks = sources(op), sources(cell)
    assert set(blocks) < set(whole)
    numbers = {i.index for i in cell.items if i.leaf == "number"}
    for i, found in blocks.items():
        assert found - numbers == whole[i] - numbers
    assert {a for i in outside(cell) for a in cell.items[i].args if cell.items[a].leaf == "parameter"} == {
        a for i in outside(op) for a in op.items[i].args if op.items[a].leaf == "parameter"
    }
    assert all(a in blocks or a not in whole for i in blocks for a in cell.items[i].args)


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_blocks_have_the_gradients_of_their_values(name: str) -> None:
    (_, op), (cell, colours) = timelines(name)
    assert all(colours.norms.get(i) == op.norms.get(i) for i in outside(cell))
    lanes = {key: norm for key, norm in colours.lanes.items() if key in op.lanes and cell.items[key[0]].leaf != "block"}
    assert {key: op.lanes[key] for key in lanes} == pytest.approx(lanes, rel=1e-4)
    assert len(lanes) > 5


def test_residual_connections_are_sums_beside_sublayers() -> None:
    _, (cell, _) = timelines("transformer")
    labels = [cell.items[i].label for i in cell.after]
    assert labels.count("+") == 4
    assert labels.count("norm2 · linear1 · linear2") == labels.count("norm1 · attention") == labels.count("out") == 2
    for i in cell.after:
        if cell.items[i].label == "+":
            skip, sublayer = sorted(cell.items[i].args)
            assert cell.items[sublayer].label in ("out", "norm2 · linear1 · linear2")
            assert cell.items[skip].label in ("+", "embed")
    (note,) = [n for n in cell.notes if "blocks" in n]
    assert f"drawn as {len(cell.after)} blocks" in note


@pytest.mark.parametrize("name", MODELS)
def test_the_lines_of_a_fan_are_the_weights(name: str) -> None:
    _, (cell, _) = timelines(name)
    drawing = viz.unrolled(loss, MODELS[name](), XS, level="cell")
    check(drawing.scene)
    fans = [f for p in drawing.scene.placed for f in p.part.fans]
    values = [cell.items[i].node.value[0].reshape(-1, 5, 5) for i in cell.after if cell.items[i].name == "weights"]
    assert len(fans) == len(values)
    for drawn, weights in zip(fans, values, strict=True):
        assert len(drawn.lines) == (weights >= fan.SEEN).sum()
        assert len(drawn.dots) == 10 * len(weights)
        widths = np.sort([line[4] for line in drawn.lines])
        assert np.allclose(widths, 0.4 + 2.6 * np.sort(weights[weights >= fan.SEEN]))
    assert fan.NOTE in drawing.notes


def test_a_graph_without_values_or_without_blocks_is_drawn_too() -> None:
    graph = mg.trace(loss, MODELS["transformer"](), XS)
    assert not any(p.part.fans for p in viz.unrolled(graph, level="cell").scene.placed)
    dense = viz.unrolled(lambda m, x: mg.mean(m(x) ** 2), FeedForwardNetwork(3, 4, 2), XS, level="cell")
    check(dense.scene)
    assert viz.unrolled(mg.sum(mg.parameter(1.0, name="a") * 2.0), level="cell").scene.placed
