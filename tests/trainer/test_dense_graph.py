"""The dense graph against plain Python: 10,000 random rows with gaps, unknown words and extreme numbers.

What an analysis would learn is given here: edges between which numbers lie, and words.
"""

from __future__ import annotations

import bisect
import datetime
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from trainer import quantiles, words_file
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.preprocessing import CATEGORICAL, FLAGS, LABEL, NUMERIC, PLACES, SKETCH_BUCKETS, preprocessing_fn
from trainer.stacks import of_batch

ROWS = 10_000
INT, FLOAT, BYTES = Storage.INT, Storage.FLOAT, Storage.BYTES
FEATURES = (
    Feature("code", Kind.CATEGORICAL, INT, optional=True),
    Feature("miles", Kind.NUMERIC, FLOAT, optional=True),
    Feature("left", Kind.TIMESTAMP, INT, optional=True),
    Feature("count", Kind.NUMERIC, INT, optional=False),
    Feature("night", Kind.BOOLEAN, INT, optional=True),
    Feature("carrier", Kind.CATEGORICAL, BYTES, optional=True),
    Feature("tied", Kind.NUMERIC, FLOAT, optional=True),
    Feature("huge", Kind.NUMERIC, FLOAT, optional=False),
    Feature("rain", Kind.BOOLEAN, INT, optional=False),
    Feature("zone", Kind.CATEGORICAL, BYTES, optional=False),
)
TABLE = FeatureTable(Label("late", "multiclass", BYTES, ("no", "yes", "")), FEATURES, max_vocabulary=9, bins=4)
WORDS = {"code": [b"7", b"-1", b"9007199254740993"], "carrier": [b"UA", b"", b"\xff\n", b"1:UA"], "zone": [b"UA"]}
EXTREME: dict[Storage, list[Any]] = {
    FLOAT: [math.nan, math.inf, -math.inf, 3.4e38, -3.4e38, 1e-45, 0.0, -0.0, 5.0],
    INT: [2**63 - 1, -(2**63), 0, -1, 7, 2**53 + 1],
    BYTES: [b"never seen", b"", b"\xff\n", b"UA", b"1:UA", b"x" * 3000],
}


def edges() -> npt.NDArray[np.float32]:
    """(numbers, SKETCH_BUCKETS - 1), as TFT's sketch gives them; parts of the time have three columns."""
    chosen = np.random.default_rng(4)
    each = [
        chosen.normal(0, 3, SKETCH_BUCKETS - 1),  # miles
        *(np.linspace(0, most, SKETCH_BUCKETS - 1) for most in (24, 6, 365)),
        chosen.integers(-3, 9, SKETCH_BUCKETS - 1),  # count
        np.where(chosen.random(SKETCH_BUCKETS - 1) < 0.7, 5.0, chosen.normal(5, 1, SKETCH_BUCKETS - 1)),  # tied
        chosen.choice([-3.3e38, 3.3e38], SKETCH_BUCKETS - 1),  # huge
    ]
    return np.sort(np.stack(each).astype(np.float32), axis=1)


def rows() -> dict[str, list[Any]]:
    chosen = np.random.default_rng(5)

    def ordinary(feature: Feature) -> Any:
        if feature.kind is Kind.TIMESTAMP:
            return int(chosen.integers(-(10**9), 2 * 10**9))
        if feature.kind is Kind.BOOLEAN:
            return int(chosen.integers(0, 2))
        if feature.storage is BYTES:
            return WORDS[feature.name][int(chosen.integers(0, len(WORDS[feature.name])))]
        return int(chosen.integers(-5, 10)) if feature.storage is INT else float(np.float32(chosen.normal(2, 3)))

    def value(feature: Feature) -> Any:
        kind = chosen.random()
        if kind < 0.15:
            return None
        if kind < 0.35 and feature.kind not in (Kind.BOOLEAN, Kind.TIMESTAMP):
            return EXTREME[feature.storage][int(chosen.integers(0, len(EXTREME[feature.storage])))]
        return ordinary(feature)

    found: dict[str, list[Any]] = {feature.name: [value(feature) for _ in range(ROWS)] for feature in FEATURES}
    return found | {"late": [(b"no", b"yes", b"")[row % 3] for row in range(ROWS)]}


