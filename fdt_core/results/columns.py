"""The columns of the results: name, type, unit, meaning, and whether two correct runs may differ in them.

This module is the only place that defines them; the writer, the readers and the documentation follow it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fdt_core.results.tuning import COMPARED
from fdt_core.trial.identity import is_added
from fdt_core.trial.recipe import Recipe

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 6
"""Raised when a column changes. Readers fill columns that an older version lacks: see `Column.before`."""

ColumnType = Literal["string", "int", "float", "bool", "time", "list<int>", "list<float>", "list<string>"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Args:
        name: its name.
        type: its type.
        description: its meaning.
        unit: the unit; empty without.
        volatile: whether two correct runs may differ in it (times, hosts, measured memory).
        before: the value in rows from before the column existed; None if it is unknown.
    """

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    volatile: bool = False
    before: object = None


def _column(
    name: str, type: ColumnType, description: str, unit: str = "", volatile: bool = False, before: object = None
) -> Column:
    return Column(name=name, type=type, description=description, unit=unit, volatile=volatile, before=before)


_IDENTITY = (
    _column("trial_id", "string", "hash of everything that decides the trial's numbers"),
    _column("sweep", "string", "name of the sweep that contains the cell"),
    _column("model", "string", "architecture"),
    _column("width", "float", "multiplier of the architecture's base filters"),
    _column("template", "string", "filter distribution template"),
    _column("dataset", "string", "data set"),
    _column("variant", "string", "what it changes in the recipe; empty without variants", before=""),
    _column("stage", "string", "comparison | tuning, whose rows no comparison counts", before=COMPARED),
    _column("candidate", "string", "the tuned settings; empty without tuning", before=""),
    _column("seed", "int", "seed of every random stream"),
    _column("attempt", "int", "1 for the first try of the trial, 2 for its retry, ...", volatile=True),
    _column("status", "string", "done | failed | diverged | stopped: by tuning, before its last epoch"),
    _column("failure_kind", "string", "crash | oom | device | error, null unless failed"),
    _column("error", "string", "the error's message and the end of its traceback, null unless failed"),
)

_MODEL_COST = (
    _column("widths", "list<int>", "filters per slot"),
    _column("n", "int", "the template's free width after matching; null if nothing was matched"),
    _column("params", "int", "trainable parameters"),
    _column("macs", "int", "multiply-accumulates of convolutions and linear layers for one image"),
    _column(
        "paper_flops", "int", "the paper's FLOPs: MACs, 2 per BatchNorm output, 1 per ReLU output and pooling input"
    ),
    _column("memory_mb", "float", "the paper's computed memory for one image", "MB (1e6 bytes)"),
    _column("activations", "int", "output elements of all layers for one image"),
    _column("budget_metric", "string", "the cost that was matched"),
    _column("budget_rule", "string", "nearest | at_most | paper"),
    _column("budget_target", "float", "the value that the metric was matched to"),
    _column("budget_error", "float", "achieved / target - 1"),
)

_OUTCOME = (
    _column("final_test_accuracy", "float", "test accuracy after the last epoch", "%"),
    _column("best_test_accuracy", "float", "highest test accuracy of all evaluated epochs", "%"),
    _column("best_epoch", "int", "first epoch that reached best_test_accuracy"),
    _column("final_test_loss", "float", "test loss after the last epoch", "nats"),
    _column("final_train_loss", "float", "mean training loss of the last epoch", "nats"),
    _column("final_train_accuracy", "float", "training accuracy of the last epoch, on augmented images", "%"),
    _column("final_validation_accuracy", "float", "accuracy on the held-out training images; null without", "%"),
    _column("epochs_trained", "int", "epochs trained; fewer than `epochs` if it was stopped or diverged"),
    _column("rung_accuracies", "list<float>", "of a candidate: validation accuracy at each rung it reached", "%"),
    _column("rung_losses", "list<float>", "of a candidate: validation loss at each rung it reached", "nats"),
    _column("train_seconds", "float", "seconds spent in training steps, over all interruptions", "s", volatile=True),
    _column("images_per_second", "float", "training images per second of train_seconds", "1/s", volatile=True),
    _column(
        "peak_memory_mb", "float", "measured peak memory of the training process on its device", "MB", volatile=True
    ),
)

