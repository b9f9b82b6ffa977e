"""Rules that held are shown like those that broke: value, bound, and how near."""

from __future__ import annotations

from typing import Any

from pipeline.config.evaluation import LOWER_IS_BETTER, Evaluation
from pipeline.evaluation.model_judge import Measured, judge
from pipeline.reports.rules import few_rows_note, held_rules, nearest, rule_line

THRESHOLDS = {
    "auc": {"at_least": 0.66, "may_lose": 0.01, "slices": {"origin": {"at_least": 0.62}}},
    "log_loss": {"at_most": 0.53},
}


def lines(auc: float = 0.7118, jfk: float = 0.6412, gaps: float = 0.1, rows: int = 900) -> list[str]:
    evaluation = Evaluation.model_validate(
        {"slices": [["origin"]], "thresholds": THRESHOLDS, "gaps": {"auc": {"origin": gaps}}}
    )
    measured = [
        Measured({}, rows, {"auc": auc, "log_loss": 0.5117}, {"auc": 0.7}),
        Measured({"origin": "EWR"}, rows, {"auc": 0.7204, "log_loss": 0.5}),
        Measured({"origin": "JFK"}, rows, {"auc": jfk, "log_loss": 0.5}),
    ]
    verdict = judge(measured, evaluation, LOWER_IS_BETTER, "champion run 7")
    plain: dict[str, Any] = {"rules": [vars(rule) for rule in verdict.rules]}
    assert len(verdict.failures) == sum(not rule.held for rule in held_rules(plain))
    return [rule_line(rule, count) for rule, count in nearest(held_rules(plain))]


def test_rules_that_held_are_told_with_how_near_they_were() -> None:
    assert lines() == [
        "✓ log_loss at most 0.53: 0.5117, 0.0183 to spare",
        "✓ auc at most 0.1 apart by origin (origin=JFK 0.6412, origin=EWR 0.7204): 0.0792 apart, 0.0208 to spare",
        "✓ auc at least 0.62 on origin=JFK: 0.6412, 0.0212 to spare; the nearest of 2 slices",
        "✓ auc at most 0.01 worse than the champion: 0.0118 better, 0.0218 to spare",
        "✓ auc at least 0.66: 0.7118, 0.0518 to spare",
    ]


def test_broken_rules_come_first_each_for_itself() -> None:
    broken = lines(auc=0.65, jfk=0.61, gaps=0.05)
    assert [one[0] for one in broken] == ["✗"] * 4 + ["✓"] * 2
    assert "✗ auc at least 0.66: 0.6500, 0.0100 too far" in broken
    assert "✗ auc at least 0.62 on origin=JFK: 0.6100, 0.0100 too far" in broken
    assert "✗ auc at most 0.01 worse than the champion: 0.0500 worse, 0.0400 too far" in broken


def test_what_cannot_be_computed_broke_its_rule() -> None:
    (rule,) = held_rules(
        {
            "rules": [
                {"metric": "auc", "kind": "at_least", "of": "", "on": "", "value": None, "bound": 0.6, "held": False}
            ]
        }
    )
    assert rule_line(rule) == "✗ auc at least 0.6: cannot be computed"
    assert held_rules({}) == []  # of an older verdict


def test_how_much_one_of_few_rows_is_worth() -> None:
    assert few_rows_note({"example_count": 33.0, "accuracy": 0.97}, 100) == (
        "33 rows were evaluated: one row is 3.0 points of accuracy."
    )
    assert few_rows_note({"example_count": 73.0, "rmse": 50.0}, 100).endswith("a few of them decide every figure.")
    assert few_rows_note({"example_count": 54_065.0, "accuracy": 0.8}, 100) == ""


def test_bounds_keep_their_digits_and_are_written_like_values() -> None:
    """They read "at most 1.23457e+06" beside "1,300,000"."""
    evaluation = Evaluation.model_validate({"thresholds": {"rmse": {"at_most": 1_234_567.5}}})
    verdict = judge([Measured({}, 900, {"rmse": 1_300_000.0}, {})], evaluation, LOWER_IS_BETTER, "")
    assert "may be at most 1,234,567.5" in verdict.failures[0]
    plain: dict[str, Any] = {"rules": [vars(rule) for rule in verdict.rules]}
    assert "rmse at most 1,234,567.5: " in rule_line(*nearest(held_rules(plain))[0])
