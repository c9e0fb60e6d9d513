"""The site in a real browser, once `make docs` has built it: every page, at the width of a desk and of a phone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HTML = Path(__file__).parents[2] / "site" / "html"
PAGES = sorted(p for p in HTML.glob("*/**/*.html") if "_modules" not in p.parts)
WIDTHS = {"desk": (1280, 900), "phone": (390, 844)}

pytestmark = pytest.mark.skipif(not PAGES, reason="the site is not built: make docs")


@pytest.fixture
def visit(chromium):
    """Opens a page; whatever it does, it loads nothing from elsewhere and says nothing on the console."""
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield lambda page: chromium.get(page.as_uri())
    assert chromium.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith((HTML.as_uri(), "data:", "chrome:", "about:"))] == []
    chromium.set_window_size(1280, 900)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_the_window_and_leads_to_the_other_language(width, chromium, visit):
    chromium.set_window_size(*WIDTHS[width])
    for page in PAGES:
        visit(page)
        beyond = chromium.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{page.relative_to(HTML)} is {beyond} pixels too wide"
        link = chromium.find_element("css selector", "a.page-button[hreflang]")
        assert link.is_displayed()
        language = chromium.execute_script("return document.documentElement.lang")
        assert language.startswith(page.relative_to(HTML).parts[0])
        assert not link.get_attribute("hreflang").startswith(language[:2])


AXE = """
const done = arguments[0];
axe.run({resultTypes: ["violations"]}).then(({violations}) => done(violations.map((v) => [v.impact, v.id, v.nodes[0].html])));
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(scheme, chromium, visit):
    """On a page of each kind."""
    axe = pytest.importorskip("axe_selenium_python")
    (source,) = Path(axe.__file__).parent.rglob("axe.min.js")
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    for page in ("en/index", "zh/index", "en/chapters/7_ntm", "zh/chapters/3_rnn", "en/howto/train", "en/reference/viz"):
        visit(HTML / f"{page}.html")
        chromium.execute_script(source.read_text(encoding="utf-8"))
        assert [v for v in chromium.execute_async_script(AXE) if v[0] in ("serious", "critical")] == [], page
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize(("language", "words"), [("en", "forget gate"), ("zh", "梯度消失")])
def test_the_search_finds_a_chapter(language, words, chromium, visit):
    visit(HTML / language / "search.html")
    chromium.get(f"{(HTML / language / 'search.html').as_uri()}?q={words}")
    look = (
        "const done = arguments[0]; (function look() { document.querySelector('#search-results li a') ? done() : setTimeout(look, 50) })()"
    )
    chromium.execute_async_script(look)
    links = [a.get_attribute("href") for a in chromium.find_elements("css selector", "#search-results li a")]
    assert any("/chapters/" in link for link in links)
