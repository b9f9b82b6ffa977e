"""Whether the texts of a column are words for yes and no, and which."""

from __future__ import annotations

import numpy as np

from pipeline.data.values.booleans import MIXED, PAIRS
from pipeline.data.values.counted import NEARLY_ALL, Counted, Fit


def guess_boolean(values: Counted) -> Fit | None:
    """Return the words for no and yes, if both stand in the column and nearly nothing else; without words where people
    mix them, as Yes, y and TRUE."""
    if len(values.texts) > 1000:
        return None
    lower = [text.casefold() for text in values.texts.to_pylist()]
    for no, yes in PAIRS:
        fits = np.array([text in (no, yes) for text in lower])
        if no in lower and yes in lower and values.share(fits) >= NEARLY_ALL:
            return Fit({"kind": "boolean", "words": (no, yes)}, fits)
    mixed = np.array([text in MIXED or text in MIXED.values() for text in lower])
    told = {*lower} & {"no", "false"} and {*lower} & {"yes", "true"}
    return Fit({"kind": "boolean"}, mixed) if told and values.share(mixed) >= NEARLY_ALL else None
