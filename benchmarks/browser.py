"""A headless chromium, driven by selenium, for the benchmark and the tests of the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

NEEDED = "needs a browser: apt-get install chromium chromium-driver"
"""The message if `has_chromium` is false."""

_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1300,1000",
)  # fmt: skip

_WHEN_DRAWN = """
const report = arguments[0];
const opened = performance.getEntriesByType("navigation")[0].loadEventEnd;
const plots = [...document.querySelectorAll(".plot")];
function next() {
  while (plots.length && plots[0].querySelector(".main-svg")) plots.shift();
  if (!plots.length) return requestAnimationFrame(() => report([opened / 1000, performance.now() / 1000]));
  plots[0].scrollIntoView({ block: "center" });
  requestAnimationFrame(next);
}
next();
"""

_FILTERED = """
const place = document.querySelector(arguments[0]), report = arguments[1];
const field = place.querySelector(".tools input");
field.value = "vgg19 base";
const started = performance.now();
field.dispatchEvent(new Event("input"));
place.querySelector("tbody").getBoundingClientRect();
requestAnimationFrame(() => setTimeout(() => report((performance.now() - started) / 1000)));
"""


def has_chromium() -> bool:
    """Whether chromium and its driver are installed."""
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A fresh headless browser without network access, with an empty browser profile in the folder `profile`."""
    options = webdriver.ChromeOptions()
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def seconds_to_open(driver: webdriver.Chrome, report: Path) -> tuple[float, float]:
    """Open a report: seconds until it is loaded, and until scrolling has drawn all its plots."""
    driver.get(report.as_uri())
    opened, drawn = driver.execute_async_script(_WHEN_DRAWN)
    return opened, drawn


def seconds_to_filter(driver: webdriver.Chrome, table: str) -> float:
    """Reload the open report, and filter a table (a CSS selector) by words: seconds until its rows are painted."""
    driver.refresh()
    ready = "return !!document.querySelector(arguments[0] + ' .tools input')"
    WebDriverWait(driver, 30).until(lambda _: driver.execute_script(ready, table))
    return float(driver.execute_async_script(_FILTERED, table))
