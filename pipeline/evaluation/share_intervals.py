"""Intervals of shares by formulas that know how few rows there are: nothing went wrong in 33 of 33 is no certainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def wilson(hits: Any, rows: Any, confidence: float) -> tuple[Array, Array]:
    """Return Wilson's interval of a share: low and high ends of `hits` of `rows`, numbers or arrays of one shape.

    Wilson, Journal of the American Statistical Association 22, 1927; Brown, Cai, DasGupta, Statistical Science 16,
    2001, recommend it for few rows. Of all rows it is [rows / (rows + z²), 1]; the 'rule of three' says nearly that.
    Of an average precision the rows are the positive ones (Boyd, Eng, Page, ECML 2013; theirs has no width at 1).
    """
    from scipy.special import ndtri

    share = np.asarray(hits / rows)
    z = float(ndtri(0.5 + confidence / 2))
    center = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return np.minimum(center - reach, share), np.maximum(center + reach, share)


def newcombe(auc: float, negative: float, positive: float, confidence: float) -> tuple[float, float]:
    """Return an interval of the area under a ROC curve: what it may truly be, with so many rows of each class.

    Newcombe, Statistics in Medicine 25, 2006, 559-573, method 5: Wilson's idea with the variance of Hanley and McNeil,
    Radiology 143, 1982, so that it has a width where each positive row is above each negative one, too.
    """
    from scipy import optimize
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    more = (negative + positive) / 2 - 1

    def beyond(truth: float) -> float:
        spread = truth * (1 - truth) * (1 + more * (1 - truth) / (2 - truth) + more * truth / (1 + truth))
        return float((auc - truth) ** 2 - z * z * spread / (negative * positive))

    # Between the value and an end of [0, 1] there is one truth that is just z deviations away; the ends are no answer.
    inside = 1e-9
    low = optimize.brentq(beyond, 0.0, auc - inside) if auc > inside and beyond(0.0) > 0 else 0.0
    high = optimize.brentq(beyond, auc + inside, 1.0) if auc < 1 - inside and beyond(1.0) > 0 else 1.0
    return float(low), float(high)
