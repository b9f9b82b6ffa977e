"""Which row goes to which split: exact bounds in time, and hashes that depend on nothing but values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipeline.config.split import GroupSplit, HashSplit, TimeSplit
from pipeline.data.split import assign, settle, split_names, stratify
from pipeline.errors import DataError

ROWS = pa.record_batch(
    {
        "i": pa.array([1, 2, 3, None, 0, -1, 2**62, 1], pa.int64()),
        "f": pa.array([1, 2.5, None, 0, -1, 1e30, -1, 1], pa.float32()),
        "s": ["a", "b", None, "", "ü", "longer text", "a", "a"],
    }
)


def by_hash(**weights: float) -> HashSplit:
    return HashSplit.model_validate({"by": "hash", "weights": weights})


def by_group(column: str, **weights: float) -> GroupSplit:
    return GroupSplit.model_validate({"by": "group", "column": column, "weights": weights})


def days(*unix_seconds: int) -> pa.RecordBatch:
    return pa.record_batch({"day": pa.array(unix_seconds, pa.int64())})


def shares(assigned: npt.NDArray[np.int8], splits: int) -> list[float]:
    return list(np.bincount(assigned, minlength=splits) / len(assigned))


def test_there_is_a_test_split_only_if_it_gets_rows() -> None:
    assert split_names(by_hash()) == ("train", "eval")
    assert split_names(by_hash(test=0.5)) == ("train", "eval", "test")
    assert split_names(TimeSplit(by="time", column="day", eval_from="2013-11-01")) == ("train", "eval")


# By time


def test_a_bound_in_time_is_exact_to_the_second() -> None:
    split = TimeSplit(by="time", column="day", eval_from="2013-11-01", test_from="2013-12-01T06:00:00")
    november, december = 1383264000, 1385877600
    rows = days(-1, november - 1, november, november + 1, december - 1, december, 2**40)
    assert assign(rows, split).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_a_bound_without_a_zone_is_utc() -> None:
    for text, seconds in (("1970-01-01T00:00:00", 0), ("1970-01-01T00:00:00+02:00", -7200)):
        split = TimeSplit(by="time", column="day", eval_from=text)
        assert assign(days(seconds - 1, seconds), split).tolist() == [0, 1]


def test_a_row_without_a_time_is_an_error() -> None:
    rows = pa.record_batch({"day": pa.array([0, None, None], pa.int64())})
    with pytest.raises(DataError, match="2 rows have no 'day', by which the split is made"):
        assign(rows, TimeSplit(by="time", column="day", eval_from="2013-11-01"))


# By hash


def test_the_assignments_are_these_for_ever() -> None:
    """Golden: another hash would move rows from training to evaluation under people's feet."""
    assert assign(ROWS, by_hash(train=4, eval=3, test=3)).tolist() == [0, 2, 2, 1, 2, 1, 2, 0]
    numbers = pa.record_batch({"i": pa.array(range(24), pa.int64())})
    assert "".join(map(str, assign(numbers, by_hash(train=1, eval=1, test=1)))) == "111212220201212001102201"
    texts = pa.record_batch({"s": [f"N{i}" for i in range(24)]})
    assert "".join(map(str, assign(texts, by_group("s", train=1, eval=1)))) == "011101011101101100000110"


def test_a_row_keeps_its_split_in_any_order_and_any_batch() -> None:
    rng = np.random.default_rng(1)
    rows = pa.record_batch(
        {
            "i": pa.array(rng.integers(0, 1000, 500), pa.int64()),
            "s": pa.array([None if i % 7 == 0 else f"word {i % 40}" for i in range(500)]),
        }
    )
    whole = assign(rows, by_hash())
    order = rng.permutation(500)
    assert (assign(rows.take(pa.array(order)), by_hash()) == whole[order]).all()
    pieces = [assign(rows.slice(start, 33), by_hash()) for start in range(0, 500, 33)]
    assert (np.concatenate(pieces) == whole).all()
    assert (assign(rows.select(["s", "i"]), by_hash()) == whole).all()  # TFRecord knows no order of columns


def test_equal_rows_stay_together() -> None:
    rows = pa.record_batch(
        {
            "i": pa.array([7, None] * 200, pa.int64()),
            "f": pa.array([0.0, None, -0.0, None] * 100, pa.float32()),
            "s": ["x", None] * 200,
        }
    )
    assigned = assign(rows, by_hash(train=1, eval=1, test=1))
    assert len(set(assigned[0::2])) == len(set(assigned[1::2])) == 1


