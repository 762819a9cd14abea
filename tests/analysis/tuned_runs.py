"""Synthetic run directories of sweeps that tune before they compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fdt_core.results.columns import PLANNED_COLUMNS
from fdt_core.results.keys import BASE
from fdt_core.results.tuning import COMPARED, TUNED, Course, Score, Tuning, halving
from fdt_core.results.tuning.tpe import Tpe
from fdt_core.results.tuning.tried import tried_candidates
from tests.analysis.synthetic import done, trial_row, write_run

Row = dict[str, Any]

FIRST_SEED = 1_000_000
RUNGS = (10, 40, 200)


@dataclass(frozen=True, kw_only=True)
class TunedSweep:
    """A sweep that tunes: what it plans, and rows of it.

    Args:
        rates: the learning rates of the candidates, in the order drawn.
        templates: the templates.
        datasets: the data sets.
        seeds: the seeds of the comparison.
        tuning_seeds: the number of seeds of each candidate.
        rungs: the epochs of the rungs.
        factor: of so many candidates, one goes on.
        every_template: whether each template is tuned.
        field: the tuned field.
        tried: how many of the candidates TPE asks for in each group; None: all are drawn at random.
    """

    rates: Sequence[Any] = (0.01, 0.05, 0.1, 0.5)
    templates: Sequence[str] = (BASE, "a")
    datasets: Sequence[str] = ("cifar10",)
    seeds: int = 3
    tuning_seeds: int = 1
    rungs: tuple[int, ...] = RUNGS
    factor: int | None = 2
    every_template: bool = True
    field: str = "learning_rate"
    tried: int | None = None

    @property
    def tuning(self) -> Tuning:
        return Tuning(
            candidates=tuple(map(self.name, self.rates)),
            seeds=tuple(FIRST_SEED + number for number in range(self.tuning_seeds)),
            factor=self.factor,
            every_template=self.every_template,
            tpe=self._tpe(self.tried) if self.tried else None,
        )

    def _tpe(self, trials: int) -> Tpe:
        return Tpe(trials=trials, seed=0, points=tuple((float(rate),) for rate in self.rates), choices=(0,))

    def name(self, rate: object) -> str:
        """The name of the candidate with this value."""
        return f"{self.field}={rate}"

    def candidate(self, rate: Any, template: str = BASE, seed: int = FIRST_SEED, **given: Any) -> Row:
        """A planned trial of tuning; the base of its rows."""
        *early, last = self.rungs
        recipe = {"validation": 0.1, "evaluate_test": False, "evaluate_at": early, "epochs": last}
        return self._trial(rate, template, seed, TUNED, recipe | given)

    def compared(self, rate: Any, template: str = BASE, seed: int = 0, **given: Any) -> Row:
        """A planned trial of the comparison; the base of its rows."""
        return self._trial(rate, template, seed, COMPARED, given)

    def _trial(self, rate: Any, template: str, seed: int, stage: str, given: Mapping[str, Any]) -> Row:
        named = {"template": template, "seed": seed, "stage": stage, "candidate": self.name(rate), self.field: rate}
        row = trial_row(**named, **given)
        return row | {"trial_id": f"{stage}-{row['model']}-{row['dataset']}-{template}-{rate}-{seed}"}

    def planned(self) -> list[Row]:
        tuned = self.templates if self.every_template else [BASE]
        candidates = [
            self.candidate(rate, template, seed, dataset=dataset)
            for dataset in self.datasets for template in tuned for rate in self.rates for seed in self.tuning.seeds
        ]  # fmt: skip
        compared = [
            self.compared(rate, template, seed, dataset=dataset)
            for dataset in self.datasets for template in self.templates for seed in range(self.seeds)
            for rate in self.rates
        ]  # fmt: skip
        return [*candidates, *compared]

    def tuning_rows(self, accuracy: Callable[[str, Any, int], float | None]) -> list[Row]:
        """The rows of tuning that has ended, by the accuracy of (template, rate, rung); None: it diverges there."""
        rows = []
        for dataset in self.datasets:
            for template in self.templates if self.every_template else [BASE]:
                courses = {rate: self._course(accuracy, template, rate) for rate in self.rates}
                by_name = {self.name(rate): [course] * self.tuning_seeds for rate, course in courses.items()}
                tried = self._tried(by_name)
                reach = halving({name: by_name[name] for name in tried}, self.tuning, len(self.rungs)).reach
                for rate in (rate for rate in self.rates if self.name(rate) in tried):
                    for seed in self.tuning.seeds:
                        trial = self.candidate(rate, template, seed, dataset=dataset)
                        rows += self.attempts(trial, courses[rate], reach[self.name(rate)])
        return rows

    def _tried(self, by_name: Mapping[str, Sequence[Course]]) -> tuple[str, ...]:
        """The candidates that a group trains, batch by batch."""
        found: tuple[str, ...] = ()
        while True:
            known = {name: courses if name in found else [Course()] for name, courses in by_name.items()}
            if (more := tried_candidates(known, self.tuning)) == found:
                return found
            found = more

    def _course(self, accuracy: Callable[[str, Any, int], float | None], template: str, rate: Any) -> Course:
        scores: list[Score] = []
        for rung in range(1, len(self.rungs) + 1):
            if (found := accuracy(template, rate, rung)) is None:
                return Course(scores=tuple(scores), ended=True, begun=True)
            scores.append(Score(found, 2 - found / 100))
        return Course(scores=tuple(scores), begun=True)

    def attempts(self, trial: Row, course: Course, reach: int) -> list[Row]:
        """The rows of one candidate that is wanted to reach a rung: one for each, with rising attempts."""
        rows = [self.attempt(trial, course.scores[:rung]) for rung in range(1, min(reach, len(course.scores)) + 1)]
        if len(course.scores) < reach:
            rows.append(self.attempt(trial, course.scores, status="diverged"))
        return [row | {"attempt": number} for number, row in enumerate(rows, start=1)]

    def attempt(self, trial: Row, scores: Sequence[Score], status: str = "", **given: Any) -> Row:
        """A row of a candidate that has reached a rung with these scores."""
        epochs = self.rungs[len(scores) - 1] if scores else 3
        return trial | {
            "status": status or ("done" if len(scores) == len(self.rungs) else "stopped"),
            "epochs_trained": epochs, "train_seconds": 36.0 * epochs,
            "rung_accuracies": [score.accuracy for score in scores], "rung_losses": [score.loss for score in scores],
            "final_validation_accuracy": scores[-1].accuracy if scores else None,
            "final_test_accuracy": None, "best_test_accuracy": None, "best_epoch": None, **given,
        }  # fmt: skip

    def compared_rows(self, rate_of: Mapping[str, Any], accuracy: float = 90.0) -> list[Row]:
        """Done rows of the comparison, with the learning rate of each template."""
        return [
            done(accuracy + 0.1 * seed + 0.03 * number * (seed + 1), **self.compared(rate, name, seed, dataset=dataset))
            for dataset in self.datasets for number, (name, rate) in enumerate(rate_of.items())
            for seed in range(self.seeds)
        ]  # fmt: skip

    def write(self, path: Path, rows: Iterable[Row], **tables: Any) -> Path:
        """Write the run directory."""
        write_run(path, rows, planned=[], **tables)
        plan = json.loads((path / "plan.json").read_text(encoding="utf-8"))
        plan["tuning"] = asdict(self.tuning)
        plan["trials"] = [{name: trial.get(name) for name in PLANNED_COLUMNS} for trial in self.planned()]
        (path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        return path


def peaked(template: str, rate: float, rung: int) -> float | None:
    """Accuracies that are best at 0.1 for base and at 0.05 for others; 0.5 diverges before the first rung."""
    best = 0.1 if template == BASE else 0.05
    return None if rate == 0.5 else 60.0 + 10 * rung - 100 * abs(rate - best)


def tuned_run(path: Path, **sweep: Any) -> Path:
    """A run of a sweep whose tuning and comparison have ended."""
    of = replace(TunedSweep(), **sweep)
    chosen = {template: 0.1 if template == BASE or not of.every_template else 0.05 for template in of.templates}
    return of.write(path, [*of.tuning_rows(peaked), *of.compared_rows(chosen)])
