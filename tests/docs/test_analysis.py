"""docs/analysis.md shows the verdicts on the paper's published numbers: they are computed again here."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.conclusions import conclusions
from analysis.study import study
from fdt_core.quantities import points
from tests.analysis.synthetic import paper_run

PAGE = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paper_run(tmp_path_factory.mktemp("runs") / "paper")


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_the_verdicts_on_the_papers_numbers(run: Path, margin: float) -> None:
    _, _, rest = PAGE.partition(f"Margin {points(margin)}:")
    shown = [line for line in rest.partition("\n\n")[2].partition("\n\n")[0].splitlines() if "`" in line]
    expected = [
        f"| {title} `{each.template}` | {each.params:+.1%} | ".replace("%", " %")
        + " | ".join(
            [record["verdict"] for record in each.by_dataset.values()] + [str(each.mean and each.mean["verdict"])]
        )
        + " |"
        for title, found in conclusions(study(run, margin=margin)).items()
        for each in found
    ]
    assert shown == expected
