"""What a reader changes on a page: everything after it, and the gradients before it, are as Python computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from computed import leaves_of, recomputed, with_leaf, with_value
from minigrad.models import LSTM, NTM
from minigrad.viz.unrolling import unroll

import minigrad as mg
from minigrad import viz
from minigrad.graph.ir import Node, ancestors

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium").Keys
T = 6
BITS = np.random.default_rng(0).integers(0, 2, (T, 2, 3)).astype("float32")


def loss_fn(model, xs):
    return mg.mean((model(xs) - 0.5) ** 2)


class Opened:
    """A page and the graph that it shows."""

    def __init__(self, model: Any, **settings: Any):
        self.page = viz.page(loss_fn, model, BITS, **settings)
        self.loss = unroll(loss_fn, (model, BITS), None, values=True).outputs[0]

    def node(self, name: str, t: int) -> Node:
        return [n for n in ancestors([self.loss.node]) if n.name == name and n.args][t]

    def leaf(self, name: str) -> Node:
        return next(n for n in leaves_of(self.loss) if n.name == name)


@pytest.fixture(scope="module")
def lstm():
    return Opened(LSTM(3, 4, 2, key=0), example=1)


@pytest.fixture(scope="module")
def ntm():
    return Opened(NTM(3, 2, hidden=4, memory=(6, 3), key=0))


def click_cell(browser, canvas, x, y):
    """The middle of the cell at these shares of a canvas."""
    from selenium.webdriver import ActionChains

    box = canvas.rect
    ActionChains(browser.driver).move_to_element_with_offset(canvas, (x - 0.5) * box["width"], (y - 0.5) * box["height"]).click().perform()
    browser.wait("!document.querySelector('#changes').hidden")


def strip(browser, name):
    return browser.one(f'#strips [aria-label^="{name} over"]:not(.gradient)')


def loss_shown(browser):
    return float(browser.text("#changes h3 small").split("L = ")[1].split(",")[0].replace("−", "-"))


def pixels(browser, name):
    return browser.run("return arguments[0].toDataURL()", strip(browser, name))


def flipped(places):
    xs = BITS.copy()
    for place in places:
        xs[place] = 1 - xs[place]
    return xs


def test_a_bit_of_the_input_is_flipped_and_all_panes_follow(browser, lstm):
    browser.open(lstm.page)
    before = {name: pixels(browser, name) for name in ("x", "h")}
    click_cell(browser, strip(browser, "x"), 2.5 / T, 0.5)
    browser.click("#flip")
    assert browser.text("#state") == "changed"
    (loss, *grads) = recomputed(lstm.loss, leaf=with_leaf(lstm.leaf("xs"), flipped([(2, 1, 1)])))
    assert loss_shown(browser) == pytest.approx(float(loss), rel=5e-3)
    assert pixels(browser, "x") != before["x"]
    browser.press("/", "readout.W", Keys.ENTER, Keys.ESCAPE)
    norm = float(browser.text("#details .norm").split(" = ")[1])
    names = [n.name for n in leaves_of(lstm.loss)]
    assert norm == pytest.approx(np.linalg.norm(grads[names.index("model.readout.W")]), rel=5e-3)
    browser.click("#reset")
    assert {name: pixels(browser, name) for name in before} == before
    assert not browser.one("#state").is_displayed()


def test_it_computes_in_the_frame_of_a_notebook_too(browser, lstm):
    class Notebook:
        def save(self, path):
            path.write_text(f"<!doctype html><body>{lstm.page._repr_html_()}</body>")
            return path

    browser.open(Notebook())
    browser.driver.switch_to.frame(browser.one("iframe"))
    browser.wait("document.querySelector('#weights .node')")
    browser.run("document.querySelector('#weights .node').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    browser.click("#edit")
    browser.wait("document.activeElement.id === 'value'")
    browser.press("1", Keys.ENTER)
    assert browser.text("#state") == "changed"
    browser.driver.switch_to.default_content()


def test_the_difference_is_what_the_change_did(browser, lstm):
    browser.open(lstm.page)
    click_cell(browser, strip(browser, "x"), 2.5 / T, 0.5)
    browser.click("#flip")
    browser.click("#difference")
    assert browser.text("#state") == "difference from the recording"
    coloured = browser.run(
        """const c = arguments[0], {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height), found = new Set();
        for (let i = 0; i < c.width * c.height; i++) if (data[4 * i] + data[4 * i + 1] + data[4 * i + 2] < 755) found.add(i % c.width);
        return [c.width, [...found].sort((a, b) => a - b)]""",
        strip(browser, "c"),
    )
    assert coloured == [T, [2, 3, 4, 5]], "nothing before the change, everything after it"


def test_a_weight_is_scaled_with_the_keyboard_alone(browser, lstm):
    browser.open(lstm.page)
    browser.press("/", "readout.W", Keys.ENTER, Keys.ESCAPE, "e")
    browser.wait("document.activeElement.id === 'value'")
    browser.press("2", Keys.SHIFT + Keys.TAB, "m", Keys.TAB, Keys.ENTER)
    weight = lstm.leaf("model.readout.W")
    assert "× 2" in browser.text("#changes ul")
    assert loss_shown(browser) == pytest.approx(float(recomputed(lstm.loss, leaf=with_leaf(weight, 2 * weight.value))[0]), rel=5e-3)
    browser.press(Keys.ESCAPE)
    assert browser.all("#value") == []
    assert browser.driver.switch_to.active_element.get_attribute("id") == "graph"


def test_a_slot_of_the_memory_is_overwritten(browser, ntm):
    browser.open(ntm.page)
    browser.press(Keys.ARROW_RIGHT)
    click_cell(browser, browser.one("#memory .whole"), 0.5, 2.5 / 6)
    assert browser.one("#element").get_attribute("value") == "2"
    browser.one("#value").send_keys("0.5", Keys.ENTER)
    browser.settle()
    M = ntm.node("M", 1)
    places = np.arange(M.value.size).reshape(M.value.shape)[0, 2]
    assert loss_shown(browser) == pytest.approx(float(recomputed(ntm.loss, with_value(M, places, 0.5))[0]), rel=5e-3)
    assert browser.run("return [...document.querySelectorAll('.frame.changed')].map(f => f.parentNode.ariaLabel)") == ["t = 1"]


def test_a_connection_is_cut_and_mended(browser, ntm):
    browser.open(ntm.page)
    browser.press("/", "M", Keys.ENTER, Keys.ESCAPE)
    browser.click("#details button.cut")
    browser.wait("document.activeElement.id === 'apply'")
    browser.press(Keys.ENTER)
    assert " cut at t = 0" in browser.text("#changes ul")
    assert browser.text("#details li .flow") == "none"
    browser.click("#changes ul button")
    assert browser.all("#changes ul") == []
    assert browser.text("#details li .flow") != "none"


def test_what_cannot_be_is_refused_in_words(browser, ntm):
    browser.open(ntm.page)
    click_cell(browser, strip(browser, "w write"), 0.5 / T, 0.5)
    browser.run("document.getElementById('element').value = '9'")
    browser.one("#value").send_keys("1", Keys.ENTER)
    assert browser.text("#problem") == "w write has no element 9: its shape is (6)"
    browser.open(viz.page(lambda x: mg.sum(x.astype("float32") ** 2), mg.parameter(np.ones(3, "float16"))))
    assert "values cannot be changed on this page: the page does not compute in float16" in browser.text("#notes")
    assert browser.all("#edit, button.cut") == []


def test_the_address_carries_changes_so_that_a_link_shows_the_changed_run(browser, ntm):
    browser.open(ntm.page).press(Keys.ARROW_RIGHT)
    click_cell(browser, browser.one("#memory .whole"), 0.5, 2.5 / 6)
    browser.one("#value").send_keys("0.5", Keys.ENTER)
    browser.press(Keys.ESCAPE, "/", "readout.W", Keys.ENTER, Keys.ESCAPE, "e")
    browser.wait("document.activeElement.id === 'value'")
    browser.press("2", Keys.SHIFT + Keys.TAB, "m", Keys.TAB, Keys.ENTER)
    browser.press(Keys.ESCAPE, "/", "M", Keys.ENTER, Keys.ESCAPE)
    browser.click("#details button.cut")
    browser.wait("document.activeElement.id === 'apply'")
    browser.press(Keys.ENTER)
    browser.click("#difference")
    browser.wait("location.hash.split('~').length === 3 && location.hash.includes('differs=1')")
    shown = "return [...document.querySelectorAll('#state, #changes h3 small, #changes li')].map(e => e.textContent)"
    before, address = browser.run(shown), browser.driver.current_url
    assert len(before) == 5
    for _ in range(2):
        browser.driver.get("about:blank")
        browser.driver.get(address)
        browser.wait("document.querySelector('#difference')?.checked")
        assert browser.run(shown) == before
    browser.click("#reset")
    browser.wait("!location.hash.includes('change') && !location.hash.includes('differs')")
    assert not browser.one("#state").is_displayed()


@pytest.mark.parametrize("code", ["s99.0!!set!1!here", "w0!99!set!1!here", "0.0!!set!x!here", "m0!!cut!!here", "nonsense"])
def test_a_change_in_the_address_that_does_not_fit_the_page_is_said(browser, ntm, code):
    browser.open(ntm.page)
    browser.run("location.hash = arguments[0]", f"#change={code}")
    browser.wait("document.querySelector('#notes').textContent.includes('a change in the address does not fit this page')")
    assert not browser.one("#state").is_displayed()