_PROVENANCE = (
    _column("device", "string", "cpu | cuda | mps"),
    _column("device_name", "string", "model of the device the trial ended on", volatile=True),
    _column("devices", "list<string>", "models of all devices it ran on", volatile=True),
    _column("interruptions", "int", "number of times it was interrupted and resumed", volatile=True),
    _column("hostname", "string", "host the trial ended on", volatile=True),
    _column("slurm_job_id", "string", "Slurm job it ended in, null outside Slurm", volatile=True),
    _column("threads", "int", "CPU threads of the training process"),
    _column("started_at", "time", "when its first attempt started", "UTC", volatile=True),
    _column("finished_at", "time", "when it ended", "UTC", volatile=True),
    _column("reused_from", "string", "sweep or run whose training it is, null if its own", volatile=True),
    _column("git_commit", "string", "commit of the code, null outside a git checkout"),
    _column("code_version", "string", "version of fdt-sweep"),
    _column("torch_version", "string", "version of torch"),
    _column("ray_version", "string", "version of Ray"),
    _column("python_version", "string", "version of Python"),
    _column("dataset_digest", "string", "digest of the prepared data"),
)

_RECIPE_UNITS = {
    "epochs": "epochs",
    "batch_size": "images",
    "milestones": "epochs",
    "warmup_epochs": "epochs",
    "crop_padding": "pixels",
    "cutout": "pixels",
    "evaluate_every": "epochs",
    "evaluate_at": "epochs",
}


def _recipe_columns() -> tuple[Column, ...]:
    """One column for each field of the recipe, so that no training choice goes unrecorded.

    Trials from before a field existed were trained as its default does, and are the same trials as those with it.
    """
    return tuple(
        Column(
            name=field.name,
            type=_column_type(field.default),
            description="recipe: " + field.name.replace("_", " "),
            unit=_RECIPE_UNITS.get(field.name, ""),
            before=field.default if is_added(field) else None,
        )
        for field in dataclasses.fields(Recipe)
    )


def _column_type(default: object) -> ColumnType:
    """The type of the column for a field of the recipe with this default."""
    if isinstance(default, tuple):
        return "list<float>" if any(isinstance(value, float) for value in default) else "list<int>"
    types: dict[type, ColumnType] = {int: "int", float: "float", bool: "bool", str: "string"}
    return types[type(default)]


TRIAL_COLUMNS = _IDENTITY + _MODEL_COST + _OUTCOME + _recipe_columns() + _PROVENANCE

RECIPE_COLUMNS = tuple(column.name for column in _recipe_columns())
"""The columns of `trials` that hold the recipe."""

FORMER_VALUES = {column.name: column.before for column in TRIAL_COLUMNS if column.before is not None}
"""The value of each column that plans and rows of version 0.1 lack."""

PLANNED_COLUMNS = (
    *("trial_id", "sweep", "model", "width", "template", "dataset", "variant", "stage", "candidate", "seed"),
    *(column.name for column in _MODEL_COST),
    *RECIPE_COLUMNS,
    "threads",
)
"""The columns of `trials` that the plan determines, before any training."""

EPOCH_COLUMNS = (
    _column("trial_id", "string", "the trial"),
    _column("attempt", "int", "the trial's attempt", volatile=True),
    _column("epoch", "int", "1 for the first"),
    _column("train_loss", "float", "mean loss over the epoch's training images", "nats"),
    _column("train_accuracy", "float", "accuracy on the augmented training images", "%"),
    _column("test_loss", "float", "mean loss over the test images, null if not evaluated", "nats"),
    _column("test_accuracy", "float", "accuracy on the test images, null if not evaluated", "%"),
    _column("validation_loss", "float", "mean loss over the held-out images, null without", "nats"),
    _column("validation_accuracy", "float", "accuracy on the held-out images, null without", "%"),
    _column("learning_rate", "float", "learning rate of the epoch's first step"),
    _column("seconds", "float", "seconds of the epoch's training steps", "s", volatile=True),
    _column("images_per_second", "float", "training images per second", "1/s", volatile=True),
)

PROFILE_BATCH_SIZES = (1, 16, 128)


