"""A metric of the user's: measured, judged and told as every other, and what it does wrong one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipeline.config.evaluation import Evaluation
from pipeline.errors import CodeError
from pipeline.evaluation.baselines import GUESS, NETWORK, TREES, compare
from pipeline.evaluation.columnar_metrics import tally_of
from pipeline.evaluation.intervals import intervals
from pipeline.evaluation.over_time import joined
from pipeline.evaluation.own_metrics import Code, ScoredRows, check_own, user_code_blamed
from pipeline.evaluation.slice_metrics import CHAMPION, SliceMetrics, measure
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tallies import BLOCKS, Tally, add, rows_of
from pipeline.lineage.leaderboard import best_and_worst, select
from pipeline.lineage.own_code import find_function
from pipeline.lineage.runs import Run
from pipeline.lineage.summary import Listed, Summary, _judged
from pipeline.reports.judgement import judge
from trainer.user_code import UserCodeError

Array = Any
N = 2_000
ABSOLUTE = "return np.average(abs(labels - predictions), weights=weights)"
"""Which for a regression is `mae`, that Longhaul has too."""


def code_of(folder: Path, body: str, arguments: str = "labels, predictions, weights") -> dict[str, Code]:
    (folder / "my_metrics.py").write_text(f"import numpy as np\ndef cost({arguments}):\n    {body}\n")
    return {"cost": find_function("x", "my_metrics.py:cost", folder).to_plain()}


def drawn(seed: int, task: str = "regression", rows: int = N) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    if task == "regression":
        labels = random.normal(size=rows).astype(np.float32)
        return labels, (labels + random.normal(size=rows)).astype(np.float32)[:, None]
    if task == "binary":
        predictions = random.uniform(size=rows).astype(np.float32)
        return (random.uniform(size=rows) < predictions).astype(np.int64), predictions[:, None]
    return random.integers(0, 3, rows), random.dirichlet(np.ones(3), size=rows).astype(np.float32)


def tallied(task: str, labels: Array, predictions: Array, weights: Array | None = None, parts: int = 1) -> Tally:
    blocks = np.arange(len(labels)) % BLOCKS
    prepared = rows_of(task, labels, predictions, blocks, weights)
    scored = ScoredRows.of(labels, predictions, blocks, weights)
    return add(tally_of(prepared, np.arange(start, len(labels), parts), scored) for start in range(parts))


def measured(folder: Path, body: str = ABSOLUTE, key: Any = (), **how: Any) -> SliceMetrics:
    tallies = {"candidate": tallied("regression", *drawn(1), **how), CHAMPION: tallied("regression", *drawn(2), **how)}
    return measure((key, tallies), "regression", 0.95, own_metrics=code_of(folder, body))


@pytest.mark.parametrize("weights", [None, np.random.default_rng(0).uniform(0, 3, N).round()])
def test_it_is_what_the_metric_of_ours_is_value_interval_and_difference(tmp_path: Path, weights: Array) -> None:
    found = measured(tmp_path, weights=weights, parts=3)
    for model in found.by_model.values():
        assert model["cost"] == pytest.approx(model["mae"], rel=1e-6)
    assert found.intervals["cost"] == pytest.approx(found.intervals["mae"], rel=1e-4)
    assert found.differences["cost"] == pytest.approx(found.differences["mae"], rel=1e-3, abs=1e-6)


def test_the_interval_holds_the_truth_as_often_as_it_says(tmp_path: Path) -> None:
    codes, true, held = code_of(tmp_path, ABSOLUTE), (2 / np.pi) ** 0.5, 0
    for seed in range(100):
        tallies = {"": tallied("regression", *drawn(100 + seed, rows=400))}
        low, high = measure(((), tallies), "regression", 0.9, own_metrics=codes).intervals["cost"]
        held += low <= true <= high
    assert stats.binomtest(held, 100, 0.9).pvalue > 0.001


@pytest.mark.parametrize(
    ("task", "body", "expected"),
    [
        ("binary", "return labels.max() + predictions.ndim + predictions.sum() / predictions.sum()", 3.0),
        ("multiclass", "return labels.max() + predictions.shape[1] + predictions.sum() / len(labels)", 6.0),
        ("binary", "return weights.sum() / len(labels)", 1.0),
    ],
)
def test_it_is_given_labels_and_predictions_of_each_task(tmp_path: Path, task: str, body: str, expected: float) -> None:
    tallies = {"": tallied(task, *drawn(3, task))}
    found = measure(((), tallies), task, 0.95, own_metrics=code_of(tmp_path, body))
    assert found.by_model[""]["cost"] == pytest.approx(expected)


def test_the_order_in_which_workers_deliver_rows_changes_no_digit(tmp_path: Path) -> None:
    values = {measured(tmp_path, parts=parts).by_model["candidate"]["cost"] for parts in (1, 3, 7)}
    assert len(values) == 1


def test_rows_of_weight_zero_are_left_out(tmp_path: Path) -> None:
    weights = np.ones(N)
    weights[:500] = 0
    assert measured(tmp_path, "return len(labels)", weights=weights).by_model["candidate"]["cost"] == 1_500


def test_it_is_judged_over_all_rows_in_slices_and_against_the_champion(tmp_path: Path) -> None:
    slices = [measured(tmp_path), measured(tmp_path, key=(("paw", "left"),))]
    value, before = (slices[0].by_model[name]["cost"] for name in ("candidate", CHAMPION))
    worse = value > before
    rules = Evaluation.model_validate(
        {
            "slices": [["paw"]],
            "metrics": {"cost": {"function": "my_metrics.py:cost", "better": "lower" if worse else "higher"}},
            "thresholds": {"cost": {"at_most": value / 2, "may_lose": 0.0, "slices": {"paw": {"at_most": 9}}}},
        }
    )
    summary, validation = summarize(slices, rules, Names("the champion", {}))
    assert not summary["blessed"]
    assert not validation.validation_ok
    absolute, lost = summary["failures"]
    assert absolute.startswith("cost is ")
    assert "may be at most" in absolute
    assert f"the champion had {before:.4f}: {abs(value - before):.4f} worse" in lost
    assert [failure.metric_key.is_diff for failure in validation.metric_validations_per_slice[0].failures] == [
        False,
        True,
    ]
    page = judge(summary | {"baselines": None}, None)
    assert page is not None
    told = next(metric for metric in page.metrics if metric.name == "cost")
    assert "may be at most" in told.threshold
    assert "may lose 0 to the champion's" in told.threshold
    assert told.held is False


def run_of(name: str, cost: float, lower: list[str]) -> Listed:
    return Listed(
        Run(name, "cats", "complete", "", 1.0, "", {}),
        Summary(metrics={"cost": cost}, judged=_judged({"own_lower_is_better": lower})),
    )


@pytest.mark.parametrize(("lower", "best"), [(["cost"], "b"), ([], "a")])
def test_the_list_of_runs_knows_which_value_is_better(lower: list[str], best: str) -> None:
    known = [run_of("a", 2.0, lower), run_of("b", 1.0, lower)]
    assert select(known, sort="cost")[0].run.run_id == best
    assert (best_and_worst(known, "cost") or ("",))[0] == best


@pytest.mark.parametrize("said", ["float('nan')", "float('inf')"])
def test_a_value_that_is_no_number_blesses_nothing_and_is_told(tmp_path: Path, said: str) -> None:
    rules = Evaluation.model_validate(
        {
            "metrics": {"cost": {"function": "my_metrics.py:cost", "better": "lower"}},
            "thresholds": {"cost": {"at_most": 1}},
        }
    )
    summary, _ = summarize([measured(tmp_path, f"return {said}")], rules, Names(None, {}))
    assert summary["failures"] == [f"cost cannot be computed: my_metrics.py:cost returned {eval(said)}"]
    assert "cost" not in summary["intervals"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            "raise RuntimeError('no luck')",
            "my_metrics.py:3, in cost: raise RuntimeError('no luck')\n  RuntimeError: no luck",
        ),
        ("return 1 / 0", "my_metrics.py:3, in cost: return 1 / 0\n  ZeroDivisionError: division by zero"),
        ("labels[0] = 1", "my_metrics.py:3, in cost: labels[0] = 1\n  ValueError: assignment destination is read-only"),
        ("return 'good'", "my_metrics.py:cost returned a str of 2,000 rows of paw=left, not a number"),
        ("return labels", "my_metrics.py:cost returned an ndarray of 2,000 rows of paw=left, not a number"),
        ("return True", "my_metrics.py:cost returned a bool of 2,000 rows of paw=left, not a number"),
        ("pass", "my_metrics.py:cost returned None of 2,000 rows of paw=left, not a number"),
    ],
)
def test_what_a_function_does_wrong_is_one_message(tmp_path: Path, body: str, what: str) -> None:
    with pytest.raises(CodeError) as raised, user_code_blamed():
        measured(tmp_path, body, key=(("paw", "left"),))
    assert str(raised.value).startswith(what)
    assert "2,000 rows of paw=left" in str(raised.value)
    assert "float('nan') where the metric has no value" in raised.value.remedy


def test_an_error_deep_in_beam_is_told_by_the_users_line(tmp_path: Path) -> None:
    def in_beam() -> None:
        try:
            measured(tmp_path, "raise RuntimeError('no luck')")
        except Exception as exc:
            raise RuntimeError("while running 'Measure'") from exc

    with pytest.raises(CodeError, match="no luck"), user_code_blamed():
        in_beam()
    with pytest.raises(OSError, match="disk"), user_code_blamed():
        raise OSError("disk")


@pytest.mark.parametrize("arguments", ["labels, predictions", "labels, predictions, weights, more", ""])
def test_a_function_with_other_arguments_is_refused_before_it_is_called(tmp_path: Path, arguments: str) -> None:
    with pytest.raises(CodeError) as raised, user_code_blamed():
        check_own(code_of(tmp_path, "return 1.0", arguments))
    assert "my_metrics.py:cost cannot be called with labels, predictions, weights" in str(raised.value)
    assert raised.value.remedy == "write `def cost(labels, predictions, weights):`"


def test_a_module_that_cannot_be_imported_is_told_before_anything_is_scored(tmp_path: Path) -> None:
    codes = code_of(tmp_path, "return 1.0\nimport no_such_package")
    with pytest.raises(CodeError, match="no_such_package"), user_code_blamed():
        check_own(codes)


def test_rows_too_few_for_a_jackknife_give_a_value_without_an_interval(tmp_path: Path) -> None:
    tallies = {"": tallied("regression", *drawn(1, rows=7))}
    found = measure(((), tallies), "regression", 0.95, own_metrics=code_of(tmp_path, ABSOLUTE))
    assert found.by_model[""]["cost"] == pytest.approx(found.by_model[""]["mae"], rel=1e-6)
    assert "cost" not in found.intervals


def test_it_is_told_of_the_baselines_and_over_time(tmp_path: Path) -> None:
    labels, predictions = drawn(1)
    codes = code_of(tmp_path, ABSOLUTE)
    guess = np.full_like(predictions, labels.mean())
    tallies = {NETWORK: tallied("regression", labels, predictions), GUESS: tallied("regression", labels, guess)}
    tallies[TREES] = tallied("regression", labels, (predictions + labels[:, None]) / 2)
    found = compare("regression", tallies, 0.95, codes)
    assert found
    assert found["telling"] == ["rmse", "mae", "cost"]
    for name in (TREES, GUESS):
        assert found["metrics"][name]["cost"] == pytest.approx(found["metrics"][name]["mae"], rel=1e-6)
    assert found["differences"]["cost"] == pytest.approx(found["differences"]["mae"], rel=1e-5)
    periods = [(("day", day), {"": tallied("regression", *drawn(day))}) for day in (1, 2)]
    for one in joined(periods, "regression", 0.95, "at", codes)["periods"]:
        assert one["metrics"]["cost"] == pytest.approx(one["metrics"]["mae"], rel=1e-6)
        assert one["intervals"]["cost"] == pytest.approx(one["intervals"]["mae"], rel=1e-5)


def test_where_rows_judge_nothing_a_function_that_fails_has_no_value(tmp_path: Path) -> None:
    codes = code_of(tmp_path, "return 1 / (len(np.unique(predictions)) > 1)")
    labels, predictions = drawn(1)
    same = np.zeros_like(predictions)
    found = compare("regression", {n: tallied("regression", labels, same) for n in (NETWORK, GUESS)}, 0.95, codes)
    assert found
    assert "cost" not in found["metrics"][GUESS]
    of = {"": tallied("regression", labels, same)}
    (one,) = joined([(("day", 1), of)], "regression", 0.95, "at", codes)["periods"]
    assert "cost" not in one["metrics"]
    with pytest.raises(UserCodeError, match="ZeroDivisionError"):
        measure(((), of), "regression", 0.95, own_metrics=codes)


def test_without_metrics_of_their_own_no_rows_are_kept() -> None:
    labels, predictions = drawn(1)
    prepared = rows_of("regression", labels, predictions, np.arange(N) % BLOCKS)
    assert tally_of(prepared, np.arange(N), None).scored is None
    assert "cost" not in intervals("regression", prepared.tally(np.arange(N)), None, 0.95)[0]
