"""What a launch changes against the frozen plan of its run: which trials drop out, are new, or stay."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from fdt_core.results.tuning import COMPARED, TUNED
from orchestrator.plan.cells import Cell, SweepPlan
from orchestrator.run.launch_record import Launch


@dataclass(frozen=True, kw_only=True)
class PlanChange:
    """The difference between two plans, by cells: a trial under another label is another cell.

    Args:
        dropped: cells of the former plan that the new one does not have.
        new: cells that the former plan did not have.
        stay: the number of cells that both have.
        finished: the number of the dropped cells whose trial has a result.
    """

    dropped: tuple[Cell, ...]
    new: tuple[Cell, ...]
    stay: int
    finished: int

    def to_json(self) -> dict[str, int]:
        """The counts: `drop_out`, of these `finished`, `new`, `stay`."""
        return {"drop_out": len(self.dropped), "finished": self.finished, "new": len(self.new), "stay": self.stay}

    def __str__(self) -> str:
        """As text: '4 trials drop out (3 of them finished), 2 are new, 4 stay'."""
        dropped = "1 trial drops out" if len(self.dropped) == 1 else f"{len(self.dropped)} trials drop out"
        finished = f" ({self.finished} of them finished)" if self.finished else ""
        new = f"{len(self.new)} {'is' if len(self.new) == 1 else 'are'} new"
        return f"{dropped}{finished}, {new}, {self.stay} {'stays' if self.stay == 1 else 'stay'}"


def change_to(launch: Launch) -> PlanChange | None:
    """What `launch` changes against the frozen plan; None if its run has none yet.

    Raises DamagedFile if the frozen plan cannot be read, EnvironmentProblem if a newer fdt-sweep wrote it.
    """
    if not launch.run.plan_file.exists():
        return None
    former, ledger = launch.run.plan(), launch.ledger()
    before, after = _by_place(former), _by_place(launch.plan)
    dropped = tuple(cells for place, cells in before.items() if place not in after)
    return PlanChange(
        dropped=tuple(cells[0] for cells in dropped),
        new=tuple(cells[0] for place, cells in after.items() if place not in before),
        stay=len(before.keys() & after.keys()),
        finished=sum(any(ledger.record(cell.trial_id).finished for cell in cells) for cells in dropped),
    )


def _by_place(plan: SweepPlan) -> dict[tuple[object, ...], list[Cell]]:
    """The cells by what they are in the study: those of several candidates, of which one wins, share their place.

    Of candidates that TPE asks for, the first of the pool stand for those that will be trained.
    """
    others = frozenset(plan.tuning.candidates[plan.tuning.trials :]) if plan.tuning else frozenset()
    found: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    for cell in plan.cells:
        if cell.stage == TUNED and cell.candidate in others:
            continue
        shares = cell.candidate and cell.stage == COMPARED
        found[cell.point if shares else cell.key].append(cell)
    return found
