"""A boolean is stored as 0 and 1, and is called false and true wherever a page or a screen names its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.evaluation import Evaluation
from pipeline.evaluation.booleans import boolean_columns
from pipeline.evaluation.columnar_metrics import slices_of
from pipeline.evaluation.effects import effects
from pipeline.evaluation.explanation import _weak
from pipeline.evaluation.model_judge import Measured, judge
from pipeline.evaluation.row_sample import RowSample
from pipeline.reports.formats import cell
from pipeline.reports.single_rows import row_key
from trainer.features import Feature, FeatureTable, Kind, Label, Storage
from trainer.rows import INTS, as_lists

ROWS = 2_000
TABLE = FeatureTable(
    Label("late", "binary", Storage.INT, ("0", "1")), (Feature("referred", Kind.BOOLEAN, Storage.INT, True),), 10, 4
)
REFERRED = pa.array(np.where(np.arange(ROWS) % 10 == 0, None, np.arange(ROWS) % 3 == 0), pa.bool_()).cast(pa.int64())


class Known:
    """Says 0.2 of everyone."""

    def __init__(self) -> None:
        self.signatures = {"serving_tensors": self.score}

    def score(self, referred: Any) -> dict[str, Any]:
        return {"prediction": tf.fill((len(referred), 1), 0.2)}


def sample() -> RowSample:
    """The label is 1 of every second row that was referred, of every fifth other."""
    number, referred = np.arange(ROWS), REFERRED.fill_null(0).to_numpy().astype(bool)
    labels = np.where(referred, number % 2, number % 5 == 1).astype(np.int64)
    return RowSample(number, np.zeros(ROWS), labels, np.full((ROWS, 1), 0.2), np.empty(ROWS), np.ones(ROWS))


def test_slices() -> None:
    text = 'feature {name: "referred" type: INT bool_domain {}} feature {name: "code" type: INT}'
    code = pa.array(np.arange(ROWS) % 2)
    lists = [as_lists(column, INTS) for column in (REFERRED, code)]
    batch = pa.RecordBatch.from_arrays(lists, names=["referred", "code"])
    booleans = boolean_columns(text_format.Parse(text, schema_pb2.Schema()))
    found = {key: len(rows) for key, rows in slices_of(batch, ("code", "referred"), booleans)}
    assert sum(found.values()) == ROWS - REFERRED.null_count
    assert set(found) == {(("code", code), ("referred", word)) for code in (0, 1) for word in ("false", "true")}


def test_weak_slices_and_effects() -> None:
    weak = _weak(sample(), {"referred": REFERRED}, TABLE)
    assert [one["where"] for one in weak["slices"]] == ["referred = true"]
    (found,) = effects(Known(), sample(), {"referred": REFERRED}, TABLE, None, 0.95)["features"]
    assert [one["text"] for one in found["cells"]] == ["false", "true"]


@pytest.mark.parametrize("rule", ["referred=1", "referred=true"])
def test_a_rule_names_the_slice_by_number_or_word(rule: str) -> None:
    rules = Evaluation.model_validate(
        {"slices": [["referred"]], "thresholds": {"auc": {"slices": {rule: {"at_least": 0.6}}}}}
    )
    every = Measured({}, 2_000, {"auc": 0.7}, {}, {})
    slices = [Measured({"referred": word}, 1_000, {"auc": 0.5}, {}, {}) for word in ("false", "true")]
    assert judge([every, *slices], rules, frozenset(), None).failed_slices == [("referred=true", "auc")]


def test_single_rows() -> None:
    assert [cell(value, "boolean") for value in (0, 1, 1.0, None)] == ["false", "true", "true", "missing"]
    assert [cell("AA"), cell(1), cell(0, "timestamp")] == ["AA", "1", "1970-01-01 00:00"]
    assert row_key({"key": {"vip": 1, "day": 1}}, {"vip": "bool", "day": "int"}) == "vip true, day 1"
