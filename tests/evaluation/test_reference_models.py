"""Which models set the bound of `may_lose` besides the champion."""

from __future__ import annotations

import pytest

from pipeline.config.evaluation import LOWER_IS_BETTER, Evaluation
from pipeline.evaluation.model_judge import Measured, judge
from pipeline.evaluation.reference_models import Pushed, referred

PUSHED = [Pushed(1, "A", is_pinned=True), Pushed(2, "B"), Pushed(3, "C"), Pushed(4, "A"), Pushed(5, "D")]
"""Version 4 is A again, after a rollback of C."""


@pytest.mark.parametrize(
    ("against", "challenger", "models"),
    [
        (1, "new", ["D"]),
        (2, "new", ["D", "A"]),
        (3, "new", ["D", "A", "B"]),  # C was withdrawn
        (12, "new", ["D", "A", "B"]),
        (2, "D", ["A", "B"]),  # it serves: those before it
        ("pinned", "new", ["A"]),
        ("pinned", "A", []),
        ("first", "new", ["A"]),
        ("first", "D", ["A"]),
        ("first", "A", []),
    ],
)
def test_those_pushed_last_first(against: int | str, challenger: str, models: list[str]) -> None:
    last = against if isinstance(against, int) else None
    assert referred(PUSHED[::-1], str(against), last, ("C",), challenger) == models


def test_the_first_that_stands() -> None:
    assert referred(PUSHED[::-1], "first", None, ("A",), "new") == ["B"]
    assert referred(PUSHED[::-1], "first", None, ("A", "B", "C", "D"), "new") == []


def test_many_small_losses_are_one_large_one() -> None:
    """Twelve models that lose 0.01 each, where 0.035 may be lost: by the champion all pass, by the first three."""
    passed: dict[str, int] = {"champion": 0, "first": 0}
    for against in passed:
        rules = Evaluation.model_validate({"thresholds": {"auc": {"may_lose": 0.035}}, "against": against})
        pushed, auc = [Pushed(1, "0")], {"0": 0.90}
        for number in range(1, 13):
            digest = str(number)
            auc[digest] = 0.90 - 0.01 * number
            others = [] if against == "champion" else referred(pushed, against, None, (), digest)
            all_rows = Measured(
                {}, 500, {"auc": auc[digest]}, {"auc": auc[str(number - 1)]}, {}, {d: {"auc": auc[d]} for d in others}
            )
            if judge([all_rows], rules, LOWER_IS_BETTER, "the champion").failures:
                break
            pushed.append(Pushed(number + 1, digest))
            passed[against] += 1
    assert passed == {"champion": 12, "first": 3}


@pytest.mark.parametrize(
    ("against", "last"),
    [("champion", None), ("pinned", None), ("first", None), ("best of last 1", 1), ("best of last 12", 12)],
)
def test_the_setting(against: str, last: int | None) -> None:
    assert Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0}}, "against": against}).last == last


@pytest.mark.parametrize("against", ["best", "best of last 0", "best of last", "the champion"])
def test_other_settings_are_refused(against: str) -> None:
    with pytest.raises(ValueError, match="against"):
        Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0}}, "against": against})
