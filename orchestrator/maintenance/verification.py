"""Everything that can be checked in a run directory without training: files, rows, checkpoints, weights, data."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdt_core.datasets.store import DESCRIPTION
from fdt_core.datasets.verify import verify_prepared
from fdt_core.errors import FdtError
from fdt_core.files.yaml_file import load_yaml
from fdt_core.quantities import counted, listed
from fdt_core.results.columns import PLANNED_COLUMNS
from fdt_core.results.damage import Problem, find_damage
from fdt_core.results.decisions import comparison_of, current_decisions
from fdt_core.results.keys import cell_key, trial_label
from fdt_core.results.part_cache import PartCache
from fdt_core.results.reader import read_table
from fdt_core.results.tuning import COMPARED, TUNED
from fdt_core.results.tuning.courses import rung_epochs
from orchestrator.plan.cells import SweepPlan
from orchestrator.run.adaptive.wanted_cells import WantedCells
from orchestrator.run.ledger import Ledger
from orchestrator.run.report_rows import decision_row
from orchestrator.run.run_directory import RunDirectory

Row = Mapping[str, Any]

_DECIDED = [
    name
    for name in PLANNED_COLUMNS
    if name not in ("n", "budget_metric", "budget_rule", "budget_target", "budget_error")
]
"""Columns that follow from the trial itself. A trial may serve several budgets; its row has those of the first."""

_ROWS_STAY = "put a copy of it back if you have one; the rows do not need it"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found.

    Args:
        problems: everything that is wrong.
        checked: how many things of each kind were checked.
        not_checked: what could not be checked here, and why.
    """

    problems: tuple[Problem, ...]
    checked: Mapping[str, int]
    not_checked: tuple[str, ...]


def verify_run(run: RunDirectory, data_dir: Path | None = None) -> Verification:
    """Check a whole run directory. Writes nothing, and may run beside a driver: what changes meanwhile is skipped.

    `data_dir` is where the prepared data is, by default where the last launch found it.
    """
    parts = PartCache()
    problems = [*find_damage(run.results, parts), *_small_files(run)]
    if not run.results.is_dir():
        problems.append(_problem(run.results, "is missing", "put a copy of it back, or launch again"))
    rows = read_table(run.results, "trials", part_reader=parts).rows.to_pylist()
    plan, planned = None, []
    try:
        plan = run.plan()
    except FdtError as error:
        problems.append(_problem(run.plan_file, f"cannot be read ({error})", "launch the sweep file again"))
    if plan is not None:
        keys = {cell.key for cell in plan.cells}
        planned = [row for row in rows if cell_key(row) in keys]
        problems += [*_identities(run, plan), *_rows_against_plan(run, plan, planned), *_kept(run, plan, planned)]
        problems += _decisions(run, plan, parts)
    epochs = read_table(run.results, "epochs", part_reader=parts).rows
    accuracies = epochs.select(["trial_id", "attempt", "epoch", "test_accuracy", "validation_accuracy"]).to_pylist()
    problems += _rows_against_epochs(run, rows, accuracies)
    weights = sorted(run.checkpoints.glob("*/*.pt"))
    problems += [problem for path in weights for problem in _checkpoint(path)]
    data, not_checked = _data(planned or rows, data_dir or _data_directory(run))
    return Verification(
        problems=(*problems, *data),
        checked={
            "rows of trials": len(rows),
            "of them planned": len(planned),
            "rows of epochs": epochs.num_rows,
            "rows of profiles": read_table(run.results, "profiles", part_reader=parts).rows.num_rows,
            "files of weights": len(weights),
        },
        not_checked=not_checked,
    )


def _small_files(run: RunDirectory) -> Iterator[Problem]:
    """Damage of the sweep file, and of the small files that drivers and Slurm jobs leave."""
    if not run.sweep_file.is_file():
        yield _problem(run.sweep_file, "is missing", "launch the sweep file again")
    else:
        try:
            load_yaml(run.sweep_file)
        except (FdtError, OSError, ValueError) as error:
            yield _problem(run.sweep_file, f"cannot be read ({_first_line(error)})", "launch the sweep file again")
    for path in sorted([run.status_file, run.running_file, *run.driver.glob("*.json"), *run.slurm.rglob("*.json")]):
        with suppress(FileNotFoundError):
            try:
                if not isinstance(json.loads(path.read_text(encoding="utf-8")), dict | list):
                    raise ValueError("not a JSON object or list")
            except ValueError as error:
                yield _problem(path, f"is damaged ({_first_line(error)})", "remove it when no driver is running")


