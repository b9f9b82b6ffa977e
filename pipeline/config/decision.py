"""Settings of `decision`: from which probability on a row of two classes is called positive."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from trainer.settings.base import Section

EVEN = 0.5
STEPS = 10_000
"""Thresholds are counted in so many steps from 0 to 1: Evaluator's tallies know a probability no finer."""


class Cost(Section):
    """What an error costs, in any unit."""

    miss: Annotated[float, Field(ge=0)]
    """A positive row that is not flagged."""
    false_alarm: Annotated[float, Field(ge=0)]
    """A negative row that is flagged."""

    @model_validator(mode="after")
    def _some_cost(self) -> Cost:
        if not self.miss and not self.false_alarm:
            raise ValueError("both errors cost nothing; say what one of them costs")
        return self


class DecisionThreshold(Section):
    """A number, or how Evaluator chooses one on the rows that it judges by."""

    at: Annotated[float, Field(ge=0, le=1)] | None = None
    """The number itself, with at most four decimals; `threshold: 0.3` is the short form."""
    cost: Cost | None = None
    """Choose the threshold at which the errors cost least: `{miss: 5, false_alarm: 1}`."""
    precision_at_least: Annotated[float, Field(gt=0, le=1)] | None = None
    """Choose the threshold that finds most positives, of those at which so great a share of the flagged rows is
    positive. A model that has none is not pushed."""
    recall_at_least: Annotated[float, Field(gt=0, le=1)] | None = None
    """Choose the threshold with the greatest precision, of those that find so great a share of the positives."""

    @model_validator(mode="after")
    def _one_way(self) -> DecisionThreshold:
        if len(self.model_fields_set & {name for name, value in self if value is not None}) != 1:
            raise ValueError(
                "must be a number, or one of cost, precision_at_least and recall_at_least,"
                " as in `threshold: {recall_at_least: 0.9}`"
            )
        if self.at is not None and round(self.at * STEPS) / STEPS != self.at:
            raise ValueError(f"{self.at} has more than four decimals; write {round(self.at, 4)}")
        return self

    @model_serializer
    def _short_form(self) -> Any:
        """Write what stands in a file."""
        if self.cost is not None:
            return {"cost": self.cost.model_dump()}
        share = {"precision_at_least": self.precision_at_least, "recall_at_least": self.recall_at_least}
        return {name: value for name, value in share.items() if value is not None} or self.at


def _long_form(value: Any) -> Any:
    return value if isinstance(value, dict | DecisionThreshold) else {"at": value}


class Decision(Section):
    """From which probability on a row is called positive (flagged), of a binary task. See docs/decide.md."""

    threshold: Annotated[DecisionThreshold, BeforeValidator(_long_form)] = DecisionThreshold(at=EVEN)
    """A number, `threshold: 0.3`, or how it is chosen on the evaluated rows: `{cost: {miss: 5, false_alarm: 1}}`,
    `{precision_at_least: 0.8}` or `{recall_at_least: 0.9}`. Predictions, server and report use it."""

    @property
    def is_even(self) -> bool:
        """Whether it is the usual one, that any task may have."""
        return self.threshold == DecisionThreshold(at=EVEN)
