"""From which probability on is a row flagged? What each choice finds, misses and costs, from Evaluator's curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pipeline.reports.bins import FEW_ROWS_IN_A_BIN
from pipeline.reports.formats import number, quantity

_SHARES = (0.05, 0.1, 0.2)
_TENTHS = tuple(tenth / 10 for tenth in range(1, 10))
_PATH_POINTS = 100
"""Of a curve in the picture."""


@dataclass(frozen=True)
class Choice:
    """A threshold and what follows from it, in rows."""

    threshold: float
    hits: int
    alarms: int
    misses: int
    rest: int

    @property
    def flagged(self) -> int:
        """Rows that are flagged."""
        return self.hits + self.alarms

    @property
    def rows(self) -> int:
        """All rows."""
        return self.flagged + self.misses + self.rest

    @property
    def precision(self) -> float | None:
        """Share of the flagged rows that are positive."""
        return self.hits / self.flagged if self.flagged else None

    @property
    def recall(self) -> float:
        """Share of the positive rows that are flagged."""
        return self.hits / (self.hits + self.misses)

    @property
    def false_positive_rate(self) -> float:
        """Share of the negative rows that are flagged."""
        return self.alarms / (self.alarms + self.rest)

    @property
    def lift(self) -> float | None:
        """How many times as many positives are among the flagged rows as among as many rows taken blindly."""
        share = (self.hits + self.misses) / self.rows
        return None if self.precision is None else self.precision / share

    @property
    def sentence(self) -> str:
        """The choice in whole numbers of hundred."""
        if self.precision is None:
            return "flags none of 100 rows"
        return (
            f"flags {_of_hundred(self.flagged / self.rows)} of 100 rows; {_of_hundred(self.precision)} of 100 flagged "
            f"are positive; finds {_of_hundred(self.recall)} of 100 positives"
        )


@dataclass(frozen=True)
class OnRecord:
    """The threshold that the run chose or was given.

    Attributes:
        by: how it came to be; problem: why there is none, empty if there is one.
        metrics: {precision, recall, accuracy, f1} at it, those that are defined; `champion` the same of the champion
            at its own; slices: by the slice in words.
    """

    threshold: float | None
    by: str
    problem: str
    metrics: dict[str, float]
    champion_threshold: float | None = None
    champion: dict[str, float] = field(default_factory=dict)
    slices: list[tuple[str, dict[str, float]]] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The threshold and its metrics."""
        if self.threshold is None:
            return self.problem
        return f"positive from {quantity(self.threshold)} on, {self.by}: {self.told}"

    @property
    def told(self) -> str:
        """The metrics."""
        return ", ".join(f"{name} {number(value)}" for name, value in self.metrics.items())


def on_record(verdict: Mapping[str, Any] | None) -> OnRecord | None:
    """Read it off `verdict.json`; None of another task, and of an older Longhaul's."""
    told = (verdict or {}).get("decision")
    if not verdict or not told:
        return None
    return OnRecord(
        told["threshold"],
        told["by"],
        told["problem"],
        told.get("metrics", {}),
        told["champion_threshold"],
        told.get("champion", {}).get("metrics", {}),
        [
            (", ".join(f"{column}={value}" for column, value in one["slice"].items()), one["decision"]["metrics"])
            for one in verdict["slices"]
            if one.get("decision", {}).get("metrics")
        ],
    )


@dataclass(frozen=True)
class Picture:
    """A curve for a picture of 100 by 100: points of lines or outlines from the bottom left; what the axes are."""

    name: str
    across: str
    up: str
    paths: list[tuple[str, str]]


@dataclass(frozen=True)
class Decision:
    """The section.

    Attributes:
        choices: all that the curve knows, the highest threshold first: what the slider moves over.
        tenths: a table that needs no script; tops: the choices that flag some shares of the rows.
        now: that at the run's threshold, or at 0.5; threshold: which of both.
        recorded: what the run says of its threshold; None of an older run.
    """

    positives: int
    rows: int
    choices: list[Choice]
    tenths: list[Choice]
    tops: list[tuple[float, Choice]]
    now: Choice
    threshold: float
    pictures: list[Picture]
    recorded: OnRecord | None = None

    @property
    def slice_names(self) -> list[str]:
        """Metrics that the slices are shown with."""
        return ["precision", "recall", "accuracy", "f1"]

    @property
    def lacking(self) -> dict[str, str]:
        """Why there is none of a metric."""
        return {"precision": "none flagged", "recall": "no positives", "accuracy": "no rows", "f1": "no positives"}

    def data(self) -> dict[str, Any]:
        """Return what the script reads: thresholds with hits and alarms."""
        return {
            "rows": self.rows,
            "positives": self.positives,
            "choices": [[choice.threshold, choice.hits, choice.alarms] for choice in self.choices],
        }