def _identities(run: RunDirectory, plan: SweepPlan) -> Iterator[Problem]:
    """Trials of the plan whose id is not the hash of what they describe."""
    wrong = [cell.trial_id for cell in plan.cells if cell.spec.trial_id != cell.trial_id]
    if wrong:
        what = f"describes other trials than it names ({listed(wrong)})"
        yield _problem(run.plan_file, what, "launch the sweep file again")


def _rows_against_plan(run: RunDirectory, plan: SweepPlan, planned: Iterable[Row]) -> Iterator[Problem]:
    """Rows that contradict the plan in what their trial's id is the hash of."""
    cells = {cell.key: cell.columns() for cell in plan.cells}
    for row in planned:
        cell = cells[cell_key(row)]
        wrong = [name for name in _DECIDED if row[name] is not None and row[name] != cell[name]]
        if wrong:
            shown = ", ".join(f"{name} {row[name]!r}, planned {cell[name]!r}" for name in wrong)
            yield _row_problem(run, row, f"contradicts the plan: {shown}")


def _rows_against_epochs(run: RunDirectory, rows: Iterable[Row], epochs: Iterable[Row]) -> Iterator[Problem]:
    """Done rows without an accuracy in percent, and rows whose accuracies are not those of their epochs."""
    every = list(epochs)
    last = {(row["trial_id"], row["attempt"], row["epoch"]): row["test_accuracy"] for row in every}
    held_out = {(row["trial_id"], row["attempt"], row["epoch"]): row["validation_accuracy"] for row in every}
    for row in rows:
        if row["stage"] == TUNED:
            yield from _rungs_against_epochs(run, row, held_out)
        if row["status"] != "done" or row["stage"] == TUNED:
            continue
        accuracy = row["final_test_accuracy"]
        if accuracy is None or not 0 <= accuracy <= 100:
            yield _row_problem(run, row, f"is done with the test accuracy {accuracy}")
            continue
        seen = last.get((row["trial_id"], row["attempt"], row["epochs"]), accuracy)
        if seen != accuracy:
            yield _row_problem(run, row, f"has the final test accuracy {accuracy}, and its last epoch {seen}")


def _rungs_against_epochs(run: RunDirectory, row: Row, held_out: Mapping[tuple[Any, ...], Any]) -> Iterator[Problem]:
    """A candidate whose validation accuracies at its rungs are not those of these epochs."""
    for epoch, accuracy in zip(rung_epochs(row), row["rung_accuracies"] or (), strict=False):
        seen = held_out.get((row["trial_id"], row["attempt"], epoch), accuracy)
        if seen != accuracy:
            yield _row_problem(run, row, f"has the validation accuracy {accuracy} at epoch {epoch}, which had {seen}")


def _decisions(run: RunDirectory, plan: SweepPlan, parts: PartCache) -> Iterator[Problem]:
    """Recorded decisions of adaptive seeds that do not follow from the rows of trials."""
    if plan.looks is None:
        return
    recorded = current_decisions(read_table(run.results, "decisions", part_reader=parts).rows.to_pylist(), plan.looks)
    ledger = Ledger.read(run, part_reader=parts)
    given = [decision_row(each, plan.name, plan.looks)
             for each in WantedCells(plan.cells, plan.looks, ledger).decisions()]  # fmt: skip
    by_look = {(*comparison_of(row), row["look"]): row for row in given}
    wrong = [
        f"{' '.join(str(part) for part in comparison_of(row) if part)}, look {row['look']}"
        for rows in recorded.values()
        for row in rows  # one that is missing is written by the next launch
        if (other := by_look.get((*comparison_of(row), row["look"]))) is None or _differ(row, other)
    ]
    if wrong:
        what = f"holds {counted(len(wrong), 'decision')} that the trials do not give ({listed(wrong)})"
        yield _problem(run.results / "decisions", what, "launch again: they are written anew")


def _differ(one: Row, other: Row) -> bool:
    """Whether two decisions say different things; the last digits of numbers depend on the machine."""
    if any(one[name] != other[name] for name in ("verdict", "pairs", "spared")):
        return True
    numbers = ((one[name] or 0.0, other[name] or 0.0) for name in ("difference", "low", "high", "p"))
    return not all(math.isclose(*pair, rel_tol=1e-6, abs_tol=1e-6) for pair in numbers)