def _latency_columns() -> tuple[Column, ...]:
    latencies = tuple(
        _column(
            f"latency_ms_b{batch}_{quantile}",
            "float",
            f"inference of a batch of {batch}, {meaning}",
            "ms",
            volatile=True,
        )
        for batch in PROFILE_BATCH_SIZES
        for quantile, meaning in (("median", "median"), ("p10", "10th percentile"), ("p90", "90th percentile"))
    )
    throughputs = tuple(
        _column(
            f"images_per_second_b{batch}", "float", f"inference in batches of {batch}, median", "1/s", volatile=True
        )
        for batch in PROFILE_BATCH_SIZES
    )
    return latencies + throughputs


PROFILE_COLUMNS = (
    _column("sweep", "string", "name of the sweep of the first cell that asked for the measurement"),
    _column("model", "string", "architecture"),
    _column("width", "float", "multiplier of the architecture's base filters"),
    _column("template", "string", "template of that cell; others with the same filters share the measurement"),
    _column("dataset", "string", "data set of that cell; others with images of the same shape share it too"),
    _column("device", "string", "cpu | cuda | mps"),
    _column("device_name", "string", "model of the device"),
    _column("threads", "int", "CPU threads"),
    _column("precision", "string", "fp32 | tf32 | bf16"),
    _column("channels_last", "bool", "memory layout of weights and images; null before schema version 2"),
    _column("widths", "list<int>", "filters per slot"),
    _column("params", "int", "trainable parameters"),
    _column("macs", "int", "multiply-accumulates of convolutions and linear layers for one image"),
    _column("paper_flops", "int", "the paper's FLOPs for one image"),
    _column("memory_mb", "float", "the paper's computed memory for one image", "MB (1e6 bytes)"),
    _column("inference_peak_memory_mb", "float", "measured peak memory, inference at batch 16", "MB", volatile=True),
    _column(
        "training_peak_memory_mb",
        "float",
        "measured peak memory, a training step at batch 128 by SGD with momentum",
        "MB",
        volatile=True,
    ),
    *_latency_columns(),
    _column("measured_at", "time", "when it was measured", "UTC", volatile=True),
    _column("code_version", "string", "version of fdt-sweep"),
    _column("torch_version", "string", "version of torch"),
)

DECISION_COLUMNS = (
    _column("sweep", "string", "name of the sweep"),
    _column("model", "string", "architecture"),
    _column("width", "float", "multiplier of the architecture's base filters"),
    _column("dataset", "string", "data set"),
    _column("variant", "string", "what it changes in the recipe; empty without variants"),
    _column("template", "string", "template that is compared with base"),
    _column("look", "int", "number of the look, from 1"),
    _column("seeds", "int", "seeds that the look is taken at"),
    _column("pairs", "int", "seeds that the template and base have in common by then"),
    _column("difference", "float", "mean test accuracy after the last epoch, minus that of base", "points"),
    _column("standard_error", "float", "of the difference, by its own pairs and those of its block", "points"),
    _column("df", "int", "degrees of freedom of the standard error"),
    _column("low", "float", "lower limit of the interval of the difference", "points"),
    _column("high", "float", "upper limit", "points"),
    _column("p", "float", "p of no difference, corrected for all looks and comparisons of the run"),
    _column("level", "float", "two-sided level of the interval"),
    _column("margin", "float", "what may be lost", "points"),
    _column("error_rate", "float", "chance that any interval of the family misses the truth, at any look"),
    _column("family", "string", "study | block: all comparisons of the run, or those of one model and data set"),
    _column("verdict", "string", "superior | equivalent | non-inferior | inferior | undecided | untested | withdrawn"),
    _column("spared", "int", "trainings of the template that the verdict made needless"),
    _column("decided_at", "time", "when it was recorded", "UTC", volatile=True),
    _column("code_version", "string", "version of fdt-sweep"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "trials": TRIAL_COLUMNS,
    "epochs": EPOCH_COLUMNS,
    "profiles": PROFILE_COLUMNS,
    "decisions": DECISION_COLUMNS,
}
"""The tables in a run directory's `results/`, in the order in which rows that wait are written."""

MADE_WITH_ROWS = frozenset({"decisions"})
"""Tables that a run has only once they have rows; every run has the others from its start."""


def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of `table`; its metadata hold the schema version."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "list<int>": pa.list_(pa.int64()),
        "list<float>": pa.list_(pa.float64()),
        "list<string>": pa.list_(pa.string()),
    }
    fields = [pa.field(column.name, types[column.type]) for column in TABLES[table]]
    return pa.schema(fields, metadata={"fdt_schema_version": str(SCHEMA_VERSION)})