@pytest.mark.parametrize(
    "column",
    [
        pa.array(range(100_000), pa.int64()),
        pa.array(np.arange(100_000) * 2**40),
        pa.array(np.arange(100_000) / 8, pa.float32()),
        pa.array([f"N{i}" for i in range(100_000)]),
    ],
    ids=["ints", "far apart", "floats", "texts"],
)
@pytest.mark.parametrize("weights", [(8, 2, 0), (1, 1, 1), (98, 1, 1), (0.6, 0.1, 0.3)])
def test_shares_are_as_asked_for(column: pa.Array, weights: tuple[float, float, float]) -> None:
    split = by_hash(train=weights[0], eval=weights[1], test=weights[2])
    found = shares(assign(pa.record_batch({"c": column}), split), 3)
    for share, weight in zip(found, weights, strict=True):
        expected = weight / sum(weights)
        deviation = math.sqrt(expected * (1 - expected) / 100_000)  # of a fair draw
        assert abs(share - expected) <= 4 * deviation


def test_splits_of_different_columns_are_independent() -> None:
    rows = pa.record_batch({"a": pa.array(range(100_000)), "b": pa.array(np.arange(100_000) + 1)})
    a, b = (assign(rows, by_group(name, train=1, eval=1)) for name in "ab")
    assert abs((a == b).mean() - 0.5) < 0.007


def test_a_new_column_moves_rows_only_if_it_is_hashed() -> None:
    """The whole row told the split: with a column more, most rows of the new evaluation had been trained on."""
    rows = pa.record_batch({"id": pa.array(range(1_000)), "x": pa.array([i * 7 % 13 for i in range(1_000)])})
    more = pa.record_batch({"id": rows["id"], "x": rows["x"], "new": pa.array([i % 5 for i in range(1_000)])})
    by_id = HashSplit.model_validate({"by": "hash", "columns": ["id"]})
    assert (assign(rows, by_id) == assign(more, by_id)).all()
    assert (assign(rows, by_hash()) != assign(more, by_hash())).mean() > 0.2
    both, turned = (HashSplit.model_validate({"by": "hash", "columns": names}) for names in (["id", "x"], ["x", "id"]))
    assert (assign(more, both) == assign(rows, turned)).all()
    assert (assign(rows, both) == assign(rows, by_hash())).all()


def test_columns_to_hash_are_named_once() -> None:
    with pytest.raises(ValidationError, match="a column stands twice"):
        HashSplit.model_validate({"by": "hash", "columns": ["id", "id"]})


# By group


def test_a_group_is_never_in_two_splits() -> None:
    groups = [f"customer {i % 300}" for i in range(9_000)]
    rows = pa.record_batch({"group": groups, "i": pa.array(range(9_000))})
    assigned = assign(rows, by_group("group"))
    places: dict[str, set[int]] = {}
    for group, place in zip(groups, assigned.tolist(), strict=True):
        places.setdefault(group, set()).add(place)
    assert all(len(found) == 1 for found in places.values())
    share = sum(found == {1} for found in places.values()) / 300
    assert 0.2 - 0.07 < share < 0.2 + 0.07  # three deviations of a fair draw of 300


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.string()])
def test_rows_without_a_group_are_a_group(kind: pa.DataType) -> None:
    rows = pa.record_batch({"g": pa.nulls(50, kind)})
    assert len(set(assign(rows, by_group("g", train=1, eval=1)))) == 1


def test_no_rows_give_no_assignments() -> None:
    empty: Any = ROWS.slice(0, 0)
    assert assign(empty, by_hash()).shape == (0,)


# By time, with bounds that move


def by_time(**settings: Any) -> TimeSplit:
    return TimeSplit.model_validate({"by": "time"} | settings)


def no_times(name: str) -> Any:
    raise AssertionError(f"{name} is not needed")


