"""The report in a real browser, used as a reader would. Screenshots go to artifacts/."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from analysis import study
from analysis.report import write_report
from tests.analysis.report.report_page import Page, read_log

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]


def test_the_first_screen_answers(page: Page) -> None:
    page.drawn("accuracy")
    page.driver.execute_script("window.scrollTo(0, 0)")
    time.sleep(0.5)  # the plot fades in
    page.screenshot("first")
    sentences = [each.text for each in page.all("#verdict .sentence")]
    assert [sentence.split(":")[0] for sentence in sentences] == ["resnet50", "vgg19"]
    assert "d is not worse than base by more than 0.5 points on 4 of 4 data sets" in sentences[1]
    assert "59.7 % fewer parameters" in sentences[1]
    numbers = [each.text for each in page.all("#verdict article:nth-of-type(2) strong")]
    assert (numbers[0], numbers[2]) == ("-59.7 %", "4 of 4")
    assert page.one("#verdict .counts").text.startswith("145 done")
    height = page.driver.execute_script("return window.innerHeight")
    for seen in ("#verdict article:nth-of-type(2)", "#verdict .main-svg"):
        place = page.one(seen).rect
        assert place["y"] + place["height"] <= height, seen


def test_hovering_over_a_point_shows_its_numbers(page: Page) -> None:
    figure = page.drawn("accuracy")
    _choose(figure, 1, "cifar10")
    means = page.wait(lambda: figure.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace:nth-child(2) .point"))
    ActionChains(page.driver).move_to_element(means[0]).perform()
    hover = page.wait(lambda: figure.find_elements(By.CSS_SELECTOR, ".hoverlayer .hovertext"))
    assert "resnet50, base" in hover[0].text
    assert "95.91" in hover[0].text
    page.screenshot("hover")


def test_the_seeds_stand_behind_the_means_and_the_margin_around_base(page: Page) -> None:
    figure = page.drawn("accuracy")
    _choose(figure, 1, "cifar10")
    script = (
        "const {data, layout} = arguments[0].querySelector('.canvas');"
        "return [data.filter(t => t.meta === 'base').map(t => t.y), layout.shapes.map(s => [s.y0, s.y1])]"
    )
    page.wait(lambda: page.driver.execute_script(script, figure)[0][1] == [95.91])
    (seeds, _), (band, line) = page.driver.execute_script(script, figure)
    assert len(seeds) == 3
    assert sum(seeds) / 3 == pytest.approx(95.91, abs=0.001)
    assert band == pytest.approx([95.41, 96.41])
    assert line == pytest.approx([95.91, 95.91])


def test_switching_model_data_set_and_cost_redraws(page: Page) -> None:
    figure = page.drawn("accuracy")

    def shown() -> tuple[int, str]:
        script = (
            "const p = arguments[0].querySelector('.canvas');"
            "return [p.data.filter(t => t.showlegend !== false).length, p.layout.xaxis.title.text]"
        )
        traces, title = page.driver.execute_script(script, figure)
        return traces, title

    assert shown() == (6, "Parameters (M)")
    _choose(figure, 0, "all models")
    page.wait(lambda: shown() == (12, "Parameters (M)"))
    _choose(figure, 2, "Inference (ms)")
    page.wait(lambda: shown()[1] == "Inference (ms)")


def _choose(figure: WebElement, place: int, option: str) -> None:
    Select(figure.find_elements(By.TAG_NAME, "select")[place]).select_by_visible_text(option)


@pytest.mark.parametrize("plot", ["intervals", "learning", "filters", "times"])
def test_every_plot_is_drawn_when_it_comes_into_view_and_is_said_in_words(page: Page, plot: str) -> None:
    figure = page.drawn(plot)
    time.sleep(0.5)  # the plot fades in
    page.screenshot(plot)
    words = figure.find_element(By.CSS_SELECTOR, ".canvas").get_attribute("aria-label") or ""
    assert "resnet50" in words
    assert len(words) > 100


def test_the_forest_plot_marks_what_is_ruled_out(page: Page) -> None:
    figure = page.drawn("intervals")
    script = (
        "const {data, layout} = arguments[0].querySelector('.canvas');"
        "const at = layout.yaxis.ticktext.indexOf(arguments[1]);"
        "const place = layout.yaxis.tickvals[at];"
        "return data.filter(t => t.y[0] === place).at(-1).marker.symbol"
    )
    assert page.driver.execute_script(script, figure, "cifar10: a") == "circle"
    assert page.driver.execute_script(script, figure, "tinyimagenet: a") == "circle-open"
    assert page.driver.execute_script(script, figure, "mean of all data sets: c") == "triangle-down-open"


def test_three_trials_are_points_without_a_box(page: Page) -> None:
    figure = page.drawn("times")
    fills = "return arguments[0].querySelector('.canvas').data.map(t => [t.y.length, t.fillcolor])"
    assert set(map(tuple, page.driver.execute_script(fills, figure))) == {(3, "rgba(0,0,0,0)")}


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


def test_failures_open_to_their_error(page: Page) -> None:
    failure = page.show("#failures details")
    failure.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    assert "OutOfMemoryError: tried 20 MiB" in failure.find_element(By.TAG_NAME, "pre").text


def test_the_keyboard_reaches_everything_with_a_visible_focus(page: Page) -> None:
    ActionChains(page.driver).send_keys(Keys.TAB).perform()
    assert page.driver.switch_to.active_element.text == "Skip to the verdict"
    reached = page.driver.execute_script(
        "return [...document.querySelectorAll('a, button, input, select, summary')]"
        ".filter(each => each.checkVisibility()).every(each => each.tabIndex >= 0)"
    )
    assert reached
    for selector in ("#comparison th button", "#comparison button.template"):
        button = page.one(selector)
        button.send_keys("")
        assert page.driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", button) == "solid"


def test_a_dark_page_has_light_text_and_plots(page: Page) -> None:
    page.prefer("dark")
    figure = page.drawn("accuracy")
    page.wait(lambda: page.driver.execute_script(
        "return arguments[0].querySelector('.canvas').layout.font.color", figure) == "#e6e8eb")  # fmt: skip
    background = page.driver.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert background == "rgb(20, 23, 26)"
    time.sleep(0.5)  # the plot fades in
    page.screenshot("dark")
    page.show("#trials table")
    page.screenshot("dark-trials")


def test_a_phone_sees_the_verdict_and_the_accuracy_first(page: Page) -> None:
    page.emulate(390, 844)
    page.open()
    page.screenshot("phone")
    assert page.one("#verdict .sentence").rect["y"] < 300
    page.drawn("accuracy")
    page.screenshot("phone-plot")
    table = page.show("#comparison table")
    page.screenshot("phone-comparison")
    headings = [each.text for each in table.find_elements(By.CSS_SELECTOR, "thead th") if each.text]
    assert headings[0] == "Final accuracy (%)"
    right = page.driver.execute_script(
        "return document.querySelector('#comparison tbody td:nth-child(2)').getBoundingClientRect().right"
    )
    assert right <= 390
    assert not page.driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth")


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
    page.click("#trials tbody tr:first-child button")
    page.wait(lambda: page.all("dialog .main-svg"))
    assert read_log(page.driver, "browser") == []
