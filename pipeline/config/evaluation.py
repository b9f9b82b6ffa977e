"""Settings of `evaluation`: what is measured, and what blocks a push."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.code_path import CodePath
from trainer.settings.base import Section, Share

SplitName = Literal["train", "eval", "test"]
METRICS: dict[str, tuple[str, ...]] = {
    "binary": (
        *("auc", "auc_precision_recall", "log_loss", "accuracy", "calibration"),
        "expected_calibration_error",
    ),
    "multiclass": ("accuracy", "log_loss", "expected_calibration_error"),
    "regression": ("rmse", "mae", "squared_correlation"),
}
"""Metrics by task, as they are named in `evaluation.thresholds` and in every report."""
LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae", "expected_calibration_error"})
DECIDED = ("precision", "recall", "f1")
"""Metrics of a binary task at the threshold of `decision`; measured with intervals where a rule names them."""
UP_TO_ONE = frozenset(
    {*DECIDED, "auc", "auc_precision_recall", "accuracy", "squared_correlation", "expected_calibration_error"}
)
"""Metrics that lie between 0 and 1."""
COUNT = "example_count"
_TAKEN = {COUNT, *DECIDED, *(name for names in METRICS.values() for name in names)}

CHAMPION, FIRST = "champion", "first"
"""`evaluation.against` without other models; with the first that was pushed and not rolled back since."""


class OwnMetric(Section):
    """A metric that a function of yours computes."""

    function: CodePath
    """A function `cost(labels, predictions, weights)` that returns a number: `my_metrics.py:cost`, relative to this
    file, or a dotted path."""
    better: Literal["lower", "higher"]
    """Which of two values is the better one, for `may_lose`, gaps and comparisons."""


class Bounds(Section):
    """What one metric must be: absolute, and against the model that serves (the champion)."""

    at_least: float | None = None
    """The least value that passes."""
    at_most: float | None = None
    """The greatest value that passes."""
    may_lose: Annotated[float, Field(ge=0)] | None = None
    """How much worse the metric may be than the champion's, or than the best that `evaluation.against` names."""

    @model_validator(mode="after")
    def _some_value_passes(self) -> Bounds:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no value is at least {self.at_least} and at most {self.at_most}")
        return self

    @property
    def given(self) -> dict[str, float]:
        """The bounds that are set, by name."""
        bounds = {"at_least": self.at_least, "at_most": self.at_most, "may_lose": self.may_lose}
        return {kind: bound for kind, bound in bounds.items() if bound is not None}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return not self.given


class SliceThreshold(Bounds):
    """Bounds on one metric in slices."""

    min_rows: Annotated[int, Field(ge=0)] | None = None
    """A slice with fewer rows is not judged. `evaluation.min_rows` when absent."""

    @model_validator(mode="after")
    def _some_bound(self) -> SliceThreshold:
        if self.is_empty:
            raise ValueError("a threshold needs at_least, at_most or may_lose")
        return self


class Threshold(Bounds):
    """Bounds on one metric over all rows, and in slices."""

    slices: dict[str, SliceThreshold] = {}
    """Bounds in slices, by slice: `carrier` is each value of that column, `carrier=OO` that one; `carrier, origin` and
    `carrier=UA, origin=EWR` are crossed ones."""

    @model_validator(mode="after")
    def _some_bound(self) -> Threshold:
        if self.is_empty and not self.slices:
            raise ValueError("a threshold needs at_least, at_most, may_lose or slices")
        return self


class Explain(Section):
    """How much work goes into explaining the model. 0 switches a part off."""

    permutation_rows: Annotated[int, Field(ge=0, le=1_000_000)] = 4_000
    """Rows of the evaluated splits on which the importance of features is measured, by permuting their values."""
    repeats: Annotated[int, Field(ge=0, le=100)] = 3
    """How often each feature is permuted."""
    rows: Annotated[int, Field(ge=0, le=100)] = 6
    """Single rows whose predictions are explained: the worst of each kind of error, and ordinary ones."""


