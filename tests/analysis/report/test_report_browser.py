"""The report in a real browser, used as a reader would. Screenshots go to artifacts/."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from analysis import study
from analysis.report import write_report
from benchmarks import browser
from tests.analysis.report.report_page import Page, read_log
from tests.analysis.synthetic import done, epoch_rows, paper_run, trial_row, write_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not browser.has_chromium(), reason=browser.NEEDED),
]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with browser.chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the paper's numbers, with a failed, a diverged and a missing trial."""
    path = paper_run(tmp_path_factory.mktemp("runs") / "paper", epochs=20)
    more = [
        trial_row(status="failed", failure_kind="oom", error="OutOfMemoryError: tried 20 MiB", seed=7, trial_id="oom"),
        trial_row(status="diverged", seed=8, trial_id="diverged"),
        done(94.0, seed=9),
    ]
    extra = write_run(path.parent / "extra", more, planned=[*more, trial_row(seed=10)])
    for part in (extra / "results" / "trials").iterdir():
        shutil.copy(part, path / "results" / "trials" / "part-000001.parquet")
    plans = [json.loads((run / "plan.json").read_text()) for run in (path, extra)]
    (path / "plan.json").write_text(json.dumps(plans[0] | {"trials": plans[0]["trials"] + plans[1]["trials"]}))
    return write_report(study(path), path / "report" / "index.html")


@pytest.fixture
def page(chromium: webdriver.Chrome, report: Path) -> Iterator[Page]:
    """The report, freshly opened. After each test: no error in the console, and no request except for the file."""
    page = Page(chromium, report)
    yield page
    assert read_log(page.driver, "browser") == []
    assert {url for url in page.requests() if not url.startswith(("data:", "blob:"))} == {report.as_uri()}


def test_the_reader_sees_the_summary_first(page: Page) -> None:
    page.screenshot("summary")
    assert page.one("h1").is_displayed()
    assert page.one("#summary").rect["y"] < 300
    assert page.one("#summary .counts").text.startswith("145 done")


def test_tables_sort_by_click_and_by_keyboard(page: Page) -> None:
    table = "#trials table"
    page.show(table)
    final = page.all(f"{table} thead tr:last-child th button")[7]
    final.click()
    shown = [float(text) for text in page.column(table, 7) if text != "-"]
    assert shown == sorted(shown)
    assert page.column(table, 7)[-1] == "-"
    final.send_keys(Keys.ENTER)
    shown = [float(text) for text in page.column(table, 7) if text != "-"]
    assert shown == sorted(shown, reverse=True)
    assert page.column(table, 7)[-1] == "-"
    assert page.all(f"{table} th[aria-sort]")[0].get_attribute("aria-sort") == "descending"


def test_a_comparison_sorts_by_its_numbers(page: Page) -> None:
    page.show("#comparison table")
    page.all("#comparison table:first-of-type thead tr:last-child th button")[1].click()
    assert page.column("#comparison div.scroll:first-of-type table", 0)[:6] == ["c", "e", "b", "d", "a", "base"]


def test_the_filter_leaves_the_rows_with_all_words(page: Page) -> None:
    field = page.show('[data-filter="trials"] input')
    field.send_keys("vgg19 cinic10")
    assert page.one('[data-filter="trials"] output').text == "18 of 148 rows"
    assert set(page.column("#trials table", 4)) == {"cinic10"}
    page.screenshot("filtered")
    field.clear()
    field.send_keys("diverged")
    assert page.one('[data-filter="trials"] output').text == "1 of 148 rows"


def test_hovering_over_a_point_shows_its_numbers(page: Page) -> None:
    figure = page.drawn("accuracy")
    page.screenshot("accuracy")
    points = figure.find_elements(By.CSS_SELECTOR, ".scatterlayer .point")
    assert len(points) == 12
    ActionChains(page.driver).move_to_element(points[0]).perform()
    hover = page.wait(lambda: figure.find_elements(By.CSS_SELECTOR, ".hoverlayer .hovertext"))
    assert "resnet50, base" in hover[0].text
    assert "95.91" in hover[0].text
    page.screenshot("hover")


def test_switching_the_data_set_and_the_cost_redraws(page: Page) -> None:
    figure = page.drawn("accuracy")
    dataset, cost = (Select(each) for each in figure.find_elements(By.TAG_NAME, "select"))

    def shown() -> tuple[float, str]:
        script = "const p = arguments[0].querySelector('.canvas'); return [p.data[0].y[0], p.layout.xaxis.title.text]"
        y, title = page.driver.execute_script(script, figure)
        return y, title

    assert shown() == (95.91, "Parameters (M)")
    dataset.select_by_visible_text("tinyimagenet")
    page.wait(lambda: shown() == (65.57, "Parameters (M)"))
    cost.select_by_visible_text("Inference (ms)")
    page.wait(lambda: shown() == (65.57, "Inference (ms)"))


@pytest.mark.parametrize("plot", ["differences", "learning", "filters", "times"])
def test_every_plot_is_drawn_when_it_comes_into_view(page: Page, plot: str) -> None:
    page.drawn(plot)
    time.sleep(0.5)  # the plot fades in
    page.screenshot(plot)


