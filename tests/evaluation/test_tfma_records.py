"""What is written for TFMA is what TFMA's own validator would have written of the same metrics."""

from __future__ import annotations

import math
from typing import Any

import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.evaluators import metrics_validator

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.eval_config import eval_config
from pipeline.evaluation.slice_metrics import CHAMPION, SliceMetrics
from pipeline.evaluation.summary import Names, summarize
from pipeline.evaluation.tfma_records import metrics_of

NAN = math.nan
NAMES = ("auc", "log_loss")
ALL_ROWS: tuple[Any, ...] = ()
LEFT, RIGHT = (("paw", "left"),), (("paw", "right"),)


def measured(key: Any, rows: int, own: tuple[float, ...], champion: tuple[float, ...] | None) -> SliceMetrics:
    def of(values: tuple[float, ...]) -> dict[str, float]:
        return dict(zip(NAMES, values, strict=True)) | {"example_count": rows}

    by_model = {"": of(own)} if champion is None else {"candidate": of(own), CHAMPION: of(champion)}
    undefined = {name: "one class only" for name, value in zip(NAMES, own, strict=True) if math.isnan(value)}
    return SliceMetrics(key, by_model, {}, {}, undefined, "jackknife")


def judged(thresholds: dict[str, Any], slices: list[SliceMetrics], **settings: Any) -> tuple[Any, Any, Evaluation]:
    rules = Evaluation.model_validate({"slices": [["paw"]], "thresholds": thresholds} | settings)
    champion = "champion run 7" if CHAMPION in slices[0].by_model else None
    return *summarize(slices, rules, Names(champion, {})), rules


def stocks(rules: Evaluation, found: SliceMetrics) -> Any:
    """TFMA's own validation of a slice."""
    config = tfma.utils.update_eval_config_with_defaults(
        eval_config("binary", rules), has_baseline=CHAMPION in found.by_model, rubber_stamp=True
    )
    return metrics_validator.validate_metrics(metrics_of(found, list(found.by_model)), config)


BOTH = {"at_least": 0.6, "may_lose": 0.02, "slices": {"paw": {"at_least": 0.5}, "paw=left": {"may_lose": 0.01}}}


@pytest.mark.parametrize("champion", [None, (0.7, 0.5)])
@pytest.mark.parametrize("own", [(0.7, 0.5), (0.59, 0.53), (0.3, 0.9), (NAN, 0.5)])
@pytest.mark.parametrize("auc", [{"at_least": 0.6}, {"may_lose": 0.02}, BOTH, {"at_least": 0.65, "at_most": 0.69}])
@pytest.mark.parametrize("log_loss", [{"at_most": 0.52, "may_lose": 0.02}, {"slices": {"paw": {"at_most": 0.52}}}])
def test_tfma_would_say_the_same(auc: Any, log_loss: Any, own: Any, champion: Any) -> None:
    on_left = (0.55 if math.isnan(own[0]) else own[0], own[1])
    slices = [measured(ALL_ROWS, 900, own, champion), measured(LEFT, 500, on_left, champion)]
    summary, validation, rules = judged({"auc": auc, "log_loss": log_loss}, slices)
    each = [stocks(rules, found) for found in slices]
    assert validation.validation_ok == all(one.validation_ok for one in each) == summary["blessed"]
    assert list(validation.metric_validations_per_slice) == [
        broken for one in each for broken in one.metric_validations_per_slice
    ]
    specs = [details for one in each for details in one.validation_details.slicing_details]
    for details in validation.validation_details.slicing_details:
        judged_on = [one for one in each if details in one.validation_details.slicing_details]
        assert details.num_matching_slices == len(judged_on) or not [
            one for one in specs if one.slicing_spec == details.slicing_spec
        ]


@pytest.mark.parametrize(
    ("key", "auc", "rows", "holds"),
    [
        (LEFT, 0.55, 50, True),
        (LEFT, 0.45, 50, False),
        (LEFT, 0.45, 49, True),  # too few rows to be judged
        (LEFT, NAN, 50, True),  # one class only
        (RIGHT, 0.55, 50, False),  # its own rule is stricter
        (RIGHT, 0.55, 9, True),
    ],
)
def test_slices_are_judged_that_can_be(key: Any, auc: float, rows: int, holds: bool) -> None:
    bounds = {
        "at_least": 0.1,
        "slices": {"paw": {"at_least": 0.5, "min_rows": 50}, "paw=right": {"at_least": 0.6, "min_rows": 10}},
    }
    slices = [measured(ALL_ROWS, 900, (0.7, 0.5), None), measured(key, rows, (auc, 0.5), None)]
    summary, validation, _ = judged({"auc": bounds}, slices)
    assert validation.validation_ok is holds
    assert summary["blessed"] is holds
    # A slice without a row has an entry, too: TFMA would fail a threshold that it finds none of.
    assert [len(details.slicing_spec.feature_keys) for details in validation.validation_details.slicing_details] == [
        0, 1, 0,
    ]  # fmt: skip


def test_another_model_that_sets_a_bound_and_a_gap_are_ours_alone() -> None:
    slices = [measured(ALL_ROWS, 900, (0.7, 0.5), (0.7, 0.5)), measured(LEFT, 500, (0.7, 0.5), (0.7, 0.5))]
    slices.append(measured(RIGHT, 400, (0.9, 0.5), (0.9, 0.5)))
    for found in slices:
        found.by_model["reference-3"] = {"auc": 0.99, "log_loss": 0.4, "example_count": 900}
    rules = Evaluation.model_validate(
        {"slices": [["paw"]], "thresholds": {"auc": {"may_lose": 0.02}}, "gaps": {"auc": {"paw": 0.1}}}
    )
    summary, validation = summarize(slices, rules, Names("champion run 7", {"reference-3": "the model of run 5"}))
    assert [rule["than"] for rule in summary["rules"] if not rule["held"]] == ["the model of run 5", ""]
    assert not summary["blessed"]
    assert validation.validation_ok
    assert not validation.metric_validations_per_slice


def test_metrics_have_tfmas_keys_and_differences() -> None:
    slices = measured(LEFT, 500, (0.7, 0.5), (0.75, 0.5))
    slices.by_model["reference-3"] = {"auc": 0.9}
    key, found = metrics_of(slices, ["candidate", CHAMPION])
    assert key == LEFT
    auc = tfma.metrics.MetricKey("auc", model_name="candidate")
    assert found[auc] == 0.7
    assert found[auc.make_baseline_key(CHAMPION)] == 0.75
    assert found[auc.make_diff_key()] == pytest.approx(-0.05)
    assert len(found) == 9
