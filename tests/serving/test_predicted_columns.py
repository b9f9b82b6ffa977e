"""The columns that predictions add, by task."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.serving.predicted_columns import predicted_columns, predicted_names
from trainer.features import Label, Storage


def added(label: Label, scores: list[list[float]], threshold: float = 0.5) -> dict[str, list[object]]:
    columns = predicted_columns(label, np.array(scores, np.float32), threshold)
    return dict(zip(predicted_names(label), [column.to_pylist() for column in columns], strict=True))


def test_binary() -> None:
    """0.5 itself is the positive class, as it is to the server."""
    text = Label("again", "binary", Storage.BYTES, ("no", "yes"))
    assert added(text, [[0.25], [0.5], [0.75]]) == {
        "predicted_again": ["no", "yes", "yes"],
        "probability_again_yes": [0.25, 0.5, 0.75],
    }
    number = Label("late", "binary", Storage.INT, ("0", "1"))
    assert added(number, [[0.25], [0.75]]) == {"predicted_late": [0, 1], "probability_late_1": [0.25, 0.75]}


def test_a_threshold_of_its_own_is_held_as_it_is_written() -> None:
    """0.7 as float32 is a little less than 0.7: compared in float32, that score would be flagged."""
    text = Label("again", "binary", Storage.BYTES, ("no", "yes"))
    assert added(text, [[0.3], [0.7], [0.71]], 0.7)["predicted_again"] == ["no", "no", "yes"]
    assert added(text, [[0.3], [0.7], [0.71]], 0.3)["predicted_again"] == ["yes", "yes", "yes"]


def test_multiclass() -> None:
    text = Label("size", "multiclass", Storage.BYTES, ("S", "M", "L"))
    assert added(text, [[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]) == {
        "predicted_size": ["S", "L"],
        "probability_size": [0.5, 0.75],
        "probability_size_S": [0.5, 0.125],
        "probability_size_M": [0.25, 0.125],
        "probability_size_L": [0.25, 0.75],
    }
    number = Label("grade", "multiclass", Storage.INT, ("1", "2", "-5"))
    assert predicted_columns(number, np.array([[0, 0, 1]]), 0.5)[0] == pa.array([-5])


def test_regression() -> None:
    assert added(Label("price", "regression", Storage.FLOAT, ()), [[1.5], [-2]]) == {"predicted_price": [1.5, -2]}
