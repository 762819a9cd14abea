"""The tables of choices, of other data sets, of published numbers and of failures, computed again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import fdt_core
from analysis import study
from analysis.tables import tables
from tests.analysis.recomputed.oracle import by_key, comparable, contrast, errors, quantile_of_best

pytestmark = pytest.mark.oracle

PUBLISHED = Path(fdt_core.__file__).parent / "matching" / "paper_tables.csv"
DATASETS = ("cifar10", "cifar100", "cinic10", "tinyimagenet", "digits")


def of_model(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """A row per template of a model, with the costs for its first data set."""
    own = rows[rows["model"] == model]
    first = next(name for name in DATASETS if (own["dataset"] == name).any())
    costs = own[own["dataset"] == first].groupby("template")[["params", "activations"]].first()
    return costs.assign(memory=(4 * costs["params"] + 8 * costs["activations"]) / 1e6)


def test_the_cheapest_templates(made: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    for (title, need), row in by_key(made["needs"], "title", "need").items():
        costs = of_model(rows, title.partition(":")[0])
        if need in ("parameters", "memory"):
            values = costs["params" if need == "parameters" else "memory"]
            lowest, base = values.min(), values["base"]
            assert row["template"].split(", ") == sorted(values.index[values == lowest])
            assert (row["reaches"], row["reaches_unit"] or "") == (lowest, "MB" if need == "memory" else "")
            assert row["against_base"] == pytest.approx(100 * (lowest / base - 1))
            assert row["against_base_unit"] == "%"
        elif need.startswith("parameters, at most"):
            verdicts = made["verdicts"][made["verdicts"]["title"].str.startswith(f"{title.partition(':')[0]}:")]
            column = "verdict_mean" if "verdict_mean" in verdicts.dropna(axis=1, how="all") else "verdict_digits"
            shown = verdicts.loc[verdicts[column].isin(["superior", "equivalent", "non-inferior"]), "template"]
            assert row["template"] == costs.loc[["base", *shown], "params"].idxmin()


def test_the_fastest_template_and_its_rivals(run: Path, made: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    files = sorted((run / "results" / "profiles").glob("*.parquet"))
    profiles = pd.concat(map(pd.read_parquet, files), ignore_index=True)
    found = by_key(made["needs"], "title", "need")
    for model in profiles["model"].unique():
        row = found[f"{model}: which template for which need", "inference time"]
        measured = profiles[(profiles["model"] == model) & (profiles["dataset"] == "cifar10")].set_index("template")
        fastest = measured["latency_ms_b16_median"].idxmin()
        assert row["template"] == fastest
        overlapping = measured["latency_ms_b16_p10"] <= measured.loc[fastest, "latency_ms_b16_p90"]
        for rival in measured.index[overlapping].drop(fastest):
            assert rival in row["how_sure"].partition("overlaps that of ")[2]


def test_the_most_accurate_template_and_those_that_may_be(made: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    """Where no seed is missing and all recipes agree: in the paper's rows and the demo's."""
    if rows["status"].nunique() > 1:
        return
    blocks = comparable(rows)
    moderated = errors(blocks)
    models = list(dict.fromkeys(model for model, _ in blocks))
    for model in models:
        own = {dataset: block for (name, dataset), block in blocks.items() if name == model}
        means = pd.concat([block.mean(axis=1) for block in own.values()], axis=1).mean(axis=1)
        row = by_key(made["needs"], "title", "need")[
            f"{model}: which template for which need", "accuracy (mean of data sets)"
        ]
        winner = str(means.idxmax())
        assert row["template"].split(", ")[0] == winner or means[row["template"]] == pytest.approx(means.max())
        assert (row["reaches"], row["reaches_unit"]) == (pytest.approx(means.max()), "%")
        if winner != "base":
            assert row["against_base"] == pytest.approx(means.max() - means["base"])
            assert row["against_base_unit"] == "points"
        firsts = sum(block.mean(axis=1)[winner] == block.mean(axis=1).max() for block in own.values())
        assert f"highest on {firsts} of {len(own)} data sets" in row["how_sure"]
        error, df = contrast([moderated[model, name] for name in own], seeds=next(iter(own.values())).shape[1])
        df = min(
            df, sum(own_df for _, own_df in {key: errors({key: block})[key] for key, block in blocks.items()}.values())
        )
        reach = error * quantile_of_best(len(means) - 1, df, 0.95 ** (1 / len(models)))
        for template in means.index.drop(winner):
            short = means.max() - means[template]
            if abs(short / reach - 1) > 0.05:  # nearer, the rounding of degrees of freedom decides
                named = template in row["how_sure"].partition("may also be the best: ")[2].split(", ")
                assert named == (short < reach) or template in row["template"].split(", ")


def test_other_data_sets(made: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    blocks = comparable(rows)
    moderated = errors(blocks)
    found = by_key(made["across"], "template")
    datasets = list(dict.fromkeys(dataset for _, dataset in blocks))
    models = list(dict.fromkeys(model for model, _ in blocks))
    estimates: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for template in [name for (name,) in found]:
        means, variances = [], []
        for dataset in datasets:
            of_dataset = [(blocks[model, dataset], moderated.get((model, dataset))) for model in models]
            pairs = [
                (block.loc[template] - block.loc["base"]).dropna()
                if template in block.index
                else pd.Series(dtype=float)
                for block, _ in of_dataset
            ]
            if all(len(each) > 1 for each in pairs) and all(error for _, error in of_dataset):
                means.append(float(np.mean([each.mean() for each in pairs])))
                each_variance = [
                    2 * error[0] / len(p) for p, (_, error) in zip(pairs, of_dataset, strict=True) if error
                ]
                variances.append(sum(each_variance) / len(models) ** 2)
        assert found[template,]["datasets"] == len(means)
        if len(means) >= 3:
            estimates[template] = np.array(means), np.array(variances)
    for template, (y, v) in estimates.items():
        row = found[template,]
        k = len(y)

        def surplus(tau2: float, y: np.ndarray = y, v: np.ndarray = v) -> float:
            w = 1 / (v + tau2)
            return float((w * (y - (w * y).sum() / w.sum()) ** 2).sum() - (len(y) - 1))

        tau2 = optimize.brentq(surplus, 0, 1e4) if surplus(0) > 0 else 0.0
        w = 1 / (v + tau2)
        mean = (w * y).sum() / w.sum()
        error = math.sqrt(max((w * (y - mean) ** 2).sum() / (k - 1), 1.0) / w.sum())
        reach = stats.t.isf(0.025 / len(estimates), k - 1) * error
        assert row["difference"] == pytest.approx(mean, rel=1e-3, abs=1e-4)
        assert row["spread"] == pytest.approx(math.sqrt(tau2), rel=1e-2, abs=1e-3)
        assert (row["interval_low"], row["interval_high"]) == pytest.approx((mean - reach, mean + reach), abs=5e-3)
        further = stats.t.isf(0.025, k - 2) * math.sqrt(tau2 + error**2)
        assert (row["another_low"], row["another_high"]) == pytest.approx((mean - further, mean + further), abs=2e-2)


def test_published_numbers(made: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    if "published" not in made:
        assert set(rows["model"]).isdisjoint({"vgg19", "resnet50"})
        return
    printed = by_key(pd.read_csv(PUBLISHED), "model", "template")
    finished = rows[rows["status"] == "done"]
    for (title, template), row in by_key(made["published"], "title", "template").items():
        model = title.partition(":")[0]
        paper = printed[model, template]
        assert row["params_paper"] == pytest.approx(paper["params_millions"] * 1e6)
        for dataset in DATASETS[:4]:
            own = finished[
                (finished["model"] == model) & (finished["template"] == template) & (finished["dataset"] == dataset)
            ]["final_test_accuracy"]
            if f"{dataset}_ours_mean" not in row or own.empty:
                continue
            assert row[f"{dataset}_ours_mean"] == pytest.approx(own.mean())
            assert row[f"{dataset}_paper_mean"] == paper[f"{dataset}_mean"]
            assert row[f"{dataset}_paper_std"] == paper[f"{dataset}_std"]
            assert row[f"{dataset}_difference"] == pytest.approx(own.mean() - paper[f"{dataset}_mean"], abs=1e-9)


def test_marks_of_published_numbers(run: Path, rows: pd.DataFrame) -> None:
    """The mark stands where Welch's t test rejects at 5 %, by Holm's procedure over the templates and data sets."""
    printed = by_key(pd.read_csv(PUBLISHED), "model", "template")
    finished = rows[rows["status"] == "done"]
    for table in tables(study(run), "published"):
        model = table.title.partition(":")[0]
        own = finished[finished["model"] == model].groupby(["template", "dataset"])["final_test_accuracy"]
        p_values = {
            (str(template), str(dataset)): welch_p(accuracies, printed[model, str(template)], str(dataset))
            for (template, dataset), accuracies in own
            if len(accuracies) > 1 and f"{dataset}_mean" in printed[model, str(template)]
        }
        rejected = set()
        for place, (key, p) in enumerate(sorted(p_values.items(), key=lambda each: each[1])):
            if p > 0.05 / (len(p_values) - place):
                break
            rejected.add(key)
        marked = {
            (row[0].text, column.key.removesuffix("_difference"))
            for row in table.rows
            for column, entry in zip(table.columns, row, strict=True)
            if "§" in entry.marks
        }
        assert marked == rejected


def welch_p(ours: pd.Series[float], paper: dict[str, float], dataset: str) -> float:
    """The p value of Welch's t test against the published mean and standard deviation of three trainings."""
    squares = ours.var(ddof=1) / len(ours), paper[f"{dataset}_std"] ** 2 / 3
    df = sum(squares) ** 2 / (squares[0] ** 2 / (len(ours) - 1) + squares[1] ** 2 / 2)
    return float(2 * stats.t.sf(abs(ours.mean() - paper[f"{dataset}_mean"]) / math.sqrt(sum(squares)), df))


def test_failures(made: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    failed = rows[rows["status"] == "failed"]
    assert ("failures" in made) == bool(len(failed))
    if len(failed):
        assert dict(zip(made["failures"]["kind"], made["failures"]["attempts"], strict=True)) == (
            failed["failure_kind"].value_counts().to_dict()
        )