class Evaluation(Section):
    """What is measured, on which slices, and what blocks a push. See docs/evaluation.md."""

    splits: tuple[SplitName, ...] = ("eval",)
    """The splits whose rows judge the model."""
    slices: tuple[tuple[str, ...], ...] = ()
    """Columns to slice by, singly or crossed: `[[carrier], [carrier, origin]]`. The metrics over all rows are always
    there."""
    thresholds: Annotated[dict[str, Threshold], Field(min_length=1)]
    """What each metric must be, by metric. A model that breaks one of these rules is not pushed."""
    metrics: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")], OwnMetric] = {}
    """Metrics of your own, by name, beside those of the task: `cost: {function: my_metrics.py:cost, better: lower}`.
    See docs/extend/own-metric.md."""
    gaps: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = {}
    """How far apart the values of a metric in the slices may lie, by metric and slicing columns: `auc: {origin:
    0.05}`."""
    against: Annotated[str, Field(pattern=r"^(champion|pinned|first|best of last [1-9]\d{0,2})$")] = CHAMPION
    """Whose values `may_lose` is measured from: those of the champion; or the best of the champion's and those of all
    pinned versions (`pinned`), of the first model pushed (`first`), or of the last ones (`best of last 6`). See
    docs/evaluation.md#small-losses-one-after-the-other."""
    min_rows: Annotated[int, Field(ge=0)] = 100
    """A slice with fewer rows is shown, but no threshold judges it and no gap counts it."""
    confidence: Share = 0.95
    """Confidence level of the intervals beside the metrics."""
    explain: Explain = Explain()
    """How much work goes into explaining the model."""

    @property
    def last(self) -> int | None:
        """N of `best of last N`; else None."""
        found = re.fullmatch(r"best of last (\d+)", self.against)
        return int(found[1]) if found else None

    @field_validator("slices")
    @classmethod
    def _once_each(cls, slices: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for place, columns in enumerate(slices):
            if not columns:
                raise ValueError("a slice names no column; all rows are measured anyway")
            if len({*columns}) < len(columns):
                raise ValueError(f"[{', '.join(columns)}] names a column twice")
            if {*columns} in map(set, slices[:place]):
                raise ValueError(f"[{', '.join(columns)}] stands twice")
        return slices

    @model_validator(mode="after")
    def _some_model_passes(self) -> Evaluation:
        for metric, threshold in self.thresholds.items():
            for bounds in (threshold, *threshold.slices.values()):
                if metric in UP_TO_ONE and (bounds.at_least or 0) > 1:
                    raise ValueError(f"thresholds.{metric}: no model has {bounds.at_least} or more; the most is 1")
        return self

    @property
    def lower_is_better(self) -> frozenset[str]:
        """The metrics that are better the lower they are, the user's own among them."""
        return LOWER_IS_BETTER | {name for name, metric in self.metrics.items() if metric.better == "lower"}

    @property
    def decided(self) -> tuple[str, ...]:
        """Those of DECIDED that a rule names."""
        return tuple(name for name in DECIDED if name in self.thresholds or name in self.gaps)

    @model_validator(mode="after")
    def _own_metrics_have_names_of_their_own(self) -> Evaluation:
        if taken := sorted(self.metrics.keys() & _TAKEN):
            raise ValueError(f"metrics.{taken[0]}: that is the name of a metric of Longhaul's; take another one")
        return self

    @model_validator(mode="after")
    def _rules_name_slices(self) -> Evaluation:
        for metric, threshold in self.thresholds.items():
            for text in threshold.slices:
                if slice_rule(text, self.slices) is None:
                    raise ValueError(f"thresholds.{metric}.slices: {_unknown_slice(text)}")
        for metric, columns in self.gaps.items():
            for text in columns:
                found = slice_rule(text, self.slices)
                if found is None or found[1] is not None:
                    raise ValueError(f"gaps.{metric}: {_unknown_slice(text)}")
        return self


def lower_is_better(verdict: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the metrics of a recorded verdict that are better the lower they are."""
    return LOWER_IS_BETTER.union((verdict or {}).get("own_lower_is_better", ()))


def slice_rule(text: str, slices: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[str, ...] | None] | None:
    """Return the slices that a rule is about: columns in alphabetical order, and their values; None for values: each
    slice.

    Args:
        text: `carrier`, `carrier, origin`, `carrier=OO`, `carrier=UA, origin=EWR`; columns in any order.
        slices: `evaluation.slices`. None comes back if the rule's columns are not among them.
    """
    # A comma or an equals sign may also stand in a column's name, or in a value: what explains most by names is meant.
    longest_first = sorted(slices, key=lambda columns: (len(columns), sum(map(len, columns))), reverse=True)
    for columns in longest_first:
        if any(text == ", ".join(order) for order in permutations(columns)):
            return tuple(sorted(columns)), None
    for columns in longest_first:
        for order in permutations(columns):
            if found := re.fullmatch(", ".join(f"{re.escape(column)}=(.*)" for column in order), text, re.DOTALL):
                values = dict(zip(order, found.groups(), strict=True))
                return tuple(sorted(columns)), tuple(values[column] for column in sorted(columns))
    return None


def _unknown_slice(text: str) -> str:
    columns = [part.partition("=")[0] for part in text.split(", ")]
    return f"{text!r} is not measured; add [{', '.join(columns)}] to evaluation.slices"
