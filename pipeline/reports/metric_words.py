"""What metrics and importances say, in a sentence or a word: for the page of a run, its card and the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "auc": "How often a positive row, drawn at random, gets a higher prediction than a negative one: 1 is always, 0.5 "
    "is what a coin does",
    "auc_precision_recall": "The mean precision over all recalls: 1 is perfect, the share of positive rows is what a "
    "guess has",
    "log_loss": "How surprised the model is by what comes true: 0 is never; being sure and wrong costs most",
    "accuracy": "The share of rows whose likeliest class is the true one",
    "calibration": "What was predicted in sum over what came true: 1 is even, more predicts too much",
    "expected_calibration_error": "How far a predicted probability is from the share that comes true, on average: 0 "
    "means that 30 % happens 30 times in 100",
    "precision": "The share of the flagged rows that are positive, at the threshold of the decision",
    "recall": "The share of the positive rows that are flagged, at the threshold of the decision",
    "f1": "The harmonic mean of precision and recall, at the threshold of the decision: 1 is both perfect",
    "rmse": "The error of a typical prediction in units of the label; large errors count most",
    "mae": "How far a prediction is off on average, in units of the label",
    "squared_correlation": "The share of the label's spread that the predictions explain along a line: 1 is all",
}


def what_it_says(metric: str) -> str:
    """Return the sentence; empty of a metric that is not ours."""
    return _WORDS.get(metric, "")


def is_within_noise(feature: Mapping[str, Any]) -> bool:
    """Return whether chance may have made a feature's importance; an older explanation says no noise: then its
    spread does."""
    return bool(feature["drop"] <= feature.get("noise", 2 * feature["spread"]))
