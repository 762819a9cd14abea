"""Every query of docs/results.md runs and answers."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from tests.analysis.synthetic import done, profile_row, trial_row, write_run

PAGE = (Path(__file__).parents[3] / "docs" / "results.md").read_text()
EXAMPLES = re.findall(r"```(python|sql)\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cells = [(model, template, seed) for model in ("vgg19", "resnet50") for template in "bd" for seed in (0, 1)]
    cells += [(model, "base", seed) for model in ("vgg19", "resnet50") for seed in (0, 1)]
    trials = [
        done(90.0 + index, model=model, template=template, seed=seed, trial_id=f"t{index}")
        for index, (model, template, seed) in enumerate(cells)
    ]
    trials.append(trial_row(trial_id="t99", seed=2, status="failed", failure_kind="oom", error="out of memory"))
    epochs = [
        {"trial_id": row["trial_id"], "attempt": 1, "epoch": epoch, "train_loss": 1.0 / epoch, "test_accuracy": 50.0}
        for row in trials
        for epoch in (1, 2)
    ]
    monkeypatch.chdir(tmp_path)
    profiles = [profile_row(row, latency_ms_b16_median=1.0) for row in trials]
    return write_run(tmp_path / "runs" / "demo", trials, epochs=epochs, profiles=profiles)


@pytest.mark.parametrize(("language", "code"), EXAMPLES)
def test_the_example_answers(run: Path, language: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    if language == "sql":
        answer = duckdb.sql(code)
        assert answer is not None
        assert answer.fetchall()
    else:
        exec(compile(code, "docs/results.md", "exec"), {})
        assert capsys.readouterr().out.strip()
    assert run.is_dir()


def test_there_are_examples_in_both_languages() -> None:
    assert {language for language, _ in EXAMPLES} == {"python", "sql"}


def test_no_example_averages_over_variants() -> None:
    """A row of a variant, and one without: what is grouped by template is grouped by variant, too."""
    for _, code in EXAMPLES:
        aggregated = re.search(r"accuracy.*(agg|mean|avg)|(agg|mean|avg).*accuracy", code, re.DOTALL)
        assert not aggregated or "variant" in code, code
