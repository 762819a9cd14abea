"""A local launch decodes the results once, however many of its parts look at them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cluster.profile.schema import load_profile
from lab.sweeps import Place
from orchestrator.cli.drive import perform_launch
from orchestrator.launch.prepare import checked, new_launch
from orchestrator.run.launch_record import Launch, LaunchSettings
from tests.orchestrator.histories import digits, done, epochs, write


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often pyarrow decodes a part of each table."""
    counts: Counter[str] = Counter()

    class Counting(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
        def __init__(self, source: Any, **options: Any) -> None:
            counts[Path(source).parent.name] += 1
            super().__init__(source, **options)

    monkeypatch.setattr(pq, "ParquetFile", Counting)
    return counts


def prepared(place: Place) -> Launch:
    settings = LaunchSettings(data_directory=str(place.data), profile=False)
    launch = new_launch(place.sweep_file(), runs_dir=place.run.parent, settings=settings)
    return checked(launch, load_profile("local"), max_gpu_hours=1.0)


def launched(place: Place, *, json_: bool) -> int:
    return perform_launch(prepared(place), load_profile("local"), yes=True, detach=None, options=(), json_=json_)


@pytest.mark.parametrize("json_", [False, True])
def test_a_launch_that_has_nothing_to_do_decodes_each_table_once(
    place: Place, decoded: Counter[str], json_: bool
) -> None:
    launch = prepared(place)
    launch.run.create()
    launch.freeze()
    rows = [done(cell, digits(place.data)) for cell in launch.plan.cells]
    write(launch.run, rows, [row for cell in launch.plan.cells for row in epochs(cell, cell.spec.recipe.epochs)])
    decoded.clear()
    assert launched(place, json_=json_) == 0
    assert (decoded["trials"], decoded["epochs"]) == (1, 1)


def test_a_launch_sees_rows_that_are_written_after_it_was_checked(place: Place) -> None:
    launch = prepared(place)
    launch.run.create()
    assert len(launch.ledger().left(launch.plan.cells)) == len(launch.plan.cells)
    write(launch.run, [done(cell, digits(place.data)) for cell in launch.plan.cells])
    assert launch.ledger().left(launch.plan.cells) == []
