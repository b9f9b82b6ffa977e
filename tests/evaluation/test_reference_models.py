"""Which models set the bound of `may_lose` besides the champion."""

from __future__ import annotations

import pytest

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.reference_models import Pushed, referred

PUSHED = [Pushed(1, "A", is_pinned=True), Pushed(2, "B"), Pushed(3, "C"), Pushed(4, "A"), Pushed(5, "D")]
"""Version 4 is A again, after a rollback of C."""


@pytest.mark.parametrize(
    ("last", "challenger", "models"),
    [
        (1, "new", ["D"]),
        (2, "new", ["D", "A"]),
        (3, "new", ["D", "A", "B"]),  # C was withdrawn
        (12, "new", ["D", "A", "B"]),
        (2, "D", ["A", "B"]),  # it serves: those before it
        (None, "new", ["A"]),
        (None, "A", []),
    ],
)
def test_those_pushed_last_first(last: int | None, challenger: str, models: list[str]) -> None:
    assert referred(PUSHED[::-1], last, ("C",), challenger) == models


@pytest.mark.parametrize(
    ("against", "last"), [("champion", None), ("pinned", None), ("best of last 1", 1), ("best of last 12", 12)]
)
def test_the_setting(against: str, last: int | None) -> None:
    assert Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0}}, "against": against}).last == last


@pytest.mark.parametrize("against", ["best", "best of last 0", "best of last", "the champion"])
def test_other_settings_are_refused(against: str) -> None:
    with pytest.raises(ValueError, match="against"):
        Evaluation.model_validate({"thresholds": {"auc": {"at_least": 0}}, "against": against})
