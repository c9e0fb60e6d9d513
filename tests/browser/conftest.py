"""A headless Chromium, where there is one."""

from __future__ import annotations

import json
import shutil

import pytest
from children import GUARD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1280,900",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A driver with a fresh profile. Skips where chromium, chromedriver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="the page is tested in a browser with selenium: pip install selenium")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("the page is tested in Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(GUARD)
    driver.set_script_timeout(GUARD)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, tmp_path):
    """Opens pages; whatever a test does, nothing may be fetched and nothing may be said on the console."""
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield Browser(chromium, tmp_path)
    assert chromium.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    requests = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    ours = [r for r in requests if r["documentURL"].startswith("file:")]  # others are Chromium's own, of its start page
    assert ours
    assert {r["request"]["url"] for r in ours} == {r["documentURL"] for r in ours}, "a page requests itself and nothing else"
    assert chromium.execute_script("return performance.getEntriesByType('resource').length") == 0
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.set_window_size(1280, 900)


class Browser:
    """What a reader does with a page."""

    def __init__(self, driver, folder):
        self.driver, self.folder = driver, folder

    def open(self, page):
        self.driver.get(page.save(self.folder / "page.html").as_uri())
        return self

    def calls(self, page):
        """How many calls of its functions a page makes until it is open and drawn."""
        command = self.driver.execute_cdp_cmd
        command("Profiler.enable", {})
        command("Profiler.startPreciseCoverage", {"callCount": True, "detailed": False})
        self.open(page).settle()
        scripts = command("Profiler.takePreciseCoverage", {})["result"]
        command("Profiler.disable", {})
        return sum(f["ranges"][0]["count"] for s in scripts if s["url"].startswith("file:") for f in s["functions"])

    def run(self, script, *args):
        return self.driver.execute_script(script, *args)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys):
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)
        self.settle()

    def click(self, selector):
        """A real click in the middle of the element; SVG elements too."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element(self.one(selector)).click().perform()
        self.settle()

    def wait(self, condition):
        """Until an expression is true."""
        look = f"(function look() {{ {condition} ? done() : setTimeout(look, 10); }})()"
        self.driver.execute_async_script(f"const done = arguments[0]; {look}")

    def settle(self):
        """Until the next frame is drawn."""
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))")
