"""Cards in a real browser: an open step shows the numbers of its values and gradients, also after a change."""

from __future__ import annotations

import re
from importlib import import_module

import numpy as np
import pytest
from minigrad.models import DeltaNet
from minigrad.viz import heat, style
from minigrad.viz.colours import Colours
from minigrad.viz.steps import laid_out
from shares import shared

from minigrad import viz
from tests.viz.test_value_cells import MODELS, XS, every, wired

pytest.importorskip("selenium", reason="needs selenium")
timeline_of = import_module("minigrad.viz.unrolled").timeline_of


def opened(browser, name, **settings):
    browser.open(viz.page(every, MODELS[name], XS, title=name, **settings))
    if browser.text("#all") == "open all":
        browser.press("a")
    browser.wait("document.querySelector('.cells path') || document.querySelector('#notes').textContent.includes('cannot be changed')")
    return browser


def plates(browser):
    """The colours of each plate, row by row, by step and by the number of the plate."""
    script = """const cells = g => [...g.querySelectorAll('path')].map(p => [p.getAttribute('fill'), p.getAttribute('d')]);
        return [...document.querySelectorAll('.step')].map(s => [Number(s.dataset.step), [...s.querySelectorAll('.cells')].map(cells)])"""
    return {step: [grid(paths) for paths in found] for step, found in browser.run(script)}


def grid(paths):
    cells = {}
    for fill, d in paths:
        for x, y in re.findall(r"M(\S+) ([^h]+)h", d):
            cells[float(y), float(x)] = [int(n) for n in re.findall(r"\d+", fill)]
    rows = sorted({y for y, _ in cells})
    return [[cells[at] for at in sorted(k for k in cells if k[0] == y)] for y in rows]


def rgb(colour):
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


@pytest.mark.parametrize("name", ["deltanet", "sam"])
def test_plates_have_the_colours_of_the_numbers_and_of_their_gradients(browser, name):
    """Of all steps, to the colours of a scale of 32."""
    _, colours, wiring = wired(name)
    opened(browser, name)
    shown = plates(browser)
    assert shown
    for i, found in shown.items():
        for h, colour in zip(wiring.steps[i].fixed.heats if wiring.steps[i].fixed else [], found, strict=True):
            array = colours.arrays.get(h.item)
            if array is None:
                assert all(c == rgb(style.NO_GRADIENT) for row in colour for c in row)
            elif h.at is None:
                expected = h.field.grid(heat.shaped(wiring.items[h.item], array), True)
                assert colour == [[rgb(style.gradient_colour(float(v))) for v in row] for row in expected]
    browser.press("c", "c")
    for i, found in plates(browser).items():
        for h, colour in zip(wiring.steps[i].fixed.heats if wiring.steps[i].fixed else [], found, strict=True):
            expected = heat.by_value(h.field.grid(heat.value_of(wiring.items[h.item])), h.scale, h.top)
            np.testing.assert_allclose(colour, [[rgb(c) for c in row] for row in expected], atol=20)