def place(value: float | None, of: Sequence[float]) -> float:
    """Where a number lies among the edges, 0 to 1, in exact arithmetic as far as Python has it."""
    if value is None or not math.isfinite(value):
        return 0.5
    if value < of[0]:
        return 0.0
    if value >= of[-1]:
        return 1.0
    above = bisect.bisect_right(of, value)
    return (above - 1 + (value - of[above - 1]) / (of[above] - of[above - 1])) / PLACES


def parts_of(seconds: int | None) -> list[float | None]:
    if seconds is None:
        return [None] * 3
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    day = (at - datetime.datetime(1970, 1, 1)).days
    return [at.hour + at.minute / 60 + at.second / 3600, at.weekday(), day % 365.2425]


def reference(given: dict[str, list[Any]], learnt: npt.NDArray[np.float32]) -> dict[str, Any]:
    picks = [round(i * (SKETCH_BUCKETS - 2) / PLACES) for i in range(PLACES + 1)]
    steps = [[float(edge) for edge in column[picks]] for column in learnt]

    def numbers(row: int) -> list[float]:
        values: list[float | None] = []
        for feature in FEATURES:
            if feature.kind is Kind.TIMESTAMP:
                values += parts_of(given[feature.name][row])
            elif feature.kind is Kind.NUMERIC:
                value = given[feature.name][row]
                values.append(None if value is None else float(np.float32(value)))
        return [place(value, of) for value, of in zip(values, steps, strict=True)]

    def flags(row: int) -> list[float]:
        booleans = [given[name][row] for name in ("night", "rain")]
        optional = [given[name][row] for name in ("miles", "left", "night", "tied")]
        missing = [value is None or (isinstance(value, float) and not math.isfinite(value)) for value in optional]
        return [0.5 if value is None else float(value) for value in booleans] + [float(one) for one in missing]

    def ids(row: int) -> list[int]:
        found = []
        for name in ("code", "carrier", "zone"):
            value, words = given[name][row], WORDS[name]
            word = str(value).encode() if isinstance(value, int) else value
            found.append(len(words) + 1 if value is None else words.index(word) if word in words else len(words))
        return found

    every = range(ROWS)
    return {
        NUMERIC: [numbers(row) for row in every],
        FLAGS: [flags(row) for row in every],
        CATEGORICAL: [ids(row) for row in every],
        LABEL: [row % 3 for row in every],
    }


@pytest.mark.parametrize("in_graph", [False, True])
def test_ten_thousand_odd_rows_are_as_plain_python_has_them(
    in_graph: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, learnt, given = tmp_path / words_file.FILE, edges(), rows()
    file.write_bytes(words_file.write(list(WORDS.values()), list(WORDS)))
    monkeypatch.setattr(quantiles, "of_columns", lambda *_, **__: tf.constant(learnt))
    monkeypatch.setattr(tft.experimental, "ptransform_analyzer", lambda *_, **__: (tf.constant(str(file)),))
    monkeypatch.setattr(
        tft.tf_utils, "construct_and_lookup_table", lambda table, path, keys: (table(path).lookup(keys), None)
    )
    types = {FLOAT: pa.float32(), INT: pa.int64(), BYTES: pa.binary()}
    stored = {one.name: pa.array(given[one.name], types[one.storage]) for one in (*FEATURES, TABLE.label)}
    inputs = {name: tf.constant(matrix) for name, matrix in of_batch(pa.record_batch(stored), TABLE).items()}
    transform = lambda raw: preprocessing_fn(raw, {"features": TABLE.to_dict()})  # noqa: E731
    if in_graph:
        transform = tf.function(transform)
    found = transform(inputs)
    expected = reference(given, learnt)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-6, err_msg=name)
