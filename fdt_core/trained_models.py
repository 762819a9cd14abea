"""Load trained networks from a run directory."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from fdt_core.errors import EnvironmentProblem, UsageError
from fdt_core.results.reader import read_table
from fdt_core.results.run_lookup import find_run_path, find_trial
from fdt_core.training.initialisation import initial_network
from fdt_core.trial.spec import TrialSpec


def load(path: str | Path, trial_id: str | None = None) -> nn.Module:
    """Load the trained network of a trial, on the CPU and in evaluation mode.

    Args:
        path: a run (`trial_id` is then required), by its directory or by its name in $FDT_RUNS_DIR or ./runs; or a
            file of weights such as runs/x/checkpoints/<trial_id>/final.pt.
        trial_id: the trial's id as in the results, or its first letters. If several files were kept (`keep: all`), the
            one of the last epoch is loaded.

    Raises:
        UsageError: if there is no such run or trial, `path` is a run and `trial_id` is missing, or several trial ids
            start with `trial_id`.
        EnvironmentProblem: if no weights were kept, or the file does not hold weights.
    """
    file = _weights_file(Path(path), trial_id)
    try:
        contents = torch.load(file, map_location="cpu", weights_only=True)
        spec = TrialSpec.from_json(contents["spec"])
        network = initial_network(spec)
        network.load_state_dict(contents["network"])
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise EnvironmentProblem(f"{file} is not a readable weights file: {error}") from error
    return network.eval()


def _weights_file(path: Path, trial_id: str | None) -> Path:
    if path.is_file():
        return path
    run = path if (path / "checkpoints").is_dir() else find_run_path(path)
    if trial_id is None:
        raise UsageError(f"{path} is not a weights file: name the trial too, as in load({str(path)!r}, trial_id)")
    directory = run / "checkpoints" / find_trial(trial_id, _known_trials(run), str(run))
    kept = sorted(file for file in directory.glob("*.pt") if not file.name.startswith("working-"))
    if not kept:
        raise EnvironmentProblem(f"{directory} has no weights of the trial (see the key `keep` of the sweep file)")
    return kept[-1]


def _known_trials(run: Path) -> set[str]:
    """The ids of trials that have a row or a checkpoint directory."""
    rows = read_table(run / "results", "trials", ("trial_id",)).rows
    return {*rows["trial_id"].to_pylist(), *(path.name for path in (run / "checkpoints").glob("*"))}
