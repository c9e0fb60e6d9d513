"""The page before a class and on paper: where a slot's content comes from, linked panes, one pane, an address, no fault of access."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from minigrad.models import LSTM, MANN, NTM, RNN, Transformer

import minigrad as mg
from minigrad import viz

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="needs selenium").Keys
XS = np.random.default_rng(0).standard_normal((8, 2, 3), dtype="float32")
MODELS = {
    "ntm": NTM(3, 2, hidden=6, memory=(6, 4), write_heads=2, key=1),
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
    texts = ["#now", "#details h2", "#cell h3", "#mode option:checked", ".head[aria-expanded=true]"]
    state = """return [document.documentElement.dataset.theme, document.getElementById('bar-wide').ariaValueNow,
        ...arguments[0].flatMap(s => [...document.querySelectorAll(s)].map(e => e.textContent))]"""
    browser.wait("Math.round(/wide=([\\d.]+)/.exec(location.hash)?.[1]) === Number(document.getElementById('bar-wide').ariaValueNow)")
    shown, scale = browser.run(state, texts), browser.one("#graph svg > g").get_attribute("transform").split("scale")[1]
    address = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(address)
    browser.settle()
    assert browser.run(state, texts) == shown
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
    ends = """const whole = document.querySelector('#memory .whole'), paper = document.createElement('canvas').getContext('2d');
        paper.drawImage(whole, 0, 0);
        const {data} = paper.getImageData(0, 0, whole.width, whole.height), of = f => data.reduce((all, _, k) =>
            k % 4 ? all : [...all, f(...data.slice(k, k + 3))], []);
        return [Math.max(...of(Math.min)), Math.min(...of(Math.max))]"""  # how pale the palest cell is, and how dark the darkest one
    assert browser.run(ends)[0] > 240
    command("Emulation.setEmulatedMedia", {"media": ""})
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert browser.run(ends)[1] < 60


def gradient_rows(page):
    """{label: norms over time} of the strips of gradients, as recorded."""
    data = json.loads(re.search(r'id="data">(.*?)</script>', page.html, re.S)[1])
    strips = next(strips for name, strips in data["groups"] if name == "gradient")
    return {s["label"]: np.frombuffer(base64.b64decode(s["data"]), "<f4") for s in strips}


def shown_rows(browser):
    """{label: norms over time} of the strips of gradients, as a reader sees them."""
    rows = """const time = document.getElementById('time'), lines = [...document.querySelectorAll('.strip:has(canvas.gradient)')];
        return Array.from({ length: Number(time.max) + 1 }, (_, t) => {
          time.value = t;
          time.dispatchEvent(new Event('input'));
          return lines.map(s => [s.querySelector('.label').textContent, s.querySelector('.value').textContent]);
        })"""
    found: dict[str, list[float]] = {}
    for column in browser.run(rows):
        for label, words in column:
            found.setdefault(label, []).append(0.0 if words == "none" else float(words.replace("−", "-")))
    return found


@pytest.mark.parametrize("through", [False, True])
def test_gradients_of_a_chosen_step_are_those_of_the_engine(browser, lstm, through):
    size = XS.shape[0] * XS.shape[1] * 2
    truth = gradient_rows(viz.page(lambda m, xs: mg.sum(m(xs)[5] ** 2) / size if through else mg.sum(m(xs)[5]), LSTM(3, 4, 2, key=0), XS))
    browser.open(lstm).press(*[Keys.ARROW_RIGHT] * 5)
    browser.run("[...document.querySelectorAll('button.label')].find(b => b.textContent.startsWith('y')).click()")
    if through:
        browser.run("[...document.querySelectorAll('#details button')].find(b => b.textContent === 'of L through y₅').click()")
    else:
        browser.press("g")
    browser.wait("document.querySelector('#chosen b')")
    assert browser.text("#chosen b") == ("L(y₅)" if through else "Σy₅")
    shown = shown_rows(browser)
    assert set(truth) <= set(shown)
    for label, norms in truth.items():
        np.testing.assert_allclose(shown[label], np.pad(np.maximum(norms, 0), (0, 2)), rtol=6e-3, atol=1e-5)
    browser.click("#chosen button")
    browser.wait("!document.querySelector('#chosen b')")
    recorded = gradient_rows(lstm)
    np.testing.assert_allclose(shown_rows(browser)["c"], recorded["c"], rtol=6e-3, atol=1e-5)


def test_the_gradient_arrives_from_the_end_of_time(browser, lstm):
    grey = """return [...document.querySelectorAll('.step')].filter(s => s.querySelector('.input'))
        .map(s => getComputedStyle(s.querySelector('.input')).fill === 'rgb(201, 206, 211)')"""
    browser.open(lstm).press("b")
    browser.wait("Number(document.getElementById('time').value) < 6")
    browser.press("b")
    at = int(browser.one("#time").get_property("value"))
    assert 0 < at < 6
    assert browser.run(grey) == [t < at for t in range(len(XS))]
    browser.press(Keys.ARROW_LEFT)
    assert browser.run(grey) == [t < at - 1 for t in range(len(XS))]
    browser.press(Keys.ESCAPE)
    assert not any(browser.run(grey))


def test_the_entries_of_a_value_and_of_its_gradient(browser, lstm):
    c = viz.record(loss_fn, LSTM(3, 4, 2, key=0), XS)["c"]
    browser.open(lstm).press(*[Keys.ARROW_RIGHT] * 2)
    browser.run("[...document.querySelectorAll('button.label')].find(b => b.textContent.startsWith('c')).click()")
    browser.click("#details details summary")
    browser.wait("document.querySelector('.matrix td')")
    numbers = "return [...document.querySelectorAll('.matrix td')].map(td => td.title.replaceAll('−', '-'))"
    np.testing.assert_allclose([float(v) for v in browser.run(numbers)], c[2], rtol=6e-3)
    browser.press(Keys.ARROW_RIGHT)
    browser.wait("document.querySelector('.matrix td')")
    np.testing.assert_allclose([float(v) for v in browser.run(numbers)], c[3], rtol=6e-3)
    browser.click(".entries button:nth-of-type(2)")
    assert np.linalg.norm([float(v) for v in browser.run(numbers)]) < gradient_rows(lstm)["c"][3]
    browser.run("document.querySelector('#weights .node').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    browser.wait("document.querySelector('canvas.numbers')")
    assert browser.one("canvas.numbers").get_attribute("aria-label") == "48 numbers, 3 × 16"


def test_a_stretch_of_time_finds_those_whose_states_are_like_it(browser):
    xs = np.tile(np.random.default_rng(3).standard_normal((4, 1, 3), dtype="float32"), (5, 1, 1))
    browser.open(viz.page(loss_fn, RNN(3, 4, 2, key=0), xs)).press(*[Keys.ARROW_RIGHT] * 9, "[", Keys.ARROW_RIGHT, "]")
    assert browser.text("#similar h2").startswith("steps like t = 9 – 10")
    found = [e.text for e in browser.all("#similar li button")]
    assert set(found[:3]) == {"t = 5 – 6", "t = 13 – 14", "t = 17 – 18"}
    assert float(browser.text("#similar .flow").split()[1]) > 0.95
    assert len(browser.all(".scale .band")) == 1 + len(found)
    browser.click("#similar li button")
    assert browser.text("#now") == found[0].split(" –")[0]
    browser.click("#similar .close")
    assert not browser.all(".scale .band")


AXE = """
const done = arguments[0], rules = {'label-content-name-mismatch': {enabled: true}};
axe.run({resultTypes: ['violations'], rules}).then(({violations}) => done(violations.map(v => [v.impact, v.id, v.nodes[0].html])));
"""


@pytest.mark.parametrize(("name", "theme"), [("ntm", "light"), ("lstm", "dark"), ("blocks", "light")])
def test_axe_finds_no_fault(browser, name, theme):
    axe = pytest.importorskip("axe_core_python", reason="accessibility is tested with axe: pip install axe-core-python")
    models = {"ntm": MODELS["ntm"], "lstm": LSTM(3, 4, 2, key=0), "blocks": Transformer(3, 2, 8, 2, 2)}
    browser.open(viz.page(loss_fn, models[name], XS[:2])).press(Keys.ENTER, Keys.ARROW_UP)
    everything = (
        "document.documentElement.dataset.theme = arguments[0]; document.querySelectorAll('details').forEach(d => { d.open = true; })"
    )
    browser.run(everything, theme)
    browser.wait("document.querySelector('.matrix, .numbers')")
    browser.run((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.driver.execute_async_script(AXE)
    browser.driver.get_log("browser")  # axe reads canvases, which Chromium remarks on
    assert found == []
