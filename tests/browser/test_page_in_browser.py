"""The page in a real browser: what a reader sees, clicks and types."""

from __future__ import annotations

import re

import numpy as np
import pytest
from minigrad.models import LSTM, NTM, RNN
from minigrad.viz import style

import minigrad as mg
from minigrad import viz

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium").Keys
RNG = np.random.default_rng(0)


def loss_fn(model, xs):
    return mg.mean(model(xs) ** 2)


def sequence(T):
    return RNG.standard_normal((T, 2, 3), dtype="float32")


@pytest.fixture(scope="module")
def lstm():
    return viz.page(loss_fn, LSTM(3, 4, 2, key=0), sequence(12), title="LSTM")


@pytest.fixture(scope="module")
def ntm():
    return viz.page(loss_fn, NTM(3, 2, hidden=4, memory=(6, 3), key=0), sequence(8), title="NTM")


def cursor(browser):
    return browser.text("#now"), browser.run("return document.querySelector('.step.now').dataset.step")


def scale(browser):
    return float(re.search(r"scale\(([\d.e-]+)\)", browser.one("#graph svg > g").get_attribute("transform"))[1])


def test_four_hundred_steps_open_with_little_work(browser):
    few, many = (browser.calls(viz.page(loss_fn, RNN(3, 4, 2, key=0), sequence(T))) for T in (100, 400))
    assert many < 4 * few
    assert many < 1_000_000
    assert len(browser.all("#graph .step")) < 100, "only what is in view is drawn"
    browser.press("a", *["-"] * 20)
    assert len(browser.all("#graph *")) < 20_000
    browser.press(Keys.END)
    assert browser.text("#now") == "t = 399"


def test_a_graph_is_shown_whole_where_that_can_be_read_and_else_as_high_as_the_pane(browser):
    """Of a long one some steps stand in view, with words of 8 pixels; lines of steps below each other would have no room."""
    browser.open(viz.page(loss_fn, RNN(3, 4, 2, key=0), sequence(400))).settle()
    assert 11 * scale(browser) >= 8
    inside, pane = browser.run("return ['#graph svg > g', '#graph'].map(s => document.querySelector(s).getBoundingClientRect().toJSON())")
    assert pane["height"] / 2 < inside["height"] <= pane["height"]
    browser.open(viz.page(loss_fn, RNN(3, 4, 2, key=0), sequence(5))).settle()
    inside, pane = browser.run("return ['#graph svg > g', '#graph'].map(s => document.querySelector(s).getBoundingClientRect().toJSON())")
    assert inside["width"] <= pane["width"]
    assert inside["height"] <= pane["height"]


def test_arrows_slider_and_buttons_move_one_cursor(browser, lstm):
    browser.open(lstm)
    assert cursor(browser) == ("t = 0", "0")
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert cursor(browser) == ("t = 2", "2")
    browser.press(Keys.END, Keys.ARROW_LEFT)
    assert cursor(browser) == ("t = 10", "10")
    browser.press(Keys.HOME)
    browser.click("#next")
    assert cursor(browser) == ("t = 1", "1")
    browser.run("const s = document.getElementById('time'); s.value = 7; s.dispatchEvent(new Event('input'))")
    browser.settle()
    assert cursor(browser) == ("t = 7", "7")
    slider = browser.one("#time")
    assert slider.get_attribute("aria-valuetext") == "t = 7 of 12 steps"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert cursor(browser)[0] == "t = 8"
    left, axis = browser.one("#cursor").rect, browser.one(".scale").rect
    assert abs(left["x"] - axis["x"] - axis["width"] * 8 / 12) < 3


def test_clicking_a_strip_moves_the_cursor(browser, lstm):
    from selenium.webdriver import ActionChains

    browser.open(lstm)
    canvas = browser.one("canvas.gradient")
    wide = canvas.rect["width"]
    ActionChains(browser.driver).move_to_element_with_offset(canvas, int(wide * (9.5 / 12 - 0.5)), 0).click().perform()
    assert cursor(browser)[0] == "t = 9"