def decision(document: Mapping[str, Any] | None, recorded: OnRecord | None = None) -> Decision | None:
    """Return None of another task, or where the rows are of one class.

    Args:
        document: curves.json.
        recorded: what the run says of its threshold.
    """
    threshold = 0.5 if recorded is None or recorded.threshold is None else recorded.threshold
    challenger = (document or {}).get("challenger") or {}
    curve, bars = challenger.get("thresholds"), challenger.get("distribution")
    if not curve or not bars:
        return None
    positives, negatives = round(sum(bars["positive"])), round(sum(bars["negative"]))  # of weighted rows no whole ones
    rows = positives + negatives
    choices = [Choice(1.0, 0, 0, positives, negatives)]
    for at, recall, flagged in zip(curve["threshold"], curve["recall"], curve["flagged"], strict=True):
        hits = min(positives, round(recall * positives))
        alarms = min(negatives, max(0, round(flagged * rows) - hits))
        choices.append(Choice(at, hits, alarms, positives - hits, negatives - alarms))
    return Decision(
        positives,
        rows,
        choices,
        [_at(choices, tenth) for tenth in _TENTHS],
        [(share, min(choices, key=lambda one: abs(one.flagged / rows - share))) for share in _SHARES],
        _at(choices, threshold),
        threshold,
        list(_pictures(choices, challenger)),
        recorded,
    )


def _at(choices: list[Choice], threshold: float) -> Choice:
    """Return what follows from a threshold: the choice with the lowest known one that is not below it."""
    found = [choice for choice in choices if choice.threshold >= threshold - 1e-9]
    last = found[-1]
    return Choice(threshold, last.hits, last.alarms, last.misses, last.rest)


def _of_hundred(share: float) -> str:
    text = f"{100 * share:.0f}"
    return "under 1" if text == "0" and share > 0 else "over 99" if text == "100" and share < 1 else text


def _pictures(choices: list[Choice], challenger: Mapping[str, Any]) -> list[Picture]:
    shown = choices[:: max(1, len(choices) // _PATH_POINTS)]
    shown = shown if shown[-1] is choices[-1] else [*shown, choices[-1]]
    roc = [(one.false_positive_rate, one.recall) for one in shown]
    flagged = [(one.recall, one.precision) for one in shown if one.precision is not None]
    edges, bars = challenger["distribution"]["edges"], challenger["distribution"]
    top = max(max(bars[name]) / max(1, sum(bars[name])) for name in ("negative", "positive")) or 1.0
    outlines = [
        (
            name,
            [
                (0.0, 0.0),
                *(
                    point
                    for (left, right), count in zip(pairwise(edges), bars[name], strict=True)
                    for point in (
                        (left, count / max(1, sum(bars[name])) / top),
                        (right, count / max(1, sum(bars[name])) / top),
                    )
                ),
                (1.0, 0.0),
            ],
        )
        for name in ("negative", "positive")
    ]
    bins = challenger["calibration"]
    enough = [place for place, rows in enumerate(bins["rows"]) if rows >= FEW_ROWS_IN_A_BIN]
    came_true = [(bins["predicted"][place], bins["came_true"][place]) for place in enough]
    return [
        Picture("ROC", "false positive rate", "recall", [("chance", _path([(0, 0), (1, 1)])), ("curve", _path(roc))]),
        Picture("Precision and recall", "recall", "precision", [("curve", _path(flagged))]),
        Picture(
            "Predictions",
            "predicted probability",
            "share of the class, dashed: negative",
            [(name, _path(outline)) for name, outline in outlines],
        ),
        Picture(
            "Calibration",
            "predicted probability",
            "share that came true",
            [("chance", _path([(0, 0), (1, 1)])), ("curve", _path(came_true))],
        ),
    ]


def _path(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{100 * x:.4g},{100 - 100 * y:.4g}" for x, y in points)