def _kept(run: RunDirectory, plan: SweepPlan, planned: Iterable[Row]) -> Iterator[Problem]:
    """Finished trials of this run without the weights that the plan's `keep` promises."""
    lacking = []
    for row in planned:
        if row["status"] == "done" and row["stage"] == COMPARED and row["reused_from"] is None:
            names = {
                "none": [],
                "final": ["final.pt"],
                "best": ["best.pt"],
                "all": [f"epoch-{epoch:06d}.pt" for epoch in range(1, row["epochs"] + 1)],
            }[plan.keep]
            if not all((run.checkpoints / row["trial_id"] / name).is_file() for name in names):
                lacking.append(row["trial_id"])
    if lacking:
        trials = f"{counted(len(lacking), 'finished trial')} ({listed(lacking)})"
        remedy = (
            "put copies back if you have them; the rows do not need them. Trials run under another `keep` have none"
        )
        yield _problem(run.checkpoints, f"lacks weights that `keep: {plan.keep}` promises, of {trials}", remedy)


def _checkpoint(path: Path) -> Iterator[Problem]:
    """Damage of one file of weights: by the checksum in a working checkpoint's name, else by those inside the file."""
    try:
        if path.name.startswith("working-"):
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.stem.rpartition("-")[2]:
                remedy = "nothing needs to be done, its trial continues from the one before, or from its start"
                yield _problem(path, "does not match the checksum in its name", remedy)
        elif (damaged := _damaged_member(path)) is not None:
            yield _problem(path, f"is damaged ({damaged})", _ROWS_STAY)
    except FileNotFoundError:
        return  # a running driver has replaced it
    except OSError as error:
        yield _problem(path, f"cannot be read ({error.strerror})", _ROWS_STAY)


def _damaged_member(path: Path) -> str | None:
    """What is wrong with a file that torch saved, which is a ZIP archive; None if it is sound."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        return _first_line(error)


def _data(rows: Iterable[Row], data_dir: Path | None) -> tuple[list[Problem], tuple[str, ...]]:
    """Whether the finished trials of each data set saw the same data, and what is prepared now."""
    problems, not_checked = [], []
    digests: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["status"] != "failed" and row["dataset_digest"] is not None:
            digests[row["dataset"]].add(row["dataset_digest"])
    for name, found in sorted(digests.items()):
        place = Path(name) if data_dir is None else data_dir / name
        if len(found) > 1:
            what = f"was not the same for all finished trials (digests {', '.join(sorted(found))})"
            problems.append(_problem(place, what, "give the sweep another name, and train it on one data set"))
        if data_dir is None or not (place / DESCRIPTION).is_file():
            not_checked.append(f"data set {name}: not prepared in {data_dir or 'any known folder'}")
            continue
        try:
            now = verify_prepared(name, data_dir).digest
        except FdtError as error:
            problems.append(_problem(place, f"is damaged ({error})", f"fdt-sweep data prepare {name} --replace"))
            continue
        if found != {now}:
            what = f"is not what finished trials were trained on (digest {now}, theirs {', '.join(sorted(found))})"
            problems.append(_problem(place, what, "prepare that data again, or give the sweep another name"))
    return problems, tuple(not_checked)


def _data_directory(run: RunDirectory) -> Path | None:
    """Where the last launch found its data; None if the plan does not say."""
    try:
        return Path(run.plan_data()["provenance"]["settings"]["data_directory"])
    except (FdtError, KeyError, TypeError):
        return None


def _row_problem(run: RunDirectory, row: Row, what: str) -> Problem:
    name = f"trial {row['trial_id']} ({trial_label(row)})"
    remedy = "put a copy of the part back; else move the run aside and launch again"
    return _problem(run.results / "trials", f"has a row of {name} that {what}", remedy)


def _problem(path: Path, what: str, repair: str) -> Problem:
    return Problem(path=path, what=what, repair=repair)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def verification_lines(found: Verification) -> Sequence[str]:
    """What was found, as text."""
    checked = ", ".join(f"{count} {name}" for name, count in found.checked.items())
    end = f"{counted(len(found.problems), 'problem')}" if found.problems else "all is well"
    return [*map(str, found.problems), *(f"not checked: {line}" for line in found.not_checked), f"{checked}: {end}"]
