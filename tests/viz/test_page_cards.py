"""On the page an open step of a known family shows its values as cards, with the numbers that they have in drawings."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from minigrad.models import DeltaNet, Stack, Titans
from minigrad.viz import families, heat, text
from minigrad.viz.families import Family
from minigrad.viz.page.graph import graph, lines_of

import minigrad as mg
from minigrad import viz
from minigrad.errors import SettingError
from tests.viz.test_page import data_of, floats
from tests.viz.test_value_cells import MODELS, SMALL, XS, every, wired


@cache
def exported(name: str) -> Any:
    """The wiring of a model, its colours, and what the page has of it."""
    _, colours, wiring = wired(name)
    return wiring, colours, graph(wiring, colours)


def is_of(name: str, family: Family) -> bool:
    return any(family in known.values() for known in families.of(wired(name)[0]).values())


@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda f: f.needs)
def test_every_family_has_cards_on_the_page(family: Family) -> None:
    """Every step has them. Some step shows all values by which a family is known, and what it remembers in with its numbers."""
    name = next(n for n in MODELS if n != "layers" and is_of(n, family))
    data = data_of(viz.page(every, MODELS[name], XS))
    shown, numbers = set(), set()
    for template in (data["templates"][k] for column, _, k, *_ in data["steps"] if column >= 0):
        view, names = template["open"], [text.plain(node[0].rpartition(".")[2]).rstrip("′") for node in template["nodes"]]
        cards, plates = ({names[row] for row, *_ in view[kind]} for kind in ("cards", "plates"))
        assert cards
        assert cards <= plates
        shown |= cards | {names[s[0]] for s in view["shapes"] if s[0] >= 0}
        numbers |= plates
    assert shown.issuperset(family.needs.split())
    assert numbers & set((family.memory or family.needs).split())


@pytest.mark.parametrize("name", MODELS)
def test_the_numbers_of_cards_are_those_of_the_drawing_in_every_step(name: str) -> None:
    """Equal steps have one template on the page; each has its own layout in a drawing."""
    wiring, _, data = exported(name)
    for step, (_, _, k, *_) in zip(wiring.steps, data["steps"], strict=True):
        view, items = data["templates"][k]["open"], [wiring.items[i] for i in step.items]
        fixed = step.fixed
        heats = [] if fixed is None else fixed.heats
        for h, (row, x, y, w, _, scale, top, (size, starts, apart, columns), *sparse) in zip(heats, view["plates"], strict=True):
            value = heat.value_of(items[row])
            assert value is not None
            shown = value.ravel()[np.add.outer(starts, apart * np.arange(columns))]
            if sparse:
                at, slots = sparse
                rows = heat.value_of(items[at]).ravel()[np.add.outer(starts, apart * np.arange(columns))]
                shown = np.array([[shown[rows == slot].sum()] for slot in slots])
            assert items[row] is wiring.items[h.item]
            assert size in (value.size, value.size // len(value))
            np.testing.assert_allclose(shown, h.field.grid(value), rtol=1e-6)
            np.testing.assert_allclose([x + w / 2, -y - h.h / 2, w], [h.x, h.y, h.w], atol=0.11)
            assert (scale, top) == (h.scale, h.top)
        boxes = [] if fixed is None else [m for m in fixed.nodes if m.numbers is not None]
        for m, (row, x, *_, label, _, _, _, _, (_, starts, _, _)) in zip(boxes, (s for s in view["shapes"] if len(s) > 11), strict=True):
            assert (items[row], label) == (wiring.items[m.item], m.label)
            assert abs(x - m.x) < 0.06
            assert heat.value_of(items[row]).ravel()[starts[0]] == m.numbers.grid(heat.value_of(items[row]))[0, 0]


@pytest.mark.parametrize("name", ["sam", "titans", "layers"])
def test_a_line_between_cards_has_the_gradient_that_passes_along_it(name: str) -> None:
    """Its number stands behind those of all arguments."""
    wiring, colours, data = exported(name)
    for step, (column, _, k, member, _) in zip(wiring.steps, data["steps"], strict=True):
        if column < 0:
            continue
        template = data["templates"][k]
        norms = floats(template["edges"]).reshape(-1, template["first"][-1])[member]
        lines = [w for w in template["open"]["wires"] if w[2] == len(step.items) and w[3] >= 0 and lines_of(step)]
        assert sorted(w[3] for w in lines) == list(range(len(lines_of(step))))
        for (values, parts), norm in zip(lines_of(step), norms[template["first"][-2] :], strict=True):
            expected = [colours.parts[a, p] for a in values for p in parts if (a, p) in colours.parts]
            np.testing.assert_allclose(norm, np.linalg.norm(expected) if expected else -1.0, rtol=1e-5)


@pytest.mark.parametrize("layers", [[DeltaNet] * 4, [Titans] * 2, [DeltaNet, Titans, DeltaNet]], ids=["deltanet", "titans", "both"])
def test_all_steps_open_where_one_has_too_many_values_for_a_picture(layers: list[Any]) -> None:
    data = data_of(viz.page(every, Stack([layer(3, outputs=3, **SMALL) for layer in layers]), XS))
    for template in (data["templates"][k] for column, _, k, *_ in data["steps"] if column >= 0):
        assert sum(shape[5] not in ("input", "output", "parameter") for shape in template["open"]["shapes"]) > 1


def with_bfloat16(model: Any, xs: Any) -> Any:
    return every(model, xs) + mg.sum(mg.astype(mg.astype(xs, "bfloat16"), "float32"))


def with_gradients(model: Any, xs: Any) -> Any:
    return mg.sum(mg.grad(lambda xs: every(model, xs))(xs))


@pytest.mark.parametrize(("f", "most"), [(with_bfloat16, 9999), (with_gradients, 9999), (every, 10)], ids=["bfloat16", "gradients", "many"])
def test_a_page_that_cannot_compute_has_cards_only_if_asked(monkeypatch: pytest.MonkeyPatch, f: Any, most: int) -> None:
    """Their numbers are those that it computes."""
    monkeypatch.setattr(import_module("minigrad.viz.page.live"), "MOST", most)
    for level, expected in ((None, False), ("cell", True)):
        data = data_of(viz.page(f, MODELS["deltanet"], XS, level=level))
        assert not data["live"]
        assert any("values cannot be changed" in n for n in data["notes"])
        assert any(t["open"]["cards"] for t in data["templates"]) is expected


@pytest.mark.parametrize("name", ["deltanet", "mingru"])
def test_members_of_the_batch_are_counted_from_its_end_too(name: str) -> None:
    def shown(example: Any) -> Any:
        return data_of(viz.page(every, MODELS[name], XS, example=example))

    assert shown(-1) == shown(1) != shown(-2) == shown(0)
    assert shown((0, -1)) == shown((0, 1))


@pytest.mark.parametrize("example", [2, -3, (0, 2)])
def test_a_member_that_the_batch_does_not_have_is_refused(example: Any) -> None:
    with pytest.raises(SettingError, match="values have 2 members"):
        viz.page(every, MODELS["deltanet"], XS, example=example)


def test_where_values_have_batches_of_several_sizes_no_member_is_counted_from_the_end() -> None:
    def loss(xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h, k = (h + x).named("h"), mg.tanh(x[:1]).named("k")
            return h, mg.sum(h) * mg.sum(k)

        return mg.sum(mg.scan(step, mg.zeros((2, 3)), xs)[1])

    assert viz.page(loss, XS, example=0).html
    with pytest.raises(SettingError, match="values have 1 or 2 members"):
        viz.page(loss, XS, example=-1)
