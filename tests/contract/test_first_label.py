"""Labels as people write them: the task, the classes, and what cannot be learned, with value, rows and remedy."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from pipeline.contract.first_label import LabelGuess, candidates, guess_label
from pipeline.data.columns import ColumnType
from pipeline.errors import DataError

INT, FLOAT, STRING, BOOL, TIMESTAMP = (
    ColumnType.INT, ColumnType.FLOAT, ColumnType.STRING, ColumnType.BOOL, ColumnType.TIMESTAMP,
)  # fmt: skip


def guess(values: list[Any], kind: ColumnType, **asked: Any) -> LabelGuess:
    return guess_label(pa.chunked_array([pa.array(values).cast(kind.stored)]), "y", kind, **asked)


@pytest.mark.parametrize(
    ("values", "kind", "task", "classes", "read_as"),
    [
        ([0.0, 1.0, None, 1.0] * 20, FLOAT, "binary", ("0", "1"), INT),  # as pandas writes, once one was missing
        ([1.0, 2.0, 3.0] * 20, FLOAT, "multiclass", ("1", "2", "3"), INT),
        (["yes", "no"] * 20, STRING, "binary", ("no", "yes"), STRING),
        (["ja", "nein"] * 20, STRING, "binary", ("nein", "ja"), STRING),
        (["Oui", "Non"] * 20, STRING, "binary", ("Non", "Oui"), STRING),
        (["good", "bad"] * 20, STRING, "binary", ("bad", "good"), STRING),
        (["low", "high"] * 20, STRING, "binary", ("low", "high"), STRING),
        (["m", "s"] * 20, STRING, "binary", ("m", "s"), STRING),  # which may stand for anything
        ([True, False] * 20, BOOL, "binary", ("0", "1"), BOOL),
        ([1, 2, 3, 4, 5] * 20, INT, "multiclass", ("1", "2", "3", "4", "5"), INT),
        ([-1, 1] * 20, INT, "binary", ("-1", "1"), INT),
        ([3, 8] * 5, INT, "binary", ("3", "8"), INT),
        (["low", "high", "medium"] * 20, STRING, "multiclass", ("low", "medium", "high"), STRING),
        (["GA", "NA", "TA"] * 20, STRING, "multiclass", ("GA", "NA", "TA"), STRING),
        ([1200 + 7 * i for i in range(300)], INT, "regression", (), INT),  # amounts
        ([1200.0 + 7 * i for i in range(300)], FLOAT, "regression", (), FLOAT),
        ([i % 40 for i in range(100)], INT, "regression", (), INT),  # too few rows each for classes
        ([i % 40 for i in range(4000)], INT, "multiclass", tuple(map(str, range(40))), INT),
        ([0.5 + i for i in range(30)], FLOAT, "regression", (), FLOAT),
    ],
)
def test_the_task_is_told_by_the_values(
    values: list[Any], kind: ColumnType, task: str, classes: tuple[str, ...], read_as: ColumnType
) -> None:
    found = guess(values, kind)
    assert (found.task, found.classes, found.kind) == (task, classes, read_as)
    assert "nan" not in found.first.bound


def test_an_order_is_said_and_has_a_switch() -> None:
    stars = [1, 2, 3, 4, 5] * 20
    assert (
        "1 to 5: classes; `--task regression` takes them for a scale, data.ordered: true for classes in order"
        in guess(stars, INT).said
    )
    words = guess(["Very High", "low", "HIGH"] * 20, STRING)
    assert (words.classes, words.ordered) == (("low", "HIGH", "Very High"), True)
    assert "low to Very High: classes in order (data.ordered)" in words.said
    for classes in (["low", "high", "red"], ["low", "high"], ["large", "big", "small"], ["m", "medium", "large"]):
        assert not guess(classes * 20, STRING).ordered, classes
    assert guess(stars, INT, task="regression").task == "regression"
    counts = [i % 40 for i in range(100)]
    assert any("`--task multiclass`" in said for said in guess(counts, INT).said)
    assert guess(counts, INT, task="multiclass").task == "multiclass"
    wholes = guess([float(one) for one in stars], FLOAT, task="regression")
    assert (wholes.task, wholes.kind) == ("regression", FLOAT)


def test_rows_without_a_label_are_counted_and_named() -> None:
    found = guess(["a", None, "b", "a", None, "b"] * 3, STRING, marks={"NA": 6})
    assert found.missing == 6
    assert (
        "6 of 18 rows have no label (rows 2, 5, 8, 11, 14 and 1 more): they are left out of what is learned from. "
        "6 say 'NA': `--na-is-value y` takes it for a class" in found.said
    )
    with pytest.raises(DataError, match=r"missing in 6 of 8 rows .*: 6 say 'NA'\n.*`--na-is-value y`"):
        guess(["a", None, None, None, "b", None, None, None], STRING, marks={"NA": 6})


def test_rare_classes_are_said() -> None:
    found = guess(["a"] * 50 + ["b"] * 50 + ["c"], STRING)
    assert "classes with few rows: 'c' 1; little can be learned or judged of them" in found.said


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (
            [1.5, float("inf"), 2.5, float("-inf")],
            FLOAT,
            r"infinite numbers, inf and -inf, in rows 2, 4\n  Remedy: .*`--missing=inf --missing=-inf`",
        ),
        ([1.5, float("-inf"), 2.5], FLOAT, r"infinite number, -inf, in row 2"),
        (["a"] * 9, STRING, r"constant: 'a' in every row"),
        ([None] * 9, STRING, r"missing in every row"),
        ([1, 2], TIMESTAMP, r"dates or times"),
        ([f"t{i}" for i in range(600)], STRING, r"600 different values in 600 rows, such as 't0'"),
    ],
)
def test_what_cannot_be_learned_is_refused(values: list[Any], kind: ColumnType, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        guess(values, kind)


@pytest.mark.parametrize(
    ("values", "kind", "task", "expected"),
    [
        ([0.5, 1.5] * 20, FLOAT, "binary", r"such as 0\.5.*\n  Remedy: `--type y=text`"),
        (["a", "b"] * 20, STRING, "regression", r"such as 'a', and a regression needs numbers"),
        ([1, 2, 3] * 20, INT, "binary", r"3 different values, not two"),
    ],
)
def test_a_task_that_does_not_fit_is_refused(values: list[Any], kind: ColumnType, task: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        guess(values, kind, task=task)


def test_candidates_are_proposed() -> None:
    draw = random.Random(1)
    rows = 200
    columns = {
        "customer": [f"c{i}" for i in range(rows)],
        "age": [draw.randrange(18, 80) for _ in range(rows)],
        "churned": [draw.randrange(2) for _ in range(rows)],
        "when": ["x"] * rows,
        "plan": draw.choices(["a", "b", "c"], k=rows),
    }
    kinds = {"customer": STRING, "age": INT, "churned": INT, "when": STRING, "plan": STRING}
    table = pa.table({name: pa.array(values).cast(kinds[name].stored) for name, values in columns.items()})
    assert candidates(table, kinds) == [
        ("churned", "binary: 0, 1"),
        ("plan", "multiclass: a, b, c"),
        ("age", "regression: a quantity"),
    ]
