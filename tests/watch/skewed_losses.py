"""Losses that are skewed and few, of a model that is as good as it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def skewed_losses() -> tuple[npt.NDArray[Any], float]:
    """Log losses of 400 lives of 40 windows of 250 rows, (lives, windows, rows), and their expected mean."""
    rng = np.random.default_rng(3)
    p = rng.beta(1, 4, (400, 40, 250))
    y = rng.random(p.shape) < p
    loss = np.where(y, -np.log(p), -np.log1p(-p))
    truth = float(np.mean(-(p * np.log(p) + (1 - p) * np.log1p(-p))))
    return loss, truth