@pytest.mark.parametrize(("steps", "slots"), [(16, 128), (16, 500), (1500, 6)])
def test_every_slot_that_is_written_leaves_a_pixel(browser, steps, slots):
    written = RNG.integers(0, slots, steps)
    add = np.zeros((steps, slots))
    add[np.arange(steps), written] = np.where(np.arange(steps) % 2, 1.0, -1.0)
    panels = {"w_write": np.abs(add), "add": add}
    page = viz.page(loss_fn, RNN(1, 1, 1, key=0), np.ones((steps, 1, 1), "float32"), panels=panels)
    browser.open(page).settle()
    for strip in ("w write", "add"):
        width, height, shown_width, shown_height, lit = browser.run(
            """const c = document.querySelector(`canvas[aria-label^="${arguments[0]} over"]`), w = c.width, h = c.height;
            const data = c.getContext('2d').getImageData(0, 0, w, h).data, T = arguments[1].length, empty = [255, 255, 255];
            const lit = arguments[1].map((s, t) => {
              const o = 4 * (Math.floor(s * h / arguments[2]) * w + Math.floor(t * w / T));
              return empty.reduce((sum, v, i) => sum + Math.abs(v - data[o + i]), 0) > 200;
            });
            return [w, h, c.clientWidth, c.clientHeight, lit]""",
            strip, written.tolist(), slots,
        )  # fmt: skip
        assert all(lit)
        assert width <= shown_width, "every pixel of the canvas has a pixel of the screen"
        assert height <= shown_height


def test_curves_are_broken_where_a_value_is_not_finite(browser):
    h, loss = mg.parameter(np.ones(1, "float32"), name="h_0"), mg.tensor(0.0)
    for t, x in enumerate([1.0, 2.0, np.nan, 1.0, 3.0]):
        with mg.scope("loop", step=t):
            loss = loss + mg.sum(h * x).named("g")
    browser.open(viz.page(loss, example=None))
    (curve,) = browser.run("return [...document.querySelectorAll('svg.curves[aria-label^=\"g over\"] path')].map(p => p.getAttribute('d'))")
    assert curve == "M0.5 31.0L1.5 17.0M3.5 31.0L4.5 3.0"
    assert browser.run(
        "return [...document.querySelectorAll('svg.curves[aria-label^=\"g over\"] rect')].map(r => r.getAttribute('x'))"
    ) == ["2"]


def test_classes_have_the_colours_that_they_have_in_drawings(browser):
    browser.open(viz.page(loss_fn, RNN(3, 4), sequence(4), panels={"class": np.array([0, -1, 2, 10])}))
    colours = browser.run(
        """const c = document.querySelector('.classes'), data = c.getContext('2d').getImageData(0, 0, 4, 1).data;
        return [c.width, [0, 1, 2, 3].map(k => data[4 * k + 3] ? [...data.slice(4 * k, 4 * k + 3)] : null)]"""
    )
    first, third = ([int(style.CYCLE[k][i : i + 2], 16) for i in (1, 3, 5)] for k in (0, 2))
    assert colours == [4, [first, None, third, third]], "there are eight colours"
    assert browser.run("return document.querySelector('.strip:has(.classes) .value').textContent") == "0"


def test_time_runs_and_stops(browser, lstm):
    browser.open(lstm).click("#play")
    assert browser.one("#play").get_attribute("aria-pressed") == "true"
    browser.wait("document.querySelector('.step.now').dataset.step >= 1")
    browser.press(" ")
    assert browser.one("#play").get_attribute("aria-pressed") == "false"
    assert int(cursor(browser)[1]) >= 1


def test_clicking_an_operation_tells_its_type_numbers_gradient_and_line(browser):
    W = mg.parameter(0.5 * np.eye(3, dtype="float32"), name="W")
    h, hs = mg.zeros(3), []
    for t, x in enumerate(sequence(4)[:, 0]):
        with mg.scope("rnn", step=t):
            h = mg.tanh(x + h @ W).named("h")
        hs.append(h.numpy())
    browser.open(viz.page(mg.sum(h * h)))
    row = browser.run("return [...document.querySelectorAll('.step[data-step=\"2\"] .node')].findIndex(n => /^h, tanh/.test(n.ariaLabel))")
    name = browser.run("return document.querySelectorAll('.step[data-step=\"2\"] .node')[arguments[0]].dataset.row", row)
    browser.click(f'.step[data-step="2"] .node[data-row="{name}"]')
    words = browser.text("#details")
    for part in ("h t = 2", "tanh", "float32(3)", "rnn", "test_page_in_browser.py:", 'h = mg.tanh(x + h @ W).named("h")', "‖∂L/∂h‖ = "):
        assert part in words
    shown = [float(td.text.replace("−", "-")) for td in browser.all("#details td")]
    np.testing.assert_allclose(shown, [hs[2].min(), hs[2].max(), hs[2].mean(), np.linalg.norm(hs[2]), 0], rtol=6e-3)
    assert "h, tanh, t = 2, float32(3)" in browser.text("#live")
    browser.press(Keys.ARROW_RIGHT)
    assert "h t = 3" in browser.text("#details"), "what is picked is followed through time"
    browser.press(Keys.ESCAPE)
    assert "operations" in browser.text("#details")


