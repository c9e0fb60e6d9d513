"""The blocks of a transformer on a page, and the scopes in them: they open and close, and what stands in them is found."""

from __future__ import annotations

import numpy as np
import pytest
from minigrad.models import Transformer

import minigrad as mg
from minigrad import viz

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium").Keys
XS = np.random.default_rng(0).standard_normal((4, 2, 3), dtype="float32")
FOLDS = "return [...document.querySelectorAll(`.step[data-step='1'] .fold`)].map(f => f.ariaLabel)"
ROWS = "return document.querySelectorAll(`.step[data-step='1'] .node[data-row]`).length"
HEIGHT = "return document.querySelector(`.step[data-step='1'] .frame`).getBBox().height"


@pytest.fixture(scope="module")
def page():
    return viz.page(lambda model, xs: mg.mean(model(xs) ** 2), Transformer(3, 2, 8, 2, 3), XS)


def click_scope(browser, name):
    fold = browser.one(f".fold[aria-label^='{name}']")
    browser.run("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", fold)
    browser.settle()


def test_a_block_opens_to_its_scopes_and_these_to_their_operations(browser, page):
    browser.open(page)
    assert browser.text("#open") == "open block"
    browser.press(Keys.ENTER)
    assert browser.run(FOLDS) == ["attention, open", "feedforward, open"]
    assert browser.run(ROWS) == 0
    low = browser.run(HEIGHT)
    click_scope(browser, "attention")
    half, rows = browser.run(HEIGHT), browser.run(ROWS)
    assert browser.run(FOLDS) == ["attention, close", "feedforward, open"]
    browser.press("s")
    assert browser.run(ROWS) > rows > 0
    assert browser.run(HEIGHT) > half > low
    browser.press("s")
    assert browser.run(HEIGHT) == low


def test_an_operation_that_is_searched_opens_the_scope_that_hides_it_and_the_address_keeps_that(browser, page):
    browser.open(page).press(Keys.ENTER, "/", "context", Keys.ENTER, Keys.ESCAPE)
    assert browser.run(FOLDS) == ["attention, close", "feedforward, open"]
    browser.wait("location.hash.includes('shut=')")
    address = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(address)
    browser.settle()
    assert browser.run(FOLDS) == ["attention, close", "feedforward, open"]
    assert browser.text("#details h2").startswith("context block 0")


def test_wires_meet_the_borders_of_blocks_with_closed_scopes(browser, page):
    browser.open(page).press(Keys.ENTER)
    ends = """const box = i => document.querySelector(`.step[data-step="${i}"] > .frame`).getBBox(), wires = [];
        for (const i of [1, 2]) for (const w of document.querySelectorAll(`.step[data-step="${i}"] > .wire.state`)) {
            const a = w.getPointAtLength(0), b = w.getPointAtLength(w.getTotalLength());
            if (a.x < 0) wires.push([-a.y, box(i - 1).height, -b.y, box(i).height]);
        }
        return wires"""
    found = browser.run(ends)
    assert len(found) == 2
    assert all(0 < leaves < left and 0 < enters < right for leaves, left, enters, right in found)
