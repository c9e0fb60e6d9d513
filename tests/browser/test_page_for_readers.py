"""The page before a class and on paper: where a slot's content comes from, linked panes, one pane, an address, no fault of access."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from minigrad.models import LSTM, MANN, NTM

import minigrad as mg
from minigrad import viz

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium").Keys
XS = np.random.default_rng(0).standard_normal((8, 2, 3), dtype="float32")
MODELS = {
    "ntm": NTM(3, 2, hidden=6, memory=(6, 4), start="location", write_heads=2, key=1),
    "mann": MANN(3, 2, hidden=6, memory=(6, 4), key=1),
}


def loss_fn(model, xs):
    return mg.mean(model(xs) ** 2)


@pytest.fixture(scope="module")
def pages():
    return {name: viz.page(loss_fn, model, XS, title=name) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def lstm():
    return viz.page(loss_fn, LSTM(3, 4, 2, key=0), XS, title="LSTM")


def hover(browser, selector, x=0.5, y=0.5):
    """The pointer at this share of the element's width and height."""
    from selenium.webdriver import ActionChains

    element = browser.one(selector)
    wide, high = element.rect["width"], element.rect["height"]
    ActionChains(browser.driver).move_to_element_with_offset(element, round(wide * (x - 0.5)), round(high * (y - 0.5))).perform()
    browser.settle()


def named_steps(words, part):
    """{step: number} of "written at t = 2 from x₂ (0.87), …"."""
    found = re.search(part + r" at (.*?)(;|$)", words)
    return {int(t): float(v) for t, v in re.findall(r"t = (\d+)[^(]*\(([\d.e−]+)\)", found[1].replace("−", "-"))} if found else {}


def shares(model, slot, t):
    """For each step up to t the size of what it wrote to the slot and is left there at t, by the equations of the papers."""
    trace = viz.record(loss_fn, model, XS)
    w, add = (np.reshape(trace[n], (len(XS), -1, size)) for n, size in (("w_write", 6), ("add" if "add" in trace else "k", 4)))
    if "erase" in trace:
        kept = np.prod(1 - w[:, :, slot, None] * trace["erase"].reshape(len(XS), -1, 4), axis=1)
    else:
        kept = 1 - trace["w_least"].reshape(len(XS), -1, 6)[:, 0, slot, None]
    written = np.einsum("th,thj->tj", w[:, :, slot], add)
    return {s: float(np.linalg.norm(written[s] * np.prod(kept[s + 1 : t + 1], axis=0))) for s in range(t + 1)}


@pytest.mark.parametrize("name", MODELS)
def test_a_slot_tells_when_it_was_written_from_which_input_and_when_it_is_read(browser, pages, name):
    browser.open(pages[name]).press(*[Keys.ARROW_RIGHT] * 5)
    reads = viz.record(loss_fn, MODELS[name], XS)["w_read"].reshape(len(XS), -1, 6)
    for slot in range(6):
        hover(browser, "#memory .whole", y=(slot + 0.5) / 6)
        words = browser.one("#memory .whole").get_attribute("aria-valuetext")
        assert words.startswith(f"slot {slot} at t = 5: ")
        expected = shares(MODELS[name], slot, 5)
        written = named_steps(words, "written")
        assert written
        for step, size in written.items():
            assert size == pytest.approx(expected[step], abs=0.03 * max(expected.values()) + 0.002)
            assert f"t = {step} from x{'₀₁₂₃₄₅₆₇'[step]} (" in words
        assert max(expected, key=expected.get) in written
        assert int(np.argmax(reads[:, :, slot].max(1))) in named_steps(words, "read")


def test_a_slot_is_kept_by_a_click_or_by_keys_and_leads_to_its_input(browser, pages):
    browser.open(pages["ntm"]).press(Keys.END)
    browser.run("document.querySelector('#memory .whole').focus()")
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.text("#cell h3") == "slot 1 at t = 7"
    frames = browser.run("return [...document.querySelectorAll('.mark:not([hidden])')].map(m => m.style.getPropertyValue('--cell'))")
    assert len(frames) >= 4
    assert {float(f) for f in frames} == {1 / 6}
    step = browser.text("#cell .writes button")
    browser.click("#cell .writes button:nth-of-type(2)")
    assert browser.text("#now") == step
    assert browser.text("#details h2").startswith("x")
    browser.click("#memory .whole")
    assert browser.text("#cell h3")[:7] in ("slot 2 ", "slot 3 ")


def test_what_the_pointer_is_on_is_marked_in_every_pane(browser, pages):
    browser.open(pages["ntm"])
    hover(browser, 'canvas[aria-label^="w read over"]', x=5.5 / 8, y=2.5 / 6)
    assert browser.one(".step.over").get_attribute("data-step") == browser.run("return document.querySelectorAll('.step')[6].dataset.step")
    assert browser.text(".strip.over .label").startswith("w read")
    assert browser.text("#memory h3") == "M at t = 5"
    assert "slot 2 at t = 5" in browser.one("#memory .whole").get_attribute("aria-valuetext")
    axis, ghost = browser.one(".scale").rect, browser.one("#ghost").rect
    assert ghost["x"] == pytest.approx(axis["x"] + axis["width"] * 5 / 8, abs=2)
    hover(browser, '.step[data-step="3"] .node.over, .step[data-step="3"] .node')
    assert browser.text("#memory h3") == "M at t = 2"
    assert browser.all(".node.over")
    assert browser.text(".strip.over .label").startswith("x")
    hover(browser, "h1")
    assert browser.text("#memory h3") == "M at t = 0"
    assert not browser.all(".over")


