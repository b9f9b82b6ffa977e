"""Raw rows to the network's inputs, through TFT as in the pipeline: literal rows to exact outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import beam as tft_beam

from pipeline.data.row_groups import RowGroupTFXIO
from pipeline.data.stacked import StackedTFXIO
from trainer import words_file
from trainer.features import Feature, FeatureTable, Kind, Label, Storage, derive
from trainer.preprocessing import (
    CATEGORICAL,
    FLAGS,
    LABEL,
    NUMERIC,
    PLACES,
    _time_parts,
    preprocessing_fn,
)
from trainer.quantile_sketch import Sketch
from trainer.stacks import of_parsed

Rows = Mapping[str, Sequence[Any]]
NAN, INF = math.nan, math.inf

TRAINING: Rows = {
    "even": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
    "tied": [0, 0, 0, 0, 0, 0, 5, 10, 20],
    "constant": [7, 7, 7, 7, 7, 7, 7, 7, 7],
    "holed": [None, 1.0, 2.0, None, 3.0, 4.0, 5.0, None, None],
    "left": [0, 21_600, 43_200, 64_800, 86_399, 0, 0, 0, 0],
    "zone a": ["UA", "UA", "UA", "UA", "AA", "AA", "AA", "B6", None],
    "zone-a": ["x", "x", "x", "x", "y", "y", "y", "y", "y"],
    "code": [10, 10, 10, 10, 10, -1, -1, -1, None],
    "odd": [b"", b"", b"", b"a\r\nb", b"a\r\nb", b"a\nb", b"\xff\n", b"a\x00", None],
    "unseen": [None] * 9,
    "never": [None] * 9,
    "nowhere": [NAN, INF, None] * 3,
    "untold": [None] * 9,
    "unfelt": [None] * 9,
    "late": [0, 1, 0, 1, 0, 1, 0, 1, 1],
}
SCHEMA = text_format.Parse(
    """
    feature { name: "even" type: FLOAT presence { min_fraction: 1 } }
    feature { name: "tied" type: INT presence { min_fraction: 1 } shape {} }
    feature { name: "constant" type: INT presence { min_fraction: 1 } }
    feature { name: "holed" type: FLOAT presence { min_fraction: 0.5 } }
    feature { name: "left" type: INT presence { min_fraction: 1 } time_domain {} }
    feature { name: "zone a" type: BYTES }
    feature { name: "zone-a" type: BYTES }
    feature { name: "code" type: INT }
    feature { name: "odd" type: BYTES }
    feature { name: "unseen" type: FLOAT }
    feature { name: "never" type: INT time_domain {} }
    feature { name: "nowhere" type: FLOAT }
    feature { name: "untold" type: BYTES }
    feature { name: "unfelt" type: INT bool_domain {} }
    feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    """,
    schema_pb2.Schema(),
)
TABLE = derive(
    SCHEMA, label="late", task="binary", classes=["0", "1"], exclude=[], categorical=["code"], max_vocabulary=2, bins=4
)
EVEN, TIED, CONSTANT, HOLED, HOUR, WEEKDAY, DAY_OF_YEAR, UNSEEN, NEVER, _, _, NOWHERE = range(12)
"""Columns of NUMERIC."""


def transform(inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    return preprocessing_fn(inputs, {"features": TABLE.to_dict()})


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, npt.NDArray[Any]], tft.TFTransformOutput]:
    """What TRAINING became, and the graph that was learnt from it."""
    folder = tmp_path_factory.mktemp("tft")
    stored = {Storage.INT: pa.int64(), Storage.FLOAT: pa.float32(), Storage.BYTES: pa.binary()}
    columns = [pa.field(column.name, stored[column.storage]) for column in (*TABLE.features, TABLE.label)]
    pq.write_table(pa.table(dict(TRAINING), schema=pa.schema(columns)), folder / "rows.parquet")
    source = StackedTFXIO(RowGroupTFXIO(str(folder / "rows.parquet"), SCHEMA), TABLE)
    with beam.Pipeline(runner="FnApiRunner") as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = pipeline | source.BeamSource()
        (data, _), function = (raw, source.TensorAdapterConfig()) | tft_beam.AnalyzeAndTransformDataset(
            transform, output_record_batches=True
        )
        _ = function | tft_beam.WriteTransformFn(str(folder))
        _ = data | beam.MapTuple(lambda batch, _: pq.write_table(pa.table(batch), folder / "transformed.parquet"))
    found = pq.read_table(folder / "transformed.parquet").to_pydict()
    return {name: np.array(values) for name, values in found.items()}, tft.TFTransformOutput(str(folder))


@pytest.fixture(scope="module")
def outputs(analysed: tuple[dict[str, npt.NDArray[Any]], Any]) -> dict[str, npt.NDArray[Any]]:
    return analysed[0]


def sparse(values: Sequence[Any], dtype: tf.DType) -> tf.SparseTensor:
    """(rows, 1), absent where None."""
    present = [[row, 0] for row, value in enumerate(values) if value is not None]
    kept = tf.constant([value for value in values if value is not None], dtype)
    return tf.SparseTensor(np.array(present, np.int64).reshape(-1, 2), kept, [len(values), 1])


@pytest.fixture(scope="module")
def served(analysed: tuple[Any, tft.TFTransformOutput]) -> Any:
    """`served(column=values)` transforms rows after training; the other columns are missing."""
    layer = analysed[1].transform_features_layer()
    dtypes = {Storage.INT: tf.int64, Storage.FLOAT: tf.float32, Storage.BYTES: tf.string}

    def call(**given: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
        rows = len(next(iter(given.values())))
        inputs: dict[str, Any] = {
            feature.name: sparse(given.get(feature.name, [None] * rows), dtypes[feature.storage])
            for feature in TABLE.features
        }
        inputs["tied"] = tf.constant(given.get("tied", [0] * rows), tf.int64)
        return {name: tensor.numpy() for name, tensor in layer(of_parsed(inputs, TABLE)).items()}

    return call


# Numbers


STEP = 2 / PLACES


def test_a_number_stands_above_the_share_of_rows_that_are_not_larger(outputs: dict[str, npt.NDArray[Any]]) -> None:
    assert outputs[NUMERIC][:, EVEN] == pytest.approx([(row + 1) / 9 for row in range(9)], abs=STEP)


def test_a_value_of_many_rows_is_at_their_upper_end(outputs: dict[str, npt.NDArray[Any]], served: Any) -> None:
    found = outputs[NUMERIC][:, TIED]
    assert found == pytest.approx([6 / 9] * 6 + [7 / 9, 8 / 9, 1.0], abs=STEP)
    below, at, between, further = served(tied=[-1, 0, 1, 4])[NUMERIC][:, TIED]
    assert (below, at) == (0, found[0])
    assert found[0] < between < further <= found[0] + STEP


def test_a_column_of_one_value_tells_below_from_not_below(outputs: dict[str, npt.NDArray[Any]], served: Any) -> None:
    assert outputs[NUMERIC][:, CONSTANT].tolist() == [1.0] * 9
    assert served(constant=[6, 7, 8])[NUMERIC][:, CONSTANT].tolist() == [0, 1, 1]


def test_outliers_end_where_training_ended(served: Any) -> None:
    assert served(even=[-1e30, -0.001, 8.001, 3e38])[NUMERIC][:, EVEN].tolist() == [0, 0, 1, 1]


def test_missing_numbers_are_in_the_middle_and_flagged(outputs: dict[str, npt.NDArray[Any]], served: Any) -> None:
    # The values that are there are 1, 2, 3, 4, 5.
    found = outputs[NUMERIC][:, HOLED]
    assert found == pytest.approx([0.5, 0.2, 0.4, 0.5, 0.6, 0.8, 1, 0.5, 0.5], abs=STEP)
    assert [found[row] for row in (0, 3, 7, 8)] == [0.5] * 4
    assert outputs[FLAGS][:, 1].tolist() == [1, 0, 0, 1, 0, 0, 0, 1, 1]
    after = served(holed=[None, NAN, INF, -INF, 1.5])
    assert after[NUMERIC][:4, HOLED].tolist() == [0.5] * 4
    assert found[1] < after[NUMERIC][4, HOLED] < found[1] + STEP
    assert after[FLAGS][:, 1].tolist() == [1, 1, 1, 1, 0]
    assert "even" not in [feature.name for feature in TABLE.optional]  # it is required: it has no flag


def test_a_column_without_a_value_in_training_tells_nothing_later(
    outputs: dict[str, npt.NDArray[Any]], served: Any
) -> None:
    """TFT answers for the other columns only, and says not for which."""
    assert outputs[NUMERIC][:, UNSEEN:].tolist() == [[0.5] * 5] * 9
    later = served(unseen=[-1.0, 0.0, 7.0, None], never=[86_400] * 4, nowhere=[1.0] * 4)
    assert later[NUMERIC][:, UNSEEN:].tolist() == [[0.5] * 5] * 4
    known = served(untold=["a", "", None], unfelt=[0, 1, None])
    assert known[CATEGORICAL][:, 4].tolist() == [1, 1, 2]
    assert known[FLAGS][:, 0].tolist() == [0, 1, 0.5]


def test_a_table_without_any_number_in_training() -> None:
    """As above, of every column."""
    for columns in (1, 3):
        for rows in (0, 2):
            nothing = Sketch(columns, 4)
            nothing.add(np.full((rows, columns), NAN, np.float32))
            found = nothing.merge([Sketch(columns, 4)]).quantiles()
            assert np.isnan(found).all()
            assert found.shape == (columns, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-9, 9, width=32) | st.none(), min_size=4, max_size=4), min_size=1, max_size=9))
def test_columns_without_values_change_nothing_of_the_others(rows: list[list[float | None]]) -> None:
    values = np.array(rows, np.float32)

    def of(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        sketch = Sketch(matrix.shape[1], 4)
        sketch.add(matrix)
        return sketch.quantiles()

    together = of(values)
    for column in range(4):
        alone = of(values[:, column : column + 1])[0]
        assert np.array_equal(together[column], alone, equal_nan=True)
        assert np.isnan(alone).all() == np.isnan(values[:, column]).all()


def test_a_time_enters_by_its_parts(outputs: dict[str, npt.NDArray[Any]], served: Any) -> None:
    assert outputs[NUMERIC].shape == (9, 12)
    hours = outputs[NUMERIC][:5, HOUR].tolist()
    assert hours == sorted(hours)
    assert (hours[0], hours[-1]) == pytest.approx((5 / 9, 1.0), abs=STEP)  # five of nine rows leave at midnight
    assert served(left=[None, 0])[NUMERIC][:, HOUR:UNSEEN].tolist() == [[0.5, 0.5, 0.5], [hours[0], 1.0, 1.0]]


@pytest.mark.parametrize(
    ("unix_seconds", "hour", "weekday", "day_of_year"),
    [
        (0, 0, 3, 0),  # Thursday, 1 January 1970
        (1357034400, 10, 1, 0),  # Tuesday, 1 January 2013, 10:00
        (1383350399, 23 + 3599 / 3600, 4, 304),  # Friday, 1 November 2013, 23:59:59
        (-1, 23 + 3599 / 3600, 2, 364),  # Wednesday, 31 December 1969
    ],
)
def test_the_parts_of_a_time(unix_seconds: int, hour: float, weekday: int, day_of_year: int) -> None:
    parts = [float(part[0]) for part in _time_parts(tf.constant([unix_seconds], tf.int64))]
    assert parts[:2] == pytest.approx([hour, weekday])
    assert abs(parts[2] - day_of_year) < 1  # by the mean year


# Categories


def test_ids_go_by_frequency_then_unknown_then_missing(outputs: dict[str, npt.NDArray[Any]], served: Any) -> None:
    zone, also_zone, code, _, _ = outputs[CATEGORICAL].T
    assert zone.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 3]  # two are kept, B6 is one too many
    assert also_zone.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert code.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 3]
    after = served(**{"zone a": ["AA", "ZZ", "", None], "code": [-1, 99, 10, None]})[CATEGORICAL]
    assert after[:, 0].tolist() == [1, 2, 2, 3]
    assert after[:, 2].tolist() == [1, 2, 0, 3]


def test_columns_whose_names_differ_in_a_blank_keep_their_own_vocabularies(
    analysed: tuple[Any, tft.TFTransformOutput],
) -> None:
    words = words_file.read(analysed[1], [feature.name for feature in TABLE.of(Kind.CATEGORICAL)])
    assert words == [[b"UA", b"AA"], [b"y", b"x"], [b"10", b"-1"], [b"", b"a\r\nb"], [words_file._NO_WORD]]


def test_the_empty_text_and_line_breaks_are_values_like_others(
    outputs: dict[str, npt.NDArray[Any]], served: Any
) -> None:
    assert outputs[CATEGORICAL][:, 3].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3]
    assert served(odd=[b"", b"a\r\nb", b"a\nb", b"a b", None])[CATEGORICAL][:, 3].tolist() == [0, 1, 2, 2, 3]


def test_a_second_value_of_a_row_is_refused() -> None:
    dtypes = {Storage.INT: tf.int64, Storage.FLOAT: tf.float32, Storage.BYTES: tf.string}
    for several in ("odd", "code", "holed"):
        inputs = {feature.name: sparse([None], dtypes[feature.storage]) for feature in TABLE.features}
        dtype = dtypes[next(feature.storage for feature in TABLE.features if feature.name == several)]
        two = tf.cast(tf.constant([1, 2]), dtype) if dtype != tf.string else tf.constant(["a", "b"])
        inputs[several] = tf.SparseTensor([[0, 0], [0, 1]], two, [1, 2])
        inputs["tied"] = tf.constant([0], tf.int64)
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than one value"):
            of_parsed(inputs, TABLE)


# Flags and labels need no analysis, so the function can be called as it is.


def labelled(task: str, storage: Storage, classes: tuple[str, ...], values: Any) -> list[Any]:
    only = Feature("night", Kind.BOOLEAN, Storage.INT, optional=False)
    table = FeatureTable(Label("y", task, storage, classes), (only,), max_vocabulary=2, bins=2)
    rows = values.dense_shape[0] if isinstance(values, tf.SparseTensor) else len(values)
    inputs = {"y": values, "night": tf.zeros([rows], tf.int64)}
    found = preprocessing_fn(inputs, {"features": table.to_dict()})
    assert list(found) == [FLAGS, LABEL]
    return list(found[LABEL].numpy())


@pytest.mark.parametrize("dense", [True, False])
def test_booleans_are_flags_and_their_absence_another(dense: bool) -> None:
    features = (
        Feature("night", Kind.BOOLEAN, Storage.INT, optional=True),
        Feature("rain", Kind.BOOLEAN, Storage.INT, optional=False),
    )
    table = FeatureTable(Label("y", "binary", Storage.INT, ("0", "1")), features, max_vocabulary=2, bins=2)
    inputs = {
        "night": tf.constant([[1], [0], [0]], tf.int64) if dense else sparse([1, 0, None], tf.int64),
        "rain": sparse([0, 1, None], tf.int64),
        "y": tf.constant([0, 1, 0], tf.int64),
    }
    found = preprocessing_fn(inputs, {"features": table.to_dict()})[FLAGS].numpy().tolist()
    assert found == [[1, 0, 0], [0, 1, 0], [0, 0.5, 0]] if dense else [[1, 0, 0], [0, 1, 0], [0.5, 0.5, 1]]


@pytest.mark.parametrize("dense", [True, False])
def test_a_label_becomes_the_number_of_its_class(dense: bool) -> None:
    def column(values: list[Any], dtype: tf.DType) -> Any:
        return tf.constant(values, dtype) if dense else sparse(values, dtype)

    assert labelled("binary", Storage.INT, ("0", "1"), column([1, 0], tf.int64)) == [1, 0]
    assert labelled("binary", Storage.BYTES, ("yes", "no"), column(["yes", "no"], tf.string)) == [0, 1]
    assert labelled("multiclass", Storage.INT, ("30", "10", "-20"), column([10, -20, 30], tf.int64)) == [1, 2, 0]
    assert labelled("multiclass", Storage.BYTES, ("rot", "grün", ""), column(["grün", "", "rot"], tf.string)) == [
        1, 2, 0,
    ]  # fmt: skip
    assert labelled("regression", Storage.INT, (), column([3, -4], tf.int64)) == [3.0, -4.0]
    assert labelled("regression", Storage.FLOAT, (), column([2.5, -0.25], tf.float32)) == [2.5, -0.25]
