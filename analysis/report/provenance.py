"""Where the results come from, and the commands that reproduce them."""

from __future__ import annotations

import shlex
from itertools import chain

from analysis.recipes import RECIPE, values_by_dataset
from analysis.study import Study
from analysis.tables.table import Table, text_column, word

_ORIGIN = {
    "code_version": "fdt-sweep",
    "git_commit": "git commit",
    "python_version": "Python",
    "torch_version": "torch",
    "ray_version": "Ray",
    "device": "device",
    "device_name": "device model",
    "threads": "CPU threads",
    "dataset_digest": "digest of the data",
    "reused_from": "reused from",
}


def provenance_table(study: Study) -> Table:
    """Versions, devices, data and the whole recipe; if a value differs, with the data sets it belongs to."""
    tuned = set(chain(*study.results.tuned_fields.values()))
    names = _ORIGIN | {
        name: f"recipe: {name.replace('_', ' ')}{' (tuned)' if name in tuned else ''}" for name in RECIPE
    }
    found = {label: values_by_dataset(study, column) for column, label in names.items()}
    return Table(
        title="Provenance",
        columns=(text_column("What"), text_column("Value")),
        rows=tuple((word(label), word(values)) for label, values in found.items() if values),
    )


def reproduction(study: Study) -> list[str]:
    """Shell commands that reproduce the results on a machine of the same kind."""
    trials = study.results.trials
    commits = trials["git_commit"].dropna().unique()
    versions = [
        f"{package}=={trials[column].dropna().iloc[-1]}"
        for package, column in (("torch", "torch_version"), ("ray[tune]", "ray_version"))
        if trials[column].notna().any()
    ]
    commands = [["git", "checkout", str(commits[-1])]] if len(commits) else []
    commands += [["pip", "install", "-e", ".", *versions]] if versions else []
    commands += [["fdt-sweep", "launch", str(path / "sweep.yaml")] for path in study.results.paths.values()]
    commands.append(["fdt-sweep", "report", *map(str, study.results.paths.values())])
    done = trials.loc[trials["status"] == "done", "trial_id"]
    commands += [["fdt-sweep", "reproduce", str(done.iloc[0])]] if len(done) else []
    return [shlex.join(command) for command in commands]
