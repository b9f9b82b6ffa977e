"""Planted weaknesses are found, by their own names, and chance is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.row_sample import RowSample
from pipeline.evaluation.weak_slices import _end, weak_slices

ROWS = 3_000


def table(seed: int) -> tuple[np.random.Generator, dict[str, pa.Array]]:
    random = np.random.default_rng(seed)
    columns = {
        "carrier": pa.array(random.choice([b"AA", b"EV", b"UA", None], ROWS), pa.binary()),
        "origin": pa.array(random.choice([b"JFK", b"LGA"], ROWS), pa.binary()),
        "hour": pa.array(random.integers(0, 24, ROWS)),
        "wind": pa.array(np.where(random.random(ROWS) < 0.1, None, random.random(ROWS)), pa.float64()),
    }
    return random, columns


def sample_of(labels: np.ndarray, predictions: np.ndarray) -> RowSample:
    return RowSample(
        np.arange(ROWS), np.zeros(ROWS), labels, predictions.reshape(ROWS, -1), np.empty(ROWS), np.ones(ROWS)
    )


def wrong_where(random: np.random.Generator, weak: np.ndarray) -> RowSample:
    """Said 0.2 everywhere, which is true but for the weak rows, where it is 0.7."""
    labels = (random.random(ROWS) < np.where(weak, 0.7, 0.2)).astype(np.int64)
    return sample_of(labels, np.full(ROWS, 0.2))


def test_one_column() -> None:
    random, columns = table(1)
    weak = columns["wind"].is_null().to_numpy(zero_copy_only=False)
    found = weak_slices("binary", wrong_where(random, weak), columns)
    assert found["slices"][0]["where"] == "wind missing"
    assert found["slices"][0]["rows"] == weak.sum()
    assert found["slices"][0]["said"] == pytest.approx(0.2)
    assert found["slices"][0]["true"] == pytest.approx(0.7, abs=0.1)
    assert found["slices"][0]["loss"] > found["overall"]
    assert (found["rows"], found["loss"]) == (ROWS, "log_loss")


def test_codes_have_every_digit() -> None:
    """Both were called shop = 1.23457e+06."""
    random, columns = table(1)
    columns["shop"] = pa.array(random.choice([1234567, 1234568], ROWS))
    columns["rate"] = pa.array(random.choice([0.1, 0.25], ROWS).astype(np.float32))
    for name, text in (("shop", "1234567"), ("rate", "0.1")):
        values = columns[name].to_numpy(zero_copy_only=False)
        found = weak_slices("binary", wrong_where(random, values == values.dtype.type(text)), columns)
        assert found["slices"][0]["where"] == f"{name} = {text}"


def test_two_columns_at_once_where_neither_alone_says_it() -> None:
    random, columns = table(2)
    carrier, origin = (np.array(columns[name].to_pylist(), object) for name in ("carrier", "origin"))
    weak = (carrier == b"EV") & (origin == b"LGA")
    found = weak_slices("binary", wrong_where(random, weak), columns)
    assert found["slices"][0]["where"] == "carrier = EV and origin = LGA"
    assert all("EV" in entry["where"] or "LGA" in entry["where"] for entry in found["slices"])


def test_chance_is_not_told_though_many_slices_are_looked_at() -> None:
    told = 0
    for seed in range(20):
        random, columns = table(seed)
        found = weak_slices("binary", wrong_where(random, np.zeros(ROWS, bool)), columns)
        assert found["looked_at"] > 50
        told += bool(found["slices"])
    assert told <= 3  # one of 20 tables, by what is asked of p


def test_a_number_and_dates() -> None:
    random, columns = table(3)
    day = 86_400 * np.arange(ROWS)
    columns = {"day": pa.array(day), "origin": columns["origin"]}
    late = day > np.quantile(day, 0.75)
    found = weak_slices(
        "regression", sample_of(np.where(late, 9.0, 1.0) + random.random(ROWS), np.full(ROWS, 2.0)), columns, {"day"}
    )
    assert found["slices"][0]["where"] == "day after 1976-02-28"
    assert found["slices"][0]["true"] == pytest.approx(9.5, abs=0.1)


def test_several_classes_and_few_rows() -> None:
    random, columns = table(4)
    labels = random.integers(0, 3, ROWS)
    weak = np.array(columns["origin"].to_pylist(), object) == b"JFK"
    predictions = np.where(weak[:, None], 1 / 3, 0.1 + 0.7 * np.eye(3)[labels])
    found = weak_slices("multiclass", sample_of(labels, predictions), columns)
    assert [(entry["where"], entry["said"]) for entry in found["slices"]] == [("origin = JFK", None)]
    few = sample_of(labels, predictions).take(np.arange(40))
    assert weak_slices("multiclass", few, {name: column[:40] for name, column in columns.items()})["slices"] == []


def test_ends_are_written_as_people_write_them() -> None:
    """It said: loan above 1.034e+04, up to 1.53e+04."""
    assert [_end(value, False) for value in (10340.2, 1530.0, 0.12345)] == ["10,340", "1530", "0.1235"]