def test_a_trial_opens_its_learning_curve_and_escape_closes_it(page: Page) -> None:
    button = page.show("#trials tbody tr:nth-child(3) button")
    button.send_keys(Keys.ENTER)
    dialog = page.one("dialog")
    page.wait(lambda: dialog.find_elements(By.CSS_SELECTOR, ".main-svg"))
    assert dialog.is_displayed()
    title = page.one("#curve-title").text
    assert title.split(", ")[2:5] == ["resnet50", "a", "cifar10"]
    names = page.driver.execute_script("return document.querySelector('dialog .canvas').data.map(each => each.name)")
    assert names == ["test accuracy", "training accuracy", "test loss", "training loss"]
    last = page.driver.execute_script("return document.querySelector('dialog .canvas').data[0].y.at(-1)")
    assert last == pytest.approx(float(page.column("#trials table", 7)[2]), abs=0.3)
    page.screenshot("curve")
    ActionChains(page.driver).send_keys(Keys.ESCAPE).perform()
    page.wait(lambda: not dialog.is_displayed())


def test_a_row_keeps_its_curve_after_sorting(page: Page) -> None:
    page.show("#trials table")
    page.all("#trials thead tr:last-child th button")[7].click()
    row = page.show("#trials tbody tr:first-child")
    assert row.find_elements(By.TAG_NAME, "td")[7].text == f"{min(map(float, _numbers(page))):.2f}"
    row.find_element(By.TAG_NAME, "button").click()
    page.wait(lambda: page.one("dialog").is_displayed())
    assert row.find_elements(By.TAG_NAME, "td")[0].text in page.one("#curve-title").text
    last = page.driver.execute_script("return document.querySelector('dialog .canvas').data[0].y.at(-1)")
    assert last == pytest.approx(float(row.find_elements(By.TAG_NAME, "td")[7].text), abs=0.3)


def _numbers(page: Page) -> list[str]:
    return [text for text in page.column("#trials table", 7) if text != "-"]


def test_a_trial_without_epochs_says_so_and_a_missing_one_has_no_curve(page: Page) -> None:
    field = page.show('[data-filter="trials"] input')
    field.send_keys("diverged")
    page.one("#trials tbody tr:not([hidden]) button").click()
    assert page.wait(lambda: page.one("dialog .canvas").text) == "This trial has no epochs."


def test_failures_open_to_their_error(page: Page) -> None:
    failure = page.show("#failures details")
    failure.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert "OutOfMemoryError: tried 20 MiB" in failure.find_element(By.TAG_NAME, "pre").text


def test_the_keyboard_reaches_everything_with_a_visible_focus(page: Page) -> None:
    ActionChains(page.driver).send_keys(Keys.TAB).perform()
    assert page.driver.switch_to.active_element.text == "Skip to the summary"
    reached = page.driver.execute_script(
        "return [...document.querySelectorAll('a, button, input, select, summary')]"
        ".filter(each => each.checkVisibility()).every(each => each.tabIndex >= 0)"
    )
    assert reached
    button = page.one("#comparison th button")
    button.send_keys("")
    assert page.driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", button) == "solid"


def test_a_dark_page_has_light_text_and_plots(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        figure = page.drawn("accuracy")
        page.wait(lambda: page.driver.execute_script(
            "return arguments[0].querySelector('.canvas').layout.font.color", figure) == "#e6e8eb")  # fmt: skip
        background = page.driver.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
        assert background == "rgb(20, 23, 26)"
        time.sleep(0.5)  # the plot fades in
        page.screenshot("dark")
        page.show("#trials table")
        page.screenshot("dark-trials")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_narrow_window_needs_no_sideways_scrolling(page: Page) -> None:
    page.driver.set_window_size(500, 900)
    try:
        page.drawn("accuracy")
        page.screenshot("narrow")
        wide = page.driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
        assert not wide
    finally:
        page.driver.set_window_size(1300, 1000)


def test_a_report_of_a_thousand_trials_is_small_and_opens_quickly(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    trials = [
        done(80.0 + seed % 7, model=model, template=template, seed=seed, trial_id=f"{model}{template}{seed}")
        for model in ("vgg19", "resnet50") for template in ("base", "a", "b", "c", "d") for seed in range(100)
    ]  # fmt: skip
    epochs = [row for trial in trials for row in epoch_rows(trial, 200)]
    path = write_run(tmp_path / "large", trials, epochs=epochs)
    file = write_report(study(path), tmp_path / "index.html")
    assert file.stat().st_size < 10_000_000
    page = Page(chromium, file)
    # The best of three, so that other work on the machine does not count.
    assert min(browser.seconds_to_open(chromium, file)[0] for _ in range(3)) < 2
    page.drawn("accuracy")
    page.show("#trials tbody tr:nth-child(500) button").click()
    page.wait(lambda: page.all("dialog .main-svg"))
    assert read_log(page.driver, "browser") == []


def test_the_report_of_the_demo_opens(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    run = ROOT / "runs" / "demo"
    if not (run / "results").is_dir():
        pytest.skip("needs the demo's results: make demo")
    page = Page(chromium, write_report(study(run), tmp_path / "index.html"))
    page.screenshot("demo")
    for plot in ("accuracy", "learning"):
        page.drawn(plot)
        time.sleep(0.5)  # the plot fades in
        page.screenshot(f"demo-{plot}")
    page.show("#trials tbody tr:first-child button").click()
    page.wait(lambda: page.all("dialog .main-svg"))
    assert read_log(page.driver, "browser") == []
