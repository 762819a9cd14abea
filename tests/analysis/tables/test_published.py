"""The study's numbers next to the paper's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analysis import Study
from analysis.tables import Layout
from analysis.tables.published import DIFFERS, published_tables
from analysis.tables.table import Table
from tests.analysis.synthetic import done, seeds_with, trial_row


def column(table: Table, title: str) -> dict[str, Any]:
    place = [each.title for each in table.columns].index(title)
    return {row[0].text: row[place] for row in table.rows}


def test_a_study_of_the_published_numbers_differs_nowhere(paper: Study) -> None:
    for table in published_tables(paper, Layout()):
        for dataset in paper.datasets:
            assert {entry.text for entry in column(table, f"{dataset} Δ").values()} == {"+0.00"}
            assert not any(entry.marks for entry in column(table, f"{dataset} Δ").values())
            ours, theirs = (column(table, f"{dataset} {who}") for who in ("ours", "paper"))
            assert {name: entry.text for name, entry in ours.items()} == {n: entry.text for n, entry in theirs.items()}


def test_a_difference_is_ours_minus_the_papers_and_is_marked_if_it_exceeds_chance(
    study_of: Callable[..., Study],
) -> None:
    """VGG19 on CIFAR-10: the paper has 94.90 for base and 95.03 for template a."""
    trials = [
        *(done(value, seed=seed) for seed, value in enumerate(seeds_with(96.9, 0.1))),
        *(done(value, seed=seed, template="a") for seed, value in enumerate(seeds_with(95.0, 0.1))),
    ]
    (table,) = published_tables(study_of(trials), Layout())
    differences = column(table, "cifar10 Δ")
    assert (differences["base"].text, differences["base"].marks) == ("+2.00", DIFFERS)
    assert (differences["a"].text, differences["a"].marks) == ("-0.03", "")


def test_costs_are_next_to_the_printed_ones(paper: Study) -> None:
    resnet = published_tables(paper, Layout())[0]
    assert column(resnet, "Parameters (M) paper")["e"].text == "3.68"
    assert column(resnet, "Parameters (M) ours")["e"].text == "3.69"  # rounded; the paper truncates


def test_failures_and_custom_templates_do_not_hide_published_numbers(study_of: Callable[..., Study]) -> None:
    trials = [trial_row(status="failed"), done(95.0, template="mine")]
    (table,) = published_tables(study_of(trials), Layout())
    assert [row[0].text for row in table.rows] == ["base"]
    assert column(table, "cifar10 ours")["base"].text == "failed"
    assert column(table, "cifar10 paper")["base"].text == "94.90 ± 0.10"


def test_other_models_widths_and_data_sets_have_no_published_numbers(study_of: Callable[..., Study]) -> None:
    trials = [done(90.0, model="vgg11"), done(90.0, width=0.5)]
    assert published_tables(study_of(trials), Layout()) == []
