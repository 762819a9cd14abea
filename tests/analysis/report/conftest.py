"""A browser, and the report of the paper's numbers in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from analysis import Study, study
from analysis.report import write_report
from benchmarks import browser
from tests.analysis.report.report_page import Page, read_log
from tests.analysis.synthetic import done, paper_run, trial_row, write_run


@pytest.fixture(scope="session")
def with_curves(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study of the paper's numbers, with learning curves of six epochs."""
    return study(paper_run(tmp_path_factory.mktemp("runs") / "paper", epochs=6))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if not browser.has_chromium():
        pytest.skip(browser.NEEDED)
    with browser.chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="session")
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
    page.driver.set_window_size(1300, 1000)
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [], "media": ""})
    assert read_log(page.driver, "browser") == []
    requested = {url.partition("#")[0] for url in page.requests() if not url.startswith(("data:", "blob:"))}
    assert requested == {report.as_uri()}