def test_the_way_back_through_what_an_operation_reads(browser, lstm):
    browser.open(lstm)
    browser.press("/", "tanh", Keys.ENTER, Keys.ESCAPE)
    before = browser.text("#details h2")
    browser.click("#details li button")
    assert browser.text("#details h2") != before
    browser.press(Keys.ESCAPE, "0")
    browser.click("#weights .node")
    assert "in every step" in browser.text("#details h2")


def test_steps_open_and_close(browser, lstm):
    browser.open(lstm)

    def inside(i):
        return len(browser.all(f'.step[data-step="{i}"] .node'))

    closed = inside(1)
    browser.click('.step[data-step="1"] .head')
    assert inside(1) > closed
    assert browser.one('.step[data-step="1"] .head').get_attribute("aria-expanded") == "true"
    assert browser.text("#live") == "t = 1 open"
    browser.press(Keys.ARROW_RIGHT, Keys.ENTER)
    assert inside(1) == closed
    browser.click("#all")
    assert min(inside(i) for i in range(4)) > closed
    assert browser.text("#all") == "close all"
    browser.click("#all")
    assert max(inside(i) for i in range(1, 12)) == closed


def test_search_finds_operations_weights_and_steps(browser, ntm):
    browser.open(ntm)
    browser.press("/")
    assert browser.driver.switch_to.active_element.get_attribute("id") == "query"
    browser.press("w_write")
    assert browser.all("#found li")[0].text.startswith("w_write")
    assert browser.one("#query").get_attribute("aria-expanded") == "true"
    browser.press(Keys.ENTER)
    assert "w_write t = 0" in browser.text("#details")
    assert browser.all(".node.picked")
    assert browser.all(".node.hit")
    browser.press(Keys.ESCAPE)
    assert browser.driver.switch_to.active_element.get_attribute("id") == "graph"
    browser.press("/", "5", Keys.ENTER)
    assert browser.text("#now") == "t = 5"
    browser.press("/", Keys.BACKSPACE, "no such thing")
    assert browser.text("#live") == "nothing found"
    assert browser.all("#found li") == []


def test_zoom_pan_and_fit(browser, lstm):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    browser.open(lstm)
    first = scale(browser)
    browser.press("+", "+")
    assert scale(browser) == pytest.approx(first * 1.25**2)
    browser.press("-")
    browser.click("#out")
    assert scale(browser) == pytest.approx(first)
    ActionChains(browser.driver).scroll_from_origin(ScrollOrigin.from_element(browser.one("#graph")), 0, -200).perform()
    browser.settle()
    assert scale(browser) > first
    before = browser.one('.step[data-step="3"]').rect["x"]
    ActionChains(browser.driver).drag_and_drop_by_offset(browser.one("#graph"), -60, 0).perform()
    browser.settle()
    assert browser.one('.step[data-step="3"]').rect["x"] == pytest.approx(before - 60, abs=2)
    browser.press("0")
    assert scale(browser) == pytest.approx(first)


def test_colours_by_kind_gradient_and_size(browser, lstm):
    browser.open(lstm)

    def colours():
        return {
            browser.run("return getComputedStyle(arguments[0]).fill", e) for e in browser.all('.step[data-step="0"] .node > :first-child')
        }

    gradient = colours()
    browser.press("c")
    size = colours()
    browser.press("c")
    kind = colours()
    assert len({frozenset(c) for c in (gradient, size, kind)}) == 3
    assert browser.text("#legend").startswith("learned layer")
    assert browser.one("#mode").get_attribute("value") == "kind"


def test_dark_follows_the_system_and_the_button(browser, lstm):
    def ground():
        return browser.run("return getComputedStyle(document.getElementById('graph')).backgroundColor")

    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    browser.open(lstm)
    dark = ground()
    browser.click("#theme")
    light = ground()
    assert (dark, light) == ("rgb(20, 25, 30)", "rgb(255, 255, 255)")
    browser.press("d")
    assert ground() == dark


