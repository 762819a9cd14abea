"""The comparison of templates, first of all as printed in the paper."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis import Study
from analysis.costs import PAPER
from analysis.rounding import rounding
from analysis.tables import Layout, tables
from analysis.tables.comparison import comparison
from analysis.tables.table import Table
from fdt_core.errors import UsageError
from tests.analysis.synthetic import done, trial_row

# Tables 1 and 2 of the paper, cell by cell: parameters, memory and time, each with its percentage below base (which our
# tables show with a minus sign), then the accuracies on CIFAR-10, CIFAR-100, CINIC-10 and TinyImageNet.
PRINTED = {
    "vgg19": """
        base 20.03 .    87.0 .    1.80 .    94.90 0.10 73.91 0.08 85.79 0.10 57.34 0.30
        a    17.23 13.9 76.5 12.0 1.68 6.6  95.03 0.26 74.47 0.10 86.13 0.14 57.21 0.56
        b    3.17  84.1 23.0 73.5 1.31 27.2 95.01 0.10 73.34 0.24 86.37 0.02 56.88 0.31
        c    1.89  90.5 17.8 79.5 1.35 25.0 95.04 0.19 72.27 0.35 86.15 0.09 54.50 0.24
        d    8.07  59.7 39.8 54.2 1.37 23.8 95.21 0.08 74.64 0.13 86.49 0.05 59.45 0.18
        e    2.06  89.7 17.8 79.5 1.39 22.7 94.75 0.07 71.13 0.28 85.85 0.03 54.26 0.35""",
    "resnet50": """
        base 23.52 .    185.5 .    5.38 .    95.91 0.29 78.31 0.54 88.78 0.93 65.57 0.47
        a    14.17 39.7 146.8 20.8 4.62 14.1 96.10 0.07 79.00 0.05 89.60 0.05 66.06 0.53
        b    4.85  79.3 132.1 28.7 4.30 20.0 96.07 0.08 78.91 0.08 89.36 0.09 65.01 0.43
        c    3.48  85.2 128.9 30.5 4.28 20.4 96.13 0.20 77.92 0.18 89.27 0.15 64.07 0.17
        d    8.36  64.4 125.8 32.1 4.36 18.9 96.20 0.11 79.43 0.24 89.30 0.29 65.59 0.39
        e    3.68  84.3 132.1 28.7 4.31 19.8 95.79 0.03 77.99 0.48 89.15 0.02 64.49 0.57""",
}


def parts(table: Table) -> list[list[str]]:
    """The texts of a table, without minus signs and the number of seeds."""
    return [[part.removeprefix("-") or "." for entry in row[:-1] for part in entry.parts] for row in table.rows]


@pytest.mark.parametrize("model", PRINTED)
def test_the_tables_are_as_printed_in_the_paper(paper: Study, model: str) -> None:
    layout = Layout(rounding=rounding("paper"), costs=PAPER)
    made = {table.title: table for table in comparison(paper, layout)}[model]
    assert parts(made) == [line.split() for line in PRINTED[model].strip().splitlines()]
    assert {row[-1].text for row in made.rows} == {"3"}


def bests(table: Table) -> set[tuple[str, str]]:
    return {
        (row[0].text, column.title)
        for row in table.rows
        for column, entry in zip(table.columns, row, strict=True)
        if entry.best
    }


def test_the_best_of_each_column_is_marked_with_ties_as_shown(paper: Study) -> None:
    vgg = comparison(paper, Layout(rounding=rounding("paper"), costs=PAPER))[1]
    accuracy = "Final accuracy (%)"
    assert bests(vgg) == {
        ("c", "Parameters (M)"),
        ("c", "Memory (MB)"),
        ("e", "Memory (MB)"),
        ("b", "Inference (ms)"),
        *(("d", f"{accuracy} {dataset}") for dataset in paper.datasets),
    }


def test_a_cost_that_is_the_same_everywhere_has_no_best(paper: Study) -> None:
    assert not [title for _, title in bests(comparison(paper)[0]) if title.startswith("MACs")]


def row_of(study: Study, template: str, **layout: Any) -> dict[str, Any]:
    table = comparison(study, Layout(**layout))[0]
    row = next(row for row in table.rows if row[0].text == template)
    return {column.title: entry for column, entry in zip(table.columns, row, strict=True)}


ACCURACY = "Final accuracy (%) cifar10"


@pytest.mark.parametrize("status", ["failed", "diverged", "missing"])
def test_a_cell_without_results_shows_the_status_of_its_seeds(study_of: Callable[..., Study], status: str) -> None:
    lost = [trial_row(template="a", seed=seed, status=status) for seed in range(3)]
    planned = [done(90.0), *lost]
    study = study_of([done(90.0), *([] if status == "missing" else lost)], planned=planned)
    entry = row_of(study, "a")[ACCURACY]
    assert (entry.text, entry.marks) == (status, "†")
    assert f"† a, cifar10: 0 of 3 seeds done (3 {status})." in comparison(study)[0].notes


def test_a_cell_with_fewer_seeds_is_marked_and_explained(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(91.0, template="a"), trial_row(template="a", seed=1, status="diverged")])
    assert row_of(study, "a")[ACCURACY].marks == "†"
    assert row_of(study, "base")[ACCURACY].marks == ""
    assert "† a, cifar10: 1 of 2 seeds done (1 diverged)." in comparison(study)[0].notes


def test_a_cell_is_marked_if_it_misses_its_budget_by_more_than_the_tolerance(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0), done(91.0, template="a", budget_error=-0.0057)])
    assert row_of(study, "a", budget_tolerance=0.01)[ACCURACY].marks == ""
    assert row_of(study, "a", budget_tolerance=0.005)[ACCURACY].marks == "‡"
    notes = comparison(study, Layout(budget_tolerance=0.005))[0].notes
    assert "‡ a, cifar10: paper_flops is -0.57% off its target." in notes


def test_one_seed_has_no_standard_deviation(study_of: Callable[..., Study]) -> None:
    assert row_of(study_of([done(90.0)]), "base")[ACCURACY].text == "90.00"


def test_small_networks_are_counted_in_thousands(study_of: Callable[..., Study]) -> None:
    study = study_of([done(90.0, params=58_521), done(90.0, template="c", params=9_876)])
    assert row_of(study, "base")["Parameters (k)"].text == "58.52"


def test_unmeasured_costs_are_left_out(study_of: Callable[..., Study]) -> None:
    assert not [title for title in row_of(study_of([done(90.0)]), "base") if title.startswith("Inference")]


def test_the_kind_of_accuracy_is_named_and_the_best_epoch_comes_with_a_warning(study_of: Callable[..., Study]) -> None:
    table = comparison(study_of([done(90.0)], accuracy="best"))[0]
    assert "Best accuracy (%)" in [column.group for column in table.columns]
    assert "chosen on the test set" in table.notes[0]


def test_a_run_without_base_has_no_percentages(study_of: Callable[..., Study]) -> None:
    table = comparison(study_of([done(90.0, template="a"), done(91.0, template="b", params=5)]))[0]
    assert {row[2].text for row in table.rows} == {""}


def test_an_unknown_table_or_cost_names_the_known_ones(paper: Study) -> None:
    with pytest.raises(UsageError, match="did you mean 'comparison'"):
        tables(paper, "comparision")
    with pytest.raises(UsageError, match="did you mean 'params'"):
        comparison(paper, Layout(costs=("param",)))