def test_a_name_beside_a_strip_picks_its_value(browser, lstm):
    browser.open(lstm).press(Keys.ARROW_RIGHT)
    browser.run("[...document.querySelectorAll('button.label')].find(b => b.textContent.startsWith('c')).click()")
    assert browser.text("#details h2").startswith("c t = 1")


def test_the_address_restores_what_was_shown(browser, pages):
    browser.open(pages["ntm"]).press(*[Keys.ARROW_RIGHT] * 3, Keys.ENTER, "c", "d", Keys.ARROW_UP, "+", "+")
    browser.run("document.querySelector('#memory .whole').focus()")
    browser.press(Keys.ARROW_DOWN)
    browser.run("document.getElementById('bar-wide').focus()")
    browser.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    state = """return [document.getElementById('now').textContent, document.getElementById('mode').value, document.documentElement.dataset.theme,
        document.querySelector('#details h2').textContent, document.querySelector('#cell h3').textContent, Math.round(document.getElementById('side').clientWidth / 4),
        [...document.querySelectorAll('.head[aria-expanded=true]')].map(h => h.ariaLabel)]"""
    browser.wait("location.hash.includes('wide=')")
    shown, scale = browser.run(state), browser.one("#graph svg > g").get_attribute("transform").split("scale")[1]
    address = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(address)
    browser.settle()
    assert browser.run(state) == shown
    assert float(scale[1:-1]) == pytest.approx(
        float(browser.one("#graph svg > g").get_attribute("transform").split("scale(")[1][:-1]), abs=0.01
    )
    browser.run("location.hash = '#t=6&open=900&pick=99.99&slot=77&view=a&colour=x&present=none'")
    browser.wait("document.getElementById('now').textContent === 't = 6'")


def test_one_pane_in_large_type(browser, pages):
    browser.open(pages["ntm"])
    size = float(browser.one("#now").value_of_css_property("font-size")[:-2])
    browser.press("p")
    assert [browser.one(f"#{pane}").is_displayed() for pane in ("graph", "strips", "side")] == [True, False, False]
    assert float(browser.one("#now").value_of_css_property("font-size")[:-2]) > 1.5 * size
    browser.press("2", Keys.ARROW_RIGHT)
    assert [browser.one(f"#{pane}").is_displayed() for pane in ("graph", "strips", "side")] == [False, True, False]
    assert browser.text("#now") == "t = 1"
    browser.press("3")
    assert browser.one("#memory").is_displayed()
    browser.press("p")
    assert all(browser.one(f"#{pane}").is_displayed() for pane in ("graph", "strips", "side"))


def test_paper_is_white_and_has_every_pane(browser, pages):
    browser.open(pages["ntm"]).press("d")
    command = browser.driver.execute_cdp_cmd
    document = base64.b64decode(command("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})["data"])
    assert document.startswith(b"%PDF")
    command("Emulation.setEmulatedMedia", {"media": "print"})
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    shown = browser.run(
        "return ['#graph svg', '#details', '#memory', '#strips', '#time', '#query'].map(s => document.querySelector(s).checkVisibility())"
    )
    assert shown == [True, True, True, True, False, False]
    corner = """const paper = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        paper.drawImage(document.querySelector('#memory .whole'), 0, 0);
        return [...paper.getImageData(0, 0, 1, 1).data]"""
    assert min(browser.run(corner)) > 200
    command("Emulation.setEmulatedMedia", {"media": ""})
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert min(browser.run(corner)) < 60


AXE = """
const done = arguments[0], rules = {'label-content-name-mismatch': {enabled: true}};
axe.run({resultTypes: ['violations'], rules}).then(({violations}) => done(violations.map(v => [v.impact, v.id, v.nodes[0].html])));
"""


def test_axe_finds_no_fault(browser, pages, lstm):
    axe = pytest.importorskip("axe_core_python", reason="accessibility is tested with axe: pip install axe-core-python")
    source = (Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    for page, theme in ((pages["ntm"], "light"), (lstm, "dark")):
        browser.open(page).press(Keys.ARROW_RIGHT, Keys.ENTER, Keys.ARROW_UP)
        browser.run(
            "document.documentElement.dataset.theme = arguments[0]; document.querySelectorAll('details').forEach(d => { d.open = true; })",
            theme,
        )
        browser.settle()
        browser.run(source)
        assert browser.driver.execute_async_script(AXE) == []
        browser.driver.get_log("browser")  # axe reads canvases, which Chromium remarks on
