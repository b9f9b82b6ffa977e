"""What a model said of some rows in the mean, and what was true: calibration where somebody looks, not over all rows.

Of a binary task the mean probability and the share of positives, of several classes the mean probability of the
likeliest one and the share in which it was right, of a regression the mean prediction and the mean label.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.evaluation.share_intervals import wilson
from pipeline.evaluation.tallies import Tally

_FEWEST_ROWS = 2


def standing(task: str, found: Tally, confidence: float) -> dict[str, Any]:
    """Compare predictions with the truth.

    Returns:
        `rows` (effective ones of rows with weights), `predicted`, `true`; `low` and `high`: the interval of what is
        true, Wilson's of a share, of a mean Student's of the errors; `off`: the prediction lies outside. Empty of a
        single row.
    """
    sums = found.sums.sum(axis=0)
    total, rows = sums[0], found.effective_rows
    if rows < _FEWEST_ROWS:
        return {}
    if task == "regression":
        from scipy import stats

        squared, true, predicted = sums[3], sums[4] / total, sums[5] / total
        spread = max(0.0, squared / total - (predicted - true) ** 2) * rows / (rows - 1)
        reach = float(stats.t.ppf(0.5 + confidence / 2, rows - 1)) * (spread / rows) ** 0.5
        low, high = true - reach, true + reach
    else:
        _, probability, came_true = found.calibration_sums().sum(axis=1)
        predicted, true = probability / total, came_true / total
        low, high = (float(end) for end in wilson(came_true * found.rows_per_weight, rows, confidence))
    if not np.isfinite([predicted, true, low, high]).all():
        return {}
    return {
        "rows": int(rows + 1e-9),
        "predicted": float(predicted),
        "true": float(true),
        "low": float(low),
        "high": float(high),
        "off": not low <= predicted <= high,
    }