@pytest.mark.parametrize(
    ("settings", "judging", "held_out"),
    [
        ({"eval": "last 2 spans"}, (4, 5), None),
        ({"eval": "last 1 span", "test": "last 2 spans"}, (3,), (4, 5)),
        ({"eval": [2], "test": [5]}, (2,), (5,)),
        ({"eval": [2, 4]}, (2, 4), None),
    ],
)
def test_whole_spans_evaluate(settings: dict[str, Any], judging: Any, held_out: Any) -> None:
    settled = settle(by_time(**settings), [1, 2, 3, 4, 5], no_times)
    assert isinstance(settled, TimeSplit)
    assert (settled.eval, settled.test) == (judging, held_out)
    assert settle(settled, [1, 2, 3, 4, 5], no_times) == settled
    for span in range(1, 6):
        side = 1 if span in judging else 2 if span in (held_out or ()) else 0
        assert assign(days(1, 2), settled, span).tolist() == [side, side]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"eval": "last 5 spans"}, "no span is left to train; there are 5: 1 to 5"),
        ({"eval": "last 3 spans", "test": "last 2 spans"}, "no span is left to train"),
        ({"eval": [6]}, "span 6 is not among those that are used, 1 to 5"),
    ],
)
def test_spans_that_are_not_there_cannot_evaluate(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        settle(by_time(**settings), [1, 2, 3, 4, 5], no_times)


@pytest.mark.parametrize("seed", range(5))
def test_a_share_of_the_rows_is_the_latest(seed: int) -> None:
    times = np.random.default_rng(seed).choice(10**6, 1000, replace=False)
    settled = settle(by_time(column="day", eval="last 20 %", test="last 10%"), [0], lambda _: times)
    assert isinstance(settled, TimeSplit)
    assert settled.eval is None
    which = assign(days(*times.tolist()), settled)
    assert np.bincount(which).tolist() == [700, 200, 100]
    assert times[which == 0].max() < times[which == 1].min() <= times[which == 1].max() < times[which == 2].min()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "name either eval"),
        ({"eval": "last 2 spans", "eval_from": "2013-01-01"}, "name either eval"),
        ({"eval": "last 20 %"}, "column: name the column"),
        ({"eval": "last 20 %", "test": "last 1 span", "column": "day"}, "must both count spans"),
        ({"eval": "last 60 %", "test": "last 40 %", "column": "day"}, "no row is left to train"),
        ({"eval_from": "2013-01-01"}, "column: name the column"),
        ({"eval_from": "2013-01-01", "test": "last 1 span", "column": "day"}, "test: stands beside eval"),
        ({"eval": "last two spans"}, "`last N spans`"),
    ],
)
def test_a_split_by_time_is_written_in_one_way(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        by_time(**settings)
    assert said in str(caught.value)


# Stratified


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("test", [0, 1])
def test_each_class_of_a_small_table_gets_its_share_of_every_split(seed: int, test: int) -> None:
    source = np.random.default_rng(seed)
    labels = ["yes"] * 3 + ["no"] * 17 + ["other"] * 40
    rows = pa.record_batch({"x": source.normal(size=60), "label": labels})
    split = HashSplit.model_validate({"by": "hash", "weights": {"test": test}, "stratify": "label"})
    settled = stratify(split, [rows.slice(0, 25), rows.slice(25)])
    order = pa.array(source.permutation(60))
    shuffled = rows.take(order)
    which = assign(shuffled, settled)
    assert which.tolist() == assign(rows, settled)[order.to_numpy()].tolist()  # by values, not by places
    found = {
        label: np.bincount(which[np.array(shuffled.column("label").to_pylist()) == label], minlength=2 + test).tolist()
        for label in ("yes", "no", "other")
    }
    assert found == (
        {"yes": [1, 1, 1], "no": [12, 3, 2], "other": [29, 7, 4]}
        if test
        else {"yes": [2, 1], "no": [14, 3], "other": [32, 8]}
    )


def test_a_stratified_split_goes_through_json_and_knows_what_to_do_with_a_new_class() -> None:
    rows = pa.record_batch({"x": list(range(20)), "label": [0, 1] * 10})
    settled = stratify(HashSplit(by="hash", stratify="label"), [rows])
    again = HashSplit.model_validate_json(settled.model_dump_json())
    assert assign(rows, again).tolist() == assign(rows, settled).tolist()
    new = pa.record_batch({"x": list(range(1000)), "label": [7] * 1000})
    assert assign(new, again).tolist() == assign(new, HashSplit(by="hash")).tolist()


def test_one_row_of_a_class_trains_and_equal_rows_stay_together() -> None:
    split = HashSplit(by="hash", stratify="label")
    one = pa.record_batch({"x": [1, 2, 3], "label": ["a", "b", "b"]})
    which = assign(one, stratify(split, [one])).tolist()
    assert which[0] == 0
    assert sorted(which[1:]) == [0, 1]
    same = pa.record_batch({"x": [1] * 10, "label": ["a"] * 10})
    assert len(set(assign(same, stratify(split, [same])).tolist())) == 1