def test_the_memory_shows_the_step_under_the_cursor(browser, ntm):
    browser.open(ntm)
    pixels = "return arguments[0].toDataURL()"
    first = browser.run(pixels, browser.one("#memory .whole"))
    assert browser.text("#memory h3") == "M at t = 0"
    browser.press(*[Keys.ARROW_RIGHT] * 4)
    assert browser.text("#memory h3") == "M at t = 4"
    assert browser.run(pixels, browser.one("#memory .whole")) != first
    assert browser.run("return [arguments[0].width, arguments[0].height]", browser.one("#memory .whole")) == [3, 6]


def test_a_reader_without_a_mouse_or_a_screen_can_use_it(browser, ntm):
    browser.open(ntm)
    nameless = """return [...document.querySelectorAll('button, input, select, canvas, [role=button], [role=img], section, aside')]
        .filter(e => e.offsetParent !== null || e.ownerSVGElement)
        .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)"""
    assert browser.run(nameless) == []
    order = []
    for _ in range(16):
        browser.press(Keys.TAB)
        order.append(browser.driver.switch_to.active_element.get_attribute("id"))
    wanted = ["previous", "time", "next", "play", "back", "mode", "open", "all", "out", "fit", "in", "query", "theme", "present", "graph"]
    assert order[: len(wanted)] == wanted
    browser.run("document.getElementById('graph').focus()")
    browser.press(Keys.ARROW_UP)
    assert browser.text("#live")
    assert browser.one("#live").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("width", [1280, 800, 400])
def test_nothing_sticks_out_sideways(browser, ntm, width):
    browser.driver.set_window_size(width, 900)
    browser.open(ntm)
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.one("#graph").rect["height"] > 200


def test_hostile_names_stay_text(browser):
    hostile = "</script><img src=x onerror=window.evil=1><b>\"'&lt;${window.evil=1}javascript:window.evil=1"
    W = mg.parameter(np.eye(3, dtype="float32"), name=hostile)
    h = mg.zeros(3)
    for t, x in enumerate(sequence(3)[:, 0]):
        with mg.scope(hostile, step=t):
            h = mg.tanh(x + h @ W).named(hostile)
    browser.open(viz.page(mg.sum(h * h), title=hostile, panels={hostile: np.ones((3, 2))}))
    browser.press("/", "img", Keys.ENTER, Keys.ESCAPE, Keys.ARROW_RIGHT, Keys.ARROW_UP)
    assert browser.run("return window.evil") is None
    assert browser.all("img, b, iframe, script:not(#data):not([type]) ~ script") == []
    assert len(browser.all("script")) == 2
    assert browser.text("h1").startswith("</script><img src=x")


def test_a_graph_without_time_opens_too(browser):
    x = mg.parameter(np.ones(3, "float32"), name="x")
    browser.open(viz.page(mg.sum(x * x)))
    assert browser.all("#graph .node")
    browser.press(Keys.ARROW_RIGHT, Keys.END, "a", "0", Keys.ENTER)


def test_wires_between_open_and_closed_steps_meet_both_borders(browser, ntm):
    browser.open(ntm)
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    ends = """const box = i => document.querySelector(`.step[data-step="${i}"] > .frame`)?.getBoundingClientRect();
        return [2, 3, 4, 5].flatMap(i => [...document.querySelectorAll(`.step[data-step="${i}"] > .wire.state`)]
            .filter(w => w.getPointAtLength(0).x < 0)
            .map(w => [w.getBoundingClientRect(), box(i - 1), box(i)])
            .map(([r, left, right]) => [r.left - left.right, r.right - right.left, r.top - Math.min(left.top, right.top)]))"""
    found = np.array(browser.run(ends))
    assert len(found) > 10
    assert np.abs(found[:, :2]).max() < 1
    assert found[:, 2].min() > 0


def test_a_page_that_is_hidden_at_first_fits_when_it_is_shown(browser, ntm):
    class Hidden:
        def save(self, path):
            path.write_text(f"<!doctype html><body><div id=tab style='display: none'>{ntm._repr_html_()}</div></body>")
            return path

    browser.open(Hidden()).settle()
    browser.run("document.getElementById('tab').style.display = 'block'")
    browser.driver.switch_to.frame(browser.one("iframe"))
    browser.wait("document.querySelector('#graph .step')")
    browser.settle()
    pane, step = browser.one("#graph").rect, browser.one("#graph .step").rect
    assert step["height"] > 40
    assert pane["y"] <= step["y"]
    assert step["y"] + step["height"] <= pane["y"] + pane["height"]
    assert browser.run("return document.querySelector('.strip canvas.weights').width") == 8
    browser.driver.switch_to.default_content()
