"""The tables of the report in a real browser: sorted, filtered, paged, selected, linked, copied, saved."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from analysis import study
from analysis.rendering import render
from analysis.report import write_report
from analysis.tables import tables
from benchmarks import browser
from tests.analysis.report.report_page import Page, read_log
from tests.analysis.synthetic import done, epoch_rows, write_run

pytestmark = pytest.mark.browser

COUNTER = "#trials .counter"


def choose(page: Page, table: str, column: str, option: str) -> None:
    Select(page.show(f'{table} [aria-label="Filter by {column}"]')).select_by_visible_text(option)


def test_tables_sort_by_click_and_by_keyboard(page: Page) -> None:
    table = "#trials table"
    page.show(table)
    final = page.all(f"{table} thead th button")[7]
    final.click()
    shown = [float(text) for text in page.column(table, 7)]
    assert shown == sorted(shown)
    page.click("#trials .pager button:last-child")
    assert page.column(table, 7)[-3:] == ["-", "-", "-"]
    final.send_keys(Keys.ENTER)
    shown = [float(text) for text in page.column(table, 7)]
    assert shown == sorted(shown, reverse=True)
    assert page.all(f"{table} th[aria-sort]")[0].get_attribute("aria-sort") == "descending"


def test_a_comparison_sorts_by_its_numbers(page: Page) -> None:
    page.click('#comparison-table-1 [aria-label="Sort by Parameters (M)"]')
    assert page.column("#comparison-table-1", 0)[:6] == ["c", "e", "b", "d", "a", "base"]


def test_a_long_table_is_shown_page_by_page(page: Page) -> None:
    assert page.one(COUNTER).text == "1 to 100 of 148 rows"
    first = page.column("#trials table", 0)
    page.click("#trials .pager button:last-child")
    assert page.one(COUNTER).text == "101 to 148 of 148 rows"
    second = page.column("#trials table", 0)
    assert len(set(first + second)) == 148
    assert page.one("#trials .pager button:last-child").get_attribute("aria-disabled") == "true"
    page.click("#trials .pager button:first-child")
    assert page.column("#trials table", 0) == first


def test_words_leave_the_rows_that_have_them_all(page: Page) -> None:
    field = page.show("#trials .tools input")
    field.send_keys("vgg19 cinic10")
    assert page.one(COUNTER).text == "18 rows (148 in all)"
    assert set(page.column("#trials table", 4)) == {"cinic10"}
    page.screenshot("filtered")
    field.clear()
    field.send_keys("diverged")
    assert page.one(COUNTER).text == "1 row (148 in all)"


def test_a_column_filter_finds_template_a_alone(page: Page) -> None:
    choose(page, "#trials", "Template", "a")
    assert page.one(COUNTER).text == "24 rows (148 in all)"
    assert set(page.column("#trials table", 3)) == {"a"}
    choose(page, "#trials", "Data set", "cifar10")
    assert page.one(COUNTER).text == "6 rows (148 in all)"
    field = page.show('#trials [aria-label="Filter by Test accuracy (%) Final"]')
    field.send_keys(">= 96")
    assert all(float(text) >= 96 for text in page.column("#trials table", 7))
    assert set(page.column("#trials table", 2)) == {"resnet50"}


def test_a_row_keeps_its_curve_after_sorting_and_filtering(page: Page) -> None:
    page.click('#trials [aria-label="Sort by Test accuracy (%) Final"]')
    choose(page, "#trials", "Model", "vgg19")
    row = page.show("#trials tbody tr:first-child")
    cells = row.find_elements(By.TAG_NAME, "td")
    cells[0].find_element(By.TAG_NAME, "button").click()
    page.wait(lambda: page.one("dialog").is_displayed())
    page.wait(lambda: page.all("dialog .main-svg"))
    assert cells[0].text in page.one("#curve-title").text
    last = page.driver.execute_script("return document.querySelector('dialog .canvas').data[0].y.at(-1)")
    assert last == pytest.approx(float(cells[7].text), abs=0.3)


def test_a_trial_without_epochs_says_so_and_a_missing_one_has_no_curve(page: Page) -> None:
    field = page.show("#trials .tools input")
    field.send_keys("diverged")
    page.one("#trials tbody tr button").click()
    assert page.wait(lambda: page.one("dialog .canvas").text) == "This trial has no epochs."
    page.one("dialog form button").click()
    field.clear()
    field.send_keys("missing")
    assert page.one(COUNTER).text == "1 row (148 in all)"
    assert not page.all("#trials tbody td:first-child button")


def test_a_number_filter_counts_what_is_shown_as_less_than_a_limit(page: Page) -> None:
    field = page.show('#differences [aria-label="Filter by p"]')
    field.send_keys("< 0.05")
    shown = page.column("#differences table", 6)
    assert "< 0.001" in shown
    assert all(float(text.removeprefix("< ")) < 0.05 for text in shown)
    field.clear()
    field.send_keys("< 0,05")
    assert field.get_attribute("aria-invalid") == "true"
    assert len(page.column("#differences table", 6)) == 40


def test_a_page_is_shown_from_its_start(page: Page) -> None:
    script = "return document.querySelector('#trials .scroll').scrollTop"
    page.show("#trials table")
    page.driver.execute_script("document.querySelector('#trials .scroll').scrollTop = 900")
    assert page.driver.execute_script(script) > 0
    page.click("#trials .pager button:last-child")
    assert page.driver.execute_script(script) == 0


def test_a_curve_replaces_what_the_last_one_said(page: Page) -> None:
    field = page.show("#trials .tools input")
    for words, said in (("diverged", True), ("resnet50 a cifar100", False)):
        field.clear()
        field.send_keys(words)
        page.click("#trials tbody tr button")
        page.wait(lambda: page.one("dialog").is_displayed() and page.one("dialog .canvas").text)
        assert ("This trial has no epochs." in page.one("dialog .canvas").text) == said
        page.one("dialog form button").click()


def test_a_template_is_selected_in_all_tables_and_plots(page: Page) -> None:
    figure = page.drawn("accuracy")
    page.click("#comparison tbody tr:nth-child(4) button.template")
    assert page.one("#selection span").text == "Selected: c"
    chosen = page.driver.execute_script(
        "return [...document.querySelectorAll('tr.selected button.template')].map(b => b.textContent)"
    )
    assert set(chosen) == {"c"}
    assert len(chosen) > 20
    opacities = (
        "return arguments[0].querySelector('.canvas').data.filter(t => t.opacity === undefined).map(t => t.meta)"
    )
    page.wait(lambda: set(page.driver.execute_script(opacities, figure)) == {"c"})
    page.screenshot("selected")
    page.click("#selection button")
    assert not page.all("tr.selected")
    page.wait(lambda: len(set(page.driver.execute_script(opacities, figure))) == 6)


def test_a_click_on_a_point_selects_its_template(page: Page) -> None:
    figure = page.drawn("intervals")
    points = figure.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace:nth-child(4) .point")
    box = points[0].rect
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    scrolled = page.driver.execute_script("return window.scrollY")
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        event = {"type": kind, "x": place["x"], "y": place["y"] - scrolled, "button": "left", "clickCount": 1}
        page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    assert page.wait(lambda: page.one("#selection span").text) == "Selected: b"


def test_a_link_shows_the_same_again(page: Page) -> None:
    choose(page, "#trials", "Template", "a")
    page.click('#trials [aria-label="Sort by Test accuracy (%) Final"]')
    page.click("#comparison tbody tr:nth-child(4) button.template")
    figure = page.drawn("accuracy")
    Select(figure.find_elements(By.TAG_NAME, "select")[1]).select_by_visible_text("cinic10")
    page.click('a[href="#trials"]')
    link = page.driver.current_url
    shown = page.column("#trials table", 0)
    page.open()
    assert page.column("#trials table", 0) != shown
    page.open(f"#{link.partition('#')[2]}")
    assert page.column("#trials table", 0) == shown
    assert page.one("#selection span").text == "Selected: c"
    selected = "return document.querySelectorAll('#plot-accuracy select')[1].value"
    assert page.driver.execute_script(selected) == "cinic10"
    assert abs(page.driver.execute_script("return document.querySelector('#trials').getBoundingClientRect().y")) < 5


def test_a_table_is_copied_as_text_and_saved_as_csv(page: Page, report: Path, tmp_path: Path) -> None:
    page.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    choose(page, "#differences", "Template", "d")
    page.click("#differences .copy")
    page.wait(lambda: page.one("#differences .copy").text == "Copied")
    copied = page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])").split("\n")
    assert copied[0].split("\t")[:4] == ["Model", "Data set", "Template", "Difference"]
    assert [line.split("\t")[2] for line in copied[1:]] == ["d"] * 8

    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.click("#differences .save")
    saved = tmp_path / "differences-table.csv"
    page.wait(saved.is_file)
    ours = pd.read_csv(saved)
    (table,) = tables(study(report.parents[1]), "differences")
    (tmp_path / "command.csv").write_text(render([table], "csv"))
    command = pd.read_csv(tmp_path / "command.csv")
    expected = command[command["template"] == "d"].drop(columns=["table", "title"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, expected, check_exact=True, check_dtype=False)


@pytest.mark.slow
def test_many_trials_open_and_filter_quickly(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    trials = [
        done(80.0 + seed % 7, model=model, template=template, seed=seed, trial_id=f"{model}{template}{seed}")
        for model in ("vgg19", "resnet50") for template in ("base", "a", "b", "c", "d") for seed in range(2000)
    ]  # fmt: skip
    epochs = [row for trial in trials for row in epoch_rows(trial, 3)]
    path = write_run(tmp_path / "large", trials, epochs=epochs)
    file = write_report(study(path), tmp_path / "index.html")
    assert file.stat().st_size < 10_000_000
    page = Page(chromium, file)
    # The best of three, so that other work on the machine does not count.
    assert min(browser.seconds_to_open(chromium, file)[0] for _ in range(3)) < 2
    assert min(browser.seconds_to_filter(chromium, "#trials") for _ in range(3)) < 0.3
    page.open()
    assert page.driver.execute_script("return document.querySelectorAll('*').length") < 20_000
    page.drawn("accuracy")
    field = page.show("#trials .tools input")
    field.send_keys("resnet50b1999")
    page.click("#trials tbody tr:first-child button")
    page.wait(lambda: page.all("dialog .main-svg"))
    assert "resnet50, b, cifar10, 1999" in page.one("#curve-title").text
    assert read_log(page.driver, "browser") == []


def test_names_of_every_kind_are_shown_and_selected_as_they_are(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    names = ["base", "16", "32", "<b>bold</b>", "%{y}", "</script><i>", "Zwölf, 12"]
    rows = [
        done(90.0 + number + 0.1 * seed, template=name, seed=seed, params=1000, trial_id=f"{number}{seed}")
        for number, name in enumerate(names)
        for seed in range(3)
    ]
    epochs = [row for trial in rows for row in epoch_rows(trial, 3)]
    paths = [write_run(tmp_path / name, rows, epochs=epochs) for name in ("my  run", "run %{x}")]
    page = Page(chromium, write_report(study(*paths), tmp_path / "index.html"))
    figure = page.drawn("accuracy")
    legend = [each.text for each in figure.find_elements(By.CSS_SELECTOR, ".legendtext")]
    assert sorted(legend) == sorted(names)
    figure = page.drawn("times")
    ticks = [each.text for each in figure.find_elements(By.CSS_SELECTOR, ".xtick text")]
    assert sorted(ticks) == sorted(names)
    for name in names[1:]:
        place = names.index(name)
        button = next(each for each in page.all("#comparison-table-1 button.template") if each.text == name)
        page.driver.execute_script("arguments[0].click()", button)
        assert page.one("#selection span").text == f"Selected: {name}", place
        page.click("#selection button")
    assert read_log(page.driver, "browser") == []


def test_tied_templates_are_selected_one_by_one(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    rows = [
        done(90.0 + seed / 7, template=name, seed=seed, params=1000 if name == "base" else 500)
        for name in ("base", "a", "b")
        for seed in range(3)
    ]
    page = Page(chromium, write_report(study(write_run(tmp_path / "run", rows)), tmp_path / "index.html"))
    tied = page.all("#needs-table tbody tr:nth-child(2) button.template")
    assert [each.text for each in tied] == ["a", "b"]
    tied[1].click()
    assert page.one("#selection span").text == "Selected: b"
    assert len(page.all("#comparison tr.selected")) == 1