def test_few_numbers_stand_behind_the_name_and_follow_a_change_of_this_member_of_the_batch(browser):
    _, _, wiring = wired("deltanet")
    opened(browser, "deltanet", example=1)
    words = "return [...document.querySelectorAll('.node[aria-label^=\"β\"] text')].map(t => t.textContent)"
    values = [heat.value_of(i)[1] for i in wiring.items if i.name == "beta" and i.named]
    assert browser.run(words) == [" ".join(["β", *(f"{v:.2f}"[1:] for v in value)]) for value in values]
    browser.run("document.querySelector('.node[aria-label^=\"β\"]').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    browser.press("e")
    browser.wait("document.querySelector('#value')")
    browser.one("#value").send_keys("0")
    browser.click("#apply")
    assert browser.run(words)[0] == "β .00 .00"


@pytest.mark.parametrize("name", shared(MODELS))
def test_the_page_computes_the_gradients_along_all_lines(browser, name):
    """Else it would say so, and stay a recording; norms along lines between cards are among those that it compares."""
    opened(browser, name)
    assert "values cannot be changed" not in browser.text("#notes")
    assert browser.all(".cells path")


def test_names_of_lines_between_steps_stand_on_none_other(browser):
    """Those of a tape run close to each other."""
    opened(browser, "tape-rnn")
    boxes = browser.run("return [...document.querySelectorAll('.lane')].map(e => e.getBoundingClientRect().toJSON())")
    assert len(boxes) > 1
    for k, a in enumerate(boxes):
        for b in boxes[:k]:
            assert a["right"] <= b["left"] or b["right"] <= a["left"] or a["bottom"] <= b["top"] + 1 or b["bottom"] <= a["top"] + 1


def test_a_long_page_computes_nothing_until_a_step_is_opened(browser):
    xs = np.random.default_rng(0).standard_normal((30, 2, 3), dtype="float32")
    browser.open(viz.page(every, MODELS["mingru"], xs)).settle()
    assert not browser.all(".cells")
    browser.click("#open")
    browser.wait("document.querySelector('.cells path')")


def test_weights_of_a_few_slots_are_computed_over_the_slots_that_they_have(browser):
    """A change that changes nothing leaves them as they were recorded, and differs nowhere."""
    opened(browser, "sam")
    names = ["w read 1", "w write 2"]
    strips = f'return {names}.map(name => document.querySelector(`canvas[aria-label^="${{name}} over"]`).toDataURL())'
    recorded = browser.run(strips)
    browser.run("document.querySelector('.node[aria-label^=\"β\"]').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    browser.press("e")
    browser.wait("document.querySelector('#value')")
    browser.run("document.querySelector('#how').value = 'scale'")
    browser.one("#value").send_keys("1")
    browser.click("#apply")
    assert browser.run("return document.querySelectorAll('#changes li').length") == 1
    assert browser.run(strips) == recorded
    browser.click("#difference")
    browser.run("document.querySelector('#graph').focus()")
    browser.press("c", "c")
    shown = plates(browser)
    assert all(c == [255, 255, 255] for found in shown.values() for colours in found for row in colours for c in row)


def test_of_numbers_that_share_a_colour_the_plate_shows_the_one_that_a_drawing_shows(browser):
    """There are more rows than points of height, and another number of rows becomes one than of columns."""
    model = DeltaNet(3, outputs=2, hidden=130, heads=1, key=1)
    timeline, colours = timeline_of(every, (model, XS[:2]), None, "grad", "cell")
    wiring = laid_out(timeline, "cell")
    browser.open(viz.page(every, model, XS[:2])).press("a")
    browser.wait("document.querySelector('.cells path')")
    for mode in ("gradient", "kind"):
        joined = 0
        for i, found in plates(browser).items():
            for h, colour in zip(wiring.steps[i].fixed.heats if wiring.steps[i].fixed else [], found, strict=True):
                array = colours.arrays.get(h.item) if mode == "gradient" else heat.value_of(wiring.items[h.item])
                if array is not None:
                    whole = h.field.grid(heat.shaped(wiring.items[h.item], array), mode == "gradient")
                    grid = heat.pooled(whole, h.h, h.w)
                    joined += grid.size < whole.size
                    expected = heat.by_gradient(grid, Colours(True)) if mode == "gradient" else heat.by_value(grid, h.scale, h.top)
                    np.testing.assert_allclose(colour, [[rgb(c) for c in row] for row in expected], atol=1 if mode == "gradient" else 20)
        assert joined
        browser.press("c", "c")


def test_a_plate_whose_gradient_has_arrived_stays_while_others_arrive(browser):
    opened(browser, "mingru")
    browser.press("b")
    last = "[...document.querySelectorAll('.step')].filter(s => s.querySelector('.cells')).pop()"
    browser.run(f"window.kept = {last}.querySelectorAll('.cells path')")
    assert browser.run("return window.kept.length")
    browser.wait("document.querySelector('#back').getAttribute('aria-pressed') === 'false'")
    assert browser.run("return [...window.kept].every(p => p.isConnected)")
