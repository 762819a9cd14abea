"""The report on paper loses nothing. The PDF and pictures of its pages go to artifacts/."""

from __future__ import annotations

import re
import unicodedata

import pypdfium2
import pytest

from tests.analysis.report.report_page import ARTIFACTS, Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_row_and_every_plot_is_printed(page: Page, scheme: str) -> None:
    page.prefer(scheme)
    page.open()
    ready = "return Object.keys(drawings).length === figures.length"
    page.wait(lambda: page.driver.execute_script(ready))
    document = pypdfium2.PdfDocument(page.printed())
    ARTIFACTS.mkdir(exist_ok=True)
    document.save(ARTIFACTS / f"report-print-{scheme}.pdf")
    # NFKC: the browser sets "fi" as one letter.
    text = unicodedata.normalize("NFKC", "\n".join(sheet.get_textpage().get_text_range() for sheet in document))
    for number, sheet in enumerate(document):
        sheet.render(scale=1.2).to_pil().save(ARTIFACTS / f"report-print-{scheme}-{number + 1}.png")
    squeezed = re.sub(r"\s", "", text)  # the order of words is safe, the spaces between letters are not
    everything = page.driver.execute_async_script(
        "const done = arguments[0]; unpackJson('table-data').then(data => done(data['trials-table'].columns[0].texts))"
    )
    assert len(everything) == 148
    headings = (
        "Accuracy against cost",
        "Differences to base",
        "Learning curves",
        "Filters per layer",
        "Cost per trial",
    )
    folded = "OutOfMemoryError: tried 20 MiB"
    axis = "Points of test accuracy above base"  # of a plot that was never in view
    choice = "mean of all data sets"  # of a plot
    printed = [*everything, *headings, folded, axis, choice]
    assert [each for each in printed if each.replace(" ", "") not in squeezed] == []
    assert squeezed.count("Interruptions") >= 5  # the head of the trials is repeated on each of their sheets


def test_what_was_filtered_is_printed_filtered_and_the_page_is_as_before(page: Page) -> None:
    page.show("#trials .tools input").send_keys("tinyimagenet")
    shown = page.column("#trials table", 0)
    assert len(shown) == 36
    page.printed()
    assert page.column("#trials table", 0) == shown
    assert page.one("#trials .counter").text == "36 rows (148 in all)"
    page.show("#trials .tools input").clear()
    page.one("#trials .tools input").send_keys("done")
    before = page.column("#trials table", 0)
    assert page.one("#trials .counter").text == "1 to 100 of 145 rows (148 in all)"
    page.driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert page.one("#trials .counter").text == "145 rows (148 in all)"
    page.driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.printed()
    assert page.column("#trials table", 0) == before
    assert len(before) == 100


def test_base_is_visible_on_paper_from_a_dark_screen(page: Page) -> None:
    page.prefer("dark")
    page.drawn("accuracy")
    color = (
        "return document.querySelector('[data-plot=accuracy] .canvas').data.find(t => t.meta === 'base').marker.color"
    )
    page.wait(lambda: page.driver.execute_script(color) == "#e6e8eb")
    page.driver.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert page.driver.execute_script(color) == "#000000"
    page.driver.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.wait(lambda: page.driver.execute_script(color) == "#e6e8eb")
