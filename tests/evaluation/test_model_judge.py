"""Every rule is shown to hold and to break; what cannot be judged is said and stops nothing."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.evaluation import LOWER_IS_BETTER, Evaluation
from pipeline.evaluation.model_judge import Measured, ModelVerdict, judge, why_undefined

RUN = "champion run 20261121-041631-031"


def rules(thresholds: dict[str, Any] | None = None, **others: Any) -> Evaluation:
    return Evaluation.model_validate(
        {"slices": [["carrier"], ["carrier", "origin"]], "thresholds": thresholds or {"auc": {"at_least": 0}}} | others
    )


def of(
    slice_: dict[str, str] | None = None, rows: int = 1000, champion: dict[str, float] | None = None, **metrics: float
) -> Measured:
    known = {"auc"} - metrics.keys()
    return Measured(slice_ or {}, rows, metrics, champion or {}, dict.fromkeys(known, "one class only"))


def verdict(evaluation: Evaluation, *measured: Measured, champion: str | None = RUN) -> ModelVerdict:
    return judge(measured, evaluation, LOWER_IS_BETTER, champion)


UA, OO, VX = ({"carrier": carrier} for carrier in ("UA", "OO", "VX"))


def test_a_model_that_holds_everything() -> None:
    found = verdict(
        rules({"auc": {"at_least": 0.6, "may_lose": 0.01, "slices": {"carrier": {"at_least": 0.5}}}}),
        of(auc=0.7, champion={"auc": 0.705}),
        of(UA, auc=0.5),
    )
    assert found == ModelVerdict([], [], [], bounds={"auc": {"model": RUN, "value": 0.705}})


@pytest.mark.parametrize(
    ("bounds", "value", "champion", "sentence"),
    [
        ({"at_least": 0.6}, 0.58, None, "auc is 0.5800, needs at least 0.6"),
        ({"at_least": 0.6}, 0.58, 0.61, f"auc is 0.5800, needs at least 0.6; {RUN} had 0.6100"),
        ({"at_most": 0.6}, 0.7, 0.61, f"auc is 0.7000, may be at most 0.6; {RUN} had 0.6100"),
        ({"may_lose": 0.01}, 0.58, 0.61, f"auc is 0.5800, {RUN} had 0.6100: 0.0300 worse, 0.01 is allowed"),
    ],
)
def test_a_worse_challenger_is_not_blessed(
    bounds: dict[str, float], value: float, champion: float | None, sentence: str
) -> None:
    before = {} if champion is None else {"auc": champion}
    found = verdict(rules({"auc": bounds}), of(auc=value, champion=before))
    assert (found.failures, found.notes, found.failed_slices) == ([sentence], [], [("", "auc")])


def test_what_is_lower_the_better_it_is_loses_by_rising() -> None:
    evaluation = rules({"log_loss": {"may_lose": 0.01}})
    assert not verdict(evaluation, of(log_loss=0.4, champion={"log_loss": 0.5})).failures
    assert verdict(evaluation, of(log_loss=0.52, champion={"log_loss": 0.5})).failures == [
        f"log_loss is 0.5200, {RUN} had 0.5000: 0.0200 worse, 0.01 is allowed"
    ]


def test_one_bad_slice_alone_blocks() -> None:
    evaluation = rules(
        {"auc": {"at_least": 0.6, "slices": {"carrier": {"at_least": 0.55}, "carrier=OO": {"at_least": 0.6}}}}
    )
    found = verdict(
        evaluation,
        of(auc=0.7, champion={"auc": 0.7}),
        of(UA, auc=0.7, champion={"auc": 0.7}),
        of(OO, auc=0.58, champion={"auc": 0.61}),
        of(VX, auc=0.58),
    )
    assert found == ModelVerdict(
        [f"auc on carrier=OO is 0.5800, needs at least 0.6; {RUN} had 0.6100"], [], [("carrier=OO", "auc")]
    )


def test_a_pair_of_columns() -> None:
    evaluation = rules({"auc": {"slices": {"origin=JFK, carrier=UA": {"at_least": 0.6}}}})
    pairs = [of({"carrier": "UA", "origin": origin}, auc=0.5) for origin in ("EWR", "JFK")]
    assert verdict(evaluation, of(auc=0.1), *pairs).failed_slices == [("carrier=UA, origin=JFK", "auc")]


def test_small_slices_are_not_judged_and_that_is_said() -> None:
    evaluation = rules({"auc": {"slices": {"carrier": {"at_least": 0.6, "min_rows": 500}}}})
    found = verdict(evaluation, of(auc=0.1), of(UA, 500, auc=0.7), of(OO, 499, auc=0.1), of(VX, 3, auc=0.2))
    assert found == ModelVerdict(
        [],
        ["auc on carrier=OO (499 rows), carrier=VX (3 rows) is not judged: fewer than 500 rows"],
        [],
    )


def test_a_slice_without_its_own_bound_of_rows_has_that_of_all() -> None:
    thresholds = {"auc": {"slices": {"carrier": {"at_least": 0.6}}}}
    assert not verdict(rules(thresholds), of(auc=0.7), of(OO, 99, auc=0.1)).failures
    assert verdict(rules(thresholds), of(auc=0.7), of(OO, 100, auc=0.1)).failures
    assert verdict(rules(thresholds, min_rows=0), of(auc=0.7), of(OO, 1, auc=0.1)).failures


def test_a_metric_that_cannot_be_computed_is_neither_held_nor_broken() -> None:
    evaluation = rules({"auc": {"slices": {"carrier": {"at_least": 0.6}}}})
    found = verdict(evaluation, of(auc=0.7), of(UA, auc=0.7), of(OO), of(VX))
    assert found == ModelVerdict(
        [], ["auc on carrier=OO, carrier=VX is not judged: it cannot be computed (one class only)"], []
    )


def test_over_all_rows_it_blocks() -> None:
    assert verdict(rules({"auc": {"may_lose": 0.1}}), of()).failures == ["auc cannot be computed: one class only"]


def test_an_empty_slice_is_told() -> None:
    evaluation = rules({"auc": {"slices": {"carrier=ZZ": {"at_least": 0.6}}}})
    assert verdict(evaluation, of(auc=0.7), of(UA, auc=0.1)) == ModelVerdict(
        [], ["auc on carrier=ZZ is not judged: there are no such rows"], []
    )


@pytest.mark.parametrize(("metric", "first", "sign"), [("auc", 0.8, -1), ("log_loss", 0.4, 1)])
def test_twelve_small_losses_pass_against_the_champion_alone(metric: str, first: float, sign: int) -> None:
    """A chain of models, each 0.009 worse than the one before, where 0.01 is allowed."""
    values = [first + sign * 0.009 * step for step in range(13)]

    def failures(step: int, last: int) -> list[str]:
        earlier = {f"the model of run {i}": {metric: values[i]} for i in range(max(0, step - last), step - 1)}
        champion, mine = {metric: values[step - 1]}, {metric: values[step]}
        one = Measured({}, 1000, mine, champion, {}, earlier)
        return judge([one], rules({metric: {"may_lose": 0.01}}), LOWER_IS_BETTER, f"champion run {step - 1}").failures

    assert [failures(step, 1) for step in range(1, 13)] == [[]] * 12
    assert [bool(failures(step, 12)) for step in range(1, 13)] == [False] + [True] * 11
    assert failures(2, 12) == [
        f"{metric} is {values[2]:.4f}, the model of run 0 had {first:.4f}: 0.0180 worse, 0.01 is allowed"
    ]


def test_the_model_that_sets_the_bound_is_named() -> None:
    evaluation = rules({"auc": {"may_lose": 0.01}, "log_loss": {"may_lose": 0.01}})
    one = Measured({}, 9, {"auc": 0.7, "log_loss": 0.5}, {"auc": 0.7, "log_loss": 0.5}, {}, {"run 3": {"auc": 0.705}})
    found = verdict(evaluation, one)
    assert found.failures == []
    assert found.bounds == {"auc": {"model": "run 3", "value": 0.705}, "log_loss": {"model": RUN, "value": 0.5}}


def test_without_a_champion_absolute_thresholds_are_left() -> None:
    evaluation = rules({"auc": {"at_least": 0.6, "may_lose": 0.01}})
    assert verdict(evaluation, of(auc=0.61), champion=None) == ModelVerdict([], [], [])
    assert verdict(evaluation, of(auc=0.59), champion=None).failures == ["auc is 0.5900, needs at least 0.6"]


def test_gaps_between_slices() -> None:
    slices = of(UA, auc=0.7), of(OO, auc=0.64), of(VX, 99, auc=0.1)
    small = "auc on carrier=VX (99 rows) is not judged: fewer than 100 rows"
    assert verdict(rules(gaps={"auc": {"carrier": 0.07}}), of(auc=0.7), *slices) == ModelVerdict([], [small], [])
    assert verdict(rules(gaps={"auc": {"carrier": 0.05}}), of(auc=0.7), *slices) == ModelVerdict(
        ["auc by carrier lies 0.0600 apart, may be 0.05: 0.6400 on carrier=OO, 0.7000 on carrier=UA"],
        [small],
        [("carrier=OO", "auc")],
    )


def test_a_gap_of_a_loss_names_the_greater_one_as_the_worse() -> None:
    found = verdict(
        rules(gaps={"log_loss": {"carrier": 0.05}}), of(auc=0.7), of(UA, log_loss=0.4), of(OO, log_loss=0.6)
    )
    assert found.failed_slices == [("carrier=OO", "log_loss")]


def test_a_gap_needs_two() -> None:
    found = verdict(rules(gaps={"auc": {"carrier": 0.0}}), of(auc=0.7), of(UA, auc=0.7))
    assert found == ModelVerdict([], ["the gap of auc by carrier is not judged: fewer than two slices to compare"], [])


def test_many_slices_in_one_sentence() -> None:
    evaluation = rules({"auc": {"slices": {"carrier": {"at_least": 0.6}}}})
    found = verdict(evaluation, of(auc=0.7), *(of({"carrier": str(i)}, 1, auc=0.1) for i in range(10)))
    assert found.notes[0].endswith("carrier=7 (1 rows) and 2 more is not judged: fewer than 100 rows")


def test_why_not_computed() -> None:
    assert why_undefined("auc", is_one_class=True) == "one class only"
    assert why_undefined("auc", is_one_class=False) == "it is not a number"
    assert why_undefined("squared_correlation", is_one_class=False) == "labels or predictions do not vary"
