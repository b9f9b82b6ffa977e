"""The column of data.weight: numbers of 0 or more, some above 0 in each split; TFDV's weighted statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl

from bench.equal import differences
from pipeline.components.example_gen import _judge
from pipeline.config.data import Data
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.split import HashSplit
from pipeline.data.columns import ColumnType
from pipeline.data.sources.source import infer_columns, plan_fragments
from pipeline.data.sources.table_files import find_files
from pipeline.data.split_shards import WriteSplitShards
from pipeline.data.table_statistics import accumulate, extract, in_lists, merge, table_statistics
from pipeline.data.training_columns import check_training_columns
from pipeline.data.values.readings import readings_of
from pipeline.errors import DataError

COLUMNS = {"w": ColumnType.FLOAT, "label": ColumnType.STRING, "n": ColumnType.INT}


def ingest(folder: Path, weights: list[str], **more: Any) -> dict[str, Any]:
    labels = [("no", "yes")[place % 2] for place in range(len(weights))]
    return ingest_rows(folder, [*zip(weights, labels, strict=True)], **more)


def ingest_rows(folder: Path, rows: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    file = folder / "t.csv"
    lines = [f"{weight},{label},{number}\n" for number, (weight, label) in enumerate(rows)]
    file.write_text("w,label,n\n" + "".join(lines))
    settings = {"path": str(file), "label": "label", "task": "binary", "classes": ["no", "yes"], "weight": "w"}
    data = Data.model_validate(settings | more)
    write = WriteSplitShards(
        COLUMNS, data, HashSplit(by="hash"), {name: str(folder / name) for name in ("train", "eval")}
    )
    outcomes = [write(one) for one in enumerate(plan_fragments(find_files(str(file), readings=readings_of(data))))]
    return _judge(outcomes, data, ("train", "eval"), [0])


@pytest.mark.parametrize(
    ("value", "found"), [("-2", "-2"), ("", "no value"), ("NaN", "no value"), ("inf", "inf"), ("-0.5", "-0.5")]
)
def test_a_weight_that_is_none_is_told_with_its_line(tmp_path: Path, value: str, found: str) -> None:
    weights = ["1.5"] * 40
    weights[6] = value
    with pytest.raises(DataError) as caught:
        ingest(tmp_path, weights)
    assert f"t.csv, line 8: column 'w' holds {found} where a weight (data.weight)" in caught.value.what
    assert "with 0 a row counts for nothing" in caught.value.remedy


def test_rows_that_are_left_out_need_no_weight(tmp_path: Path) -> None:
    rows = [("2", ("no", "yes")[place % 2]) for place in range(40)]
    assert ingest_rows(tmp_path, [*rows, ("-1", ""), ("", "")])["rows"] == ingest_rows(tmp_path, rows)["rows"]
    aside = ingest_rows(tmp_path, [*rows, ("two", "no")], bad_rows="set_aside", bad_rows_at_most=0.5)
    assert sum(aside["rows"].values()) == 40


def test_a_split_in_which_nothing_counts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'w' holds 0 in every row of split 'train': nothing there counts"):
        ingest(tmp_path, ["0"] * 40)


def test_the_column_must_be_there_and_hold_numbers(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("w,label\nmuch,1\nlittle,0\n")
    columns = infer_columns(find_files(str(file)), ())
    for weight, told in (("w", "'w' holds .* values, weights are numbers"), ("v", "has no column 'v'")):
        data = Data(path=str(file), label="label", task="binary", weight=weight)
        with pytest.raises(DataError, match=told):
            check_training_columns(columns, str(file), data, HashSplit(by="hash"))


def test_a_weight_is_no_other_column() -> None:
    plain: dict[str, Any] = {
        "name": "n",
        "split": {"by": "hash"},
        "schema": {"file": "-"},
        "evaluation": {"thresholds": {"auc": {}}},
    }
    plain["evaluation"] = {"thresholds": {"auc": {"at_least": 0.5}}}
    data = {"path": "-", "label": "y", "task": "binary", "weight": "w"}
    assert PipelineConfig.model_validate(plain | {"data": data}).never_asked == ("w",)
    for changed, told in (
        ({"data": data | {"weight": "y"}}, "it is the label"),
        ({"data": data | {"drop": ["w"]}}, "data.drop leaves it out"),
        ({"data": data, "features": {"derive": {"twice": "w * 2"}}}, "features.derive.twice reads it"),
    ):
        with pytest.raises(ValueError, match=told):
            PipelineConfig.model_validate(plain | changed)


def table(rows: Any = slice(None)) -> pa.RecordBatch:
    random = np.random.default_rng(7)
    x, w = random.normal(size=300).astype(np.float32), random.integers(0, 4, 300).astype(np.float32)
    words = np.array(["a", "b", "c"])[random.integers(0, 3, 300)]
    lacks = random.random(300) < 0.2
    return pa.record_batch(
        {"x": pa.array(x[rows], mask=lacks[rows]), "word": pa.array(words[rows]), "w": pa.array(w[rows])}
    )


def test_statistics_are_those_of_tfdv_with_a_weight_feature() -> None:
    whole = table()
    lists = pa.RecordBatch.from_arrays(
        [pa.array([None if one is None else [one] for one in column.to_pylist()]) for column in whole.columns],
        names=whole.schema.names,
    )
    lists = lists.set_column(0, "x", lists.column(0).cast(pa.list_(pa.float32())))
    lists = lists.set_column(2, "w", lists.column(2).cast(pa.list_(pa.float32())))
    stock = stats_impl.generate_statistics_in_memory(lists, tfdv.StatsOptions(weight_feature="w"))
    ours = table_statistics([whole.slice(0, 100), whole.slice(100)], "w")
    assert differences(ours, stock) == []
    (dataset,) = ours.datasets
    assert dataset.weighted_num_examples == sum(whole.column("w").to_pylist()) != dataset.num_examples
    assert not table_statistics([whole]).datasets[0].weighted_num_examples


def test_weighted_statistics_of_a_row_of_weight_2_are_those_of_the_row_twice() -> None:
    weights = np.asarray(table().column("w")).astype(int)
    repeated = table_statistics([table(np.repeat(np.arange(300), weights))])
    weighted = {one.path.step[0]: one for one in table_statistics([table()], "w").datasets[0].features}
    for plain in repeated.datasets[0].features:
        found = weighted[plain.path.step[0]]
        if plain.path.step[0] == "word":
            tops = [(one.value, one.frequency) for one in found.string_stats.weighted_string_stats.top_values]
            assert tops == [(one.value, one.frequency) for one in plain.string_stats.top_values]
        else:
            of_weight = found.num_stats.weighted_numeric_stats
            assert of_weight.mean == pytest.approx(plain.num_stats.mean)
            assert of_weight.std_dev == pytest.approx(plain.num_stats.std_dev)
            assert found.num_stats.common_stats.weighted_common_stats.num_non_missing == pytest.approx(
                plain.num_stats.common_stats.num_non_missing
            )


def test_parts_are_merged_with_their_weights() -> None:
    parts = [accumulate([in_lists(table(rows))], "w") for rows in (slice(0, 120), slice(120, None))]
    assert differences(extract(merge(*parts, "w"), "w"), table_statistics([table()], "w")) == []
