"""What is counted of a label, and which labels are refused."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config.data import Data
from pipeline.data.labels import LabelTally, check_label, part_text
from pipeline.errors import DataError


def data(task: str, classes: list[str] | None = None) -> Data:
    return Data.model_validate({"path": "t.csv", "label": "y", "task": task, "classes": classes or []})


def tally(task: str, unlabelled: int = 0, **splits: list[Any]) -> LabelTally:
    result = LabelTally(unlabelled=unlabelled)
    for name, labels in splits.items():
        result.add(name, pa.array(labels), task)
    return result


def check(found: LabelTally, declared: Data, labelled: int) -> str:
    with pytest.raises(DataError) as caught:
        check_label(found, declared, labelled)
    assert caught.value.remedy
    return caught.value.what


def test_classes_are_counted_per_split_as_text() -> None:
    found = tally("binary", train=[1, 0, 1], eval=[0])
    found.add("train", pa.array([1]), "binary")
    found.add("test", pa.array([], pa.int64()), "binary")
    assert found.classes == {"train": {"1": 3, "0": 1}, "eval": {"0": 1}}
    assert found.span == {}
    assert tally("multiclass", train=["b", "a", "b"]).classes == {"train": {"b": 2, "a": 1}}


def test_of_a_quantity_the_extremes_are_kept() -> None:
    found = tally("regression", train=[3.0, -1.5], eval=[7])
    found.add("train", pa.array([2.0]), "regression")
    assert found.span == {"train": (-1.5, 3.0), "eval": (7.0, 7.0)}
    assert found.classes == {}


def test_tallies_of_fragments_add_up_also_after_json() -> None:
    parts = [
        tally("binary", unlabelled=2, train=[1, 0], eval=[1]),
        tally("binary", unlabelled=3, train=[1]),
        tally("regression", train=[3.0]),
        tally("regression", train=[-1.0], eval=[0.0]),
    ]
    assert LabelTally.merge(json.loads(json.dumps([part.to_json() for part in parts]))) == LabelTally(
        unlabelled=5,
        classes={"train": {"1": 2, "0": 1}, "eval": {"1": 1}},
        span={"train": (-1.0, 3.0), "eval": (0.0, 0.0)},
    )
    assert LabelTally.merge([]) == LabelTally()


def test_a_label_missing_in_more_rows_than_may_be_is_refused_with_the_setting_that_lifts_it() -> None:
    half = data("binary")
    check_label(tally("binary", 4, train=[1, 0, 1, 0]), half, 4)
    with pytest.raises(DataError, match=r"missing in 5 of 9 rows \(56%\)") as caught:
        check_label(tally("binary", 5, train=[1, 0, 1, 0]), half, 4)
    assert "`data.unlabelled_at_most: 0.56` leaves them out" in caught.value.remedy
    check_label(tally("binary", 5, train=[1, 0, 1, 0]), half.model_copy(update={"unlabelled_at_most": 0.56}), 4)
    nearly_all = half.model_copy(update={"unlabelled_at_most": 0.99})
    with pytest.raises(DataError, match=r"missing in 9 of 9 rows") as caught:
        check_label(tally("binary", 9), nearly_all, 0)
    assert "unlabelled_at_most" not in caught.value.remedy
    # `longhaul validate` adds the classes of the last run.
    none = LabelTally(unlabelled=9, classes={"train": {"0": 5, "1": 3}})
    assert "missing in 9 of 9 rows" in check(none, nearly_all, 0)
    with pytest.raises(DataError, match=r"missing in 6 of 8 rows") as caught:
        check_label(tally("binary", 6, train=[1, 1]), half, 2)
    assert "unlabelled_at_most" not in caught.value.remedy  # nothing could be learned from the others


def test_a_part_of_rows_is_never_all_and_never_less_than_they_are() -> None:
    for some, of in ((1, 2), (2, 3), (999, 1000), (99_999, 100_000), (7, 11)):
        assert some / of <= float(part_text(some, of)) < 1
    assert part_text(2, 3) == "0.67"


def test_a_constant_label_is_refused() -> None:
    assert check(tally("binary", train=[1, 1], eval=[1]), data("binary"), 3) == (
        "label 'y' is constant: '1' in every row"
    )
    assert check(tally("regression", train=[2.5, 2.5], eval=[2.5]), data("regression"), 3) == (
        "label 'y' is constant: 2.5 in every row"
    )
    check_label(tally("regression", train=[2.5], eval=[2.6]), data("regression"), 2)


def test_a_label_constant_in_training_alone_is_refused() -> None:
    message = check(tally("binary", train=[1, 1], eval=[0]), data("binary"), 3)
    assert message.startswith("label 'y' is constant in the training split: '1'")


def test_a_value_that_is_no_class_is_refused() -> None:
    message = check(tally("binary", train=[0, 1, 2]), data("binary"), 3)
    assert message == "label 'y' holds values that are not among its classes ['0', '1']: ['2']"
    colours = data("multiclass", ["red", "green", "blue"])
    message = check(tally("multiclass", train=["red", "green"], eval=["pink"]), colours, 3)
    assert message == "label 'y' holds values that are not among its classes ['red', 'green', 'blue']: ['pink']"
    check_label(tally("multiclass", train=["red", "green"]), colours, 2)  # not every class must occur
