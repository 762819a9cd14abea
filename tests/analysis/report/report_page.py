"""A page of the report in a browser, as tests use it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

ARTIFACTS = Path(__file__).parents[3] / "artifacts"


def read_log(driver: webdriver.Chrome, name: str) -> list[dict[str, Any]]:
    """The entries of a log since it was last read: `browser` (the console) or `performance` (requests)."""
    entries: list[dict[str, Any]] = driver.get_log(name)  # type: ignore[no-untyped-call]  # selenium does not type it
    return entries


class Page:
    """A page in the browser, and what a reader sees of it."""

    def __init__(self, driver: webdriver.Chrome, file: Path, place: str = "") -> None:
        self.driver = driver
        self.file = file
        for log in ("browser", "performance"):
            read_log(driver, log)
        self.open(place)

    def open(self, place: str = "") -> None:
        """Open the page afresh at a place, such as `#trials`, and wait until its tables can be used."""
        self.driver.get("about:blank")  # a new place alone would not open the page again
        self.driver.get(self.file.as_uri() + place)
        self.wait(lambda: self.driver.execute_script("return !document.querySelector('.data:not(:has(.tools))')"))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def wait(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, 30).until(lambda _: condition())

    def show(self, selector: str) -> WebElement:
        element = self.one(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        return element

    def drawn(self, plot: str) -> WebElement:
        """The plot of that name, once it is drawn."""
        figure = self.show(f'[data-plot="{plot}"]')
        self.wait(lambda: figure.find_elements(By.CSS_SELECTOR, ".main-svg"))
        return figure

    def column(self, table: str, place: int) -> list[str]:
        """The texts of a column of the shown rows."""
        script = (
            "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
            ".map(row => row.cells[arguments[1]].textContent)"
        )
        return list(self.driver.execute_script(script, table, place))

    def click(self, selector: str) -> None:
        """Click where a reader would have to scroll first, even if something covers it for the driver."""
        self.driver.execute_script("arguments[0].click()", self.show(selector))

    def emulate(self, width: int, height: int) -> None:
        """The window of a phone: narrower than a browser's window can be."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Emulate a reader who prefers the colour scheme `dark` or `light`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def printed(self) -> bytes:
        """The page as PDF, as the browser prints it."""
        options = {"printBackground": True, "preferCSSPageSize": True}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", options)["data"])

    def screenshot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.driver.save_screenshot(str(ARTIFACTS / f"report-{name}.png"))

    def requests(self) -> list[str]:
        """The addresses of everything that the page requested."""
        messages = [json.loads(entry["message"])["message"] for entry in read_log(self.driver, "performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if url != "about:blank"]
