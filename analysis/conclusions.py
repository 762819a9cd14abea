"""What a study shows of each template, in the sentence that a paper needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.keys import dataset_order, template_order
from analysis.records import Record, by_template, of_block, records
from analysis.statistics.verdicts import WITHIN_MARGIN, Verdict
from analysis.study import Study
from fdt_core.quantities import points
from fdt_core.results.keys import BASE


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What is shown of one template of a run, model, width and variant, relative to base.

    Args:
        template: the template.
        params: parameters relative to base, minus 1, for the first data set that has both; None if there is none.
        by_dataset: the difference on each data set, with its interval and verdict.
        mean: the same in the mean over the data sets; None for one data set.
    """

    template: str
    params: float | None
    by_dataset: dict[str, Record]
    mean: Record | None

    def sentence(self, margin: float) -> str:
        """On how many data sets a loss beyond the margin is ruled out, with how many parameters, and where not."""
        of_verdict = {
            verdict: [name for name, found in self.by_dataset.items() if found["verdict"] == verdict]
            for verdict in Verdict
        }
        total = len(self.by_dataset)
        where = f"{self.within} of {total} data sets" if total > 1 else "".join(self.by_dataset)
        better = ", ".join(of_verdict[Verdict.SUPERIOR])
        if total == 1 and better:
            return f"{self.template} is better than {BASE} on {better}{self._params()}."
        parts = [f"{self.template} is not worse than {BASE} by more than {points(margin)} on {where}{self._params()}"]
        if better:
            parts.append(f"better on {better}")
        others = [
            f"{verdict} on {', '.join(of_verdict[verdict])}"
            for verdict in (Verdict.INFERIOR, Verdict.UNDECIDED, Verdict.UNTESTED)
            if of_verdict[verdict]
        ]
        if not self.within:
            return f"{self.template}{self._params()} is {'; '.join(others)}."
        return "; ".join([*parts, *others]) + "."

    @property
    def within(self) -> int:
        """The number of data sets on which a loss beyond the margin is ruled out."""
        return sum(found["verdict"] in WITHIN_MARGIN for found in self.by_dataset.values())

    def _params(self) -> str:
        if self.params is None or not round(100 * self.params, 1):
            return ""
        return f" with {abs(self.params):.1%} {'fewer' if self.params < 0 else 'more'} parameters".replace("%", " %")


def conclusions(study: Study) -> dict[str, list[Conclusion]]:
    """What is shown of each template, by title of a block of cells; no entry where base has no partner."""
    found = {}
    for title, cells in study.blocks():
        differences, means = (of_block(frame, cells) for frame in (study.differences, study.mean_differences))
        by_dataset: dict[str, dict[str, Record]] = {name: {} for name in template_order(differences["template"])}
        for record in records(differences):
            by_dataset[record["template"]][record["dataset"]] = record
        mean, change = by_template(means), _parameters(cells)
        if by_dataset:
            found[title] = [
                Conclusion(
                    template=template,
                    params=change.get(template),
                    by_dataset={name: of_template[name] for name in dataset_order(of_template)},
                    mean=mean.get(template) if len(of_template) > 1 else None,
                )
                for template, of_template in by_dataset.items()
            ]
    return found


def leading(found: Sequence[Conclusion]) -> Conclusion | None:
    """The template of which most is shown, or None if nothing is shown of any.

    That is the one that stays within the margin on the most data sets; of several, the one with the fewest parameters.
    All intervals hold together, so that a template may be chosen by them.
    """
    shown = [each for each in found if each.within]
    return min(shown, key=lambda each: (-each.within, each.params or 0.0), default=None)


def verdict_on(found: Sequence[Conclusion], margin: float) -> str:
    """What is shown of a model's templates, in one sentence: of the leading one, or that nothing is shown."""
    lead = leading(found)
    if lead is not None:
        return lead.sentence(margin)
    counts = Counter(record["verdict"] for each in found for record in each.by_dataset.values())
    every = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"no template is shown to lose at most {points(margin)} on any data set ({every})."


def _parameters(cells: pd.DataFrame) -> dict[str, float]:
    """For each template, its parameters relative to base, minus 1, for the first data set that has both."""
    table = cells.pivot(index="dataset", columns="template", values="params")
    if BASE not in table:
        return {}
    changes = table.loc[dataset_order(table.index)].div(table[BASE].where(table[BASE] > 0), axis="index") - 1
    return {str(template): float(change) for template, change in changes.bfill().iloc[0].dropna().items()}
