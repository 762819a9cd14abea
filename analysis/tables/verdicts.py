"""Which templates are as good as base: the table of verdicts, and what the looks of adaptive seeds have decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from analysis.conclusions import Conclusion, conclusions
from analysis.records import Record
from analysis.statistics.differences import MEAN
from analysis.statistics.verdicts import WITHIN_MARGIN
from analysis.study import Study
from analysis.tables.differences import interval, named_table
from analysis.tables.numbers import count, number
from analysis.tables.table import Column, Entry, Table, text_column, transposed, word
from fdt_core.quantities import counted, points
from fdt_core.results.decisions import OPEN
from fdt_core.results.keys import BASE
from fdt_core.results.looks import Looks

_ABOUT = (
    "superior: above {base}; equivalent: within the margin on both sides; non-inferior: not below {base} by more than "
    "the margin; inferior: below it by more. Each is said only if the whole interval shows it; "
    "undecided: it shows none of these."
)


def verdict_tables(study: Study) -> list[Table]:
    """A table per run, model, width and variant: a row per template, with a verdict per data set and for their mean."""
    return [_table(study, title, found) for title, found in conclusions(study).items()]


def _table(study: Study, title: str, found: list[Conclusion]) -> Table:
    margin = study.question.margin
    datasets = [name for name in study.datasets if any(name in each.by_dataset for each in found)]
    columns = [
        text_column("Template"),
        Column(name="Parameters (% vs base)", key="params_vs_base_percent", unit="%"),
        *(text_column(name, key=f"verdict_{name}") for name in datasets),
        *([text_column(MEAN, key="verdict_mean")] if len(datasets) > 1 else []),
    ]
    entries = [
        [word(each.template) for each in found],
        [number(100 * each.params, 1, signed=True) if each.params is not None else Entry() for each in found],
        *([_entry(each.by_dataset.get(name)) for each in found] for name in datasets),
        *([[_entry(each.mean) for each in found]] if len(datasets) > 1 else []),
    ]
    return Table(
        title=f"{title}: accuracy ({study.accuracy} epoch) against {BASE}'s, margin {points(margin)}",
        columns=tuple(columns),
        rows=transposed(entries),
        notes=(*(each.sentence(margin) for each in found), _ABOUT.format(base=BASE), _confidence(study)),
    )


def _entry(record: Record | None) -> Entry:
    if record is None:
        return Entry()
    return replace(word(record["verdict"]), best=record["verdict"] in WITHIN_MARGIN)


def _confidence(study: Study) -> str:
    sides = "one-sided" if study.question.one_sided else "two-sided"
    return (
        f"All {sides} intervals of the data sets together hold with 95 % confidence, and so do all those of the means. "
        "--table differences shows them."
    )


_DECISION_COLUMNS = (
    text_column("Verdict"),
    Column(name="Look"),
    Column(name="Seeds"),
    Column(name="Difference", unit="points"),
    Column(name="Interval", parts=("low", "high"), key="interval", unit="points"),
    Column(name="Level (%)", key="level_percent", unit="%"),
    Column(name="Spared"),
)


def decision_tables(study: Study) -> list[Table]:
    """The last decision on each comparison of runs with adaptive seeds; no table without such runs."""
    if not study.results.looks:
        return []
    notes = (*looks_sentences(study), _ABOUT_DECISIONS)
    return [
        named_table(study.results.decisions, "What the looks have decided", _DECISION_COLUMNS, _decision_row, notes)
    ]


_ABOUT_DECISIONS = (
    "Verdict: at the margin and the error of the sweep. Look: the last one at this template. Interval: at this level, "
    "two-sided; all intervals that share the error hold together, at all looks. Spared: trainings of the template that "
    "the verdict made needless. --table differences has the intervals at 95 % for the whole study."
)


def looks_sentences(study: Study) -> Iterator[str]:
    """For each run with adaptive seeds: when it looked, what is settled, and what was spared."""
    several = len(study.results.paths) > 1
    for run, looks in study.results.looks.items():
        decided = study.results.decisions[study.results.decisions["run"] == run]
        settled = Counter(verdict for verdict in decided["verdict"] if verdict not in OPEN)
        comparisons = int((study.differences["run"] == run).sum())
        which = ", ".join(f"{number} {verdict}" for verdict, number in sorted(settled.items()))
        spared, planned = (int((frame["run"] == run).sum()) for frame in (study.results.spared, study.results.planned))
        waits = ((study.outcomes["run"] == run) & (study.outcomes["status"] == "missing")).any()
        yield (
            f"{f'{run}: ' if several else ''}Adaptive seeds, {_schedule(looks)}: {settled.total()} of "
            f"{counted(comparisons, 'comparison')} settled{f' ({which})' if which else ''}; {spared:,} of "
            f"{counted(spared + planned, 'training')} spared{' so far' if waits else ''}."
        )


def _schedule(looks: Looks) -> str:
    """`looks at 3, 5 and 8 seeds at a margin of 0.5 points`."""
    *earlier, last = map(str, looks.seeds)
    at = f"{', '.join(earlier)} and {last}" if earlier else last
    return f"looks at {at} seeds at a margin of {points(looks.margin)}"


def _decision_row(record: Record) -> tuple[Entry, ...]:
    return (
        word(record["verdict"]),
        count(int(record["look"])),
        count(record["seeds"]),
        number(record["difference"], 2, signed=True),
        interval(record["low"], record["high"]),
        number(100 * record["level"], 4),
        count(record["spared"]),
    )
