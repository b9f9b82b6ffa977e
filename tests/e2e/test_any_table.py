"""Tables that nobody prepared for us: `longhaul init`, `longhaul run`, and no code."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from pipeline.config.loading import load
from pipeline.lineage.runs import Run, StepState, find_run
from pipeline.lineage.store import open_store

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Table:
    """A table on disk, what is said of it, and what `longhaul init` and a good model must make of it.

    Attributes:
        metric, least, most: within these bounds; a model that has learnt nothing is outside.
    """

    write: Callable[[Path], None]
    file: str
    label: str
    task: str
    classes: list[str]
    metric: str
    least: float
    most: float


def from_sklearn(name: str, names: bool = False) -> Callable[[Path], None]:
    """One of scikit-learn's tables as CSV; with `names` the label is spelt out."""

    def write(path: Path) -> None:
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        frame: pd.DataFrame = bunch.frame
        if names:
            frame["target"] = bunch.target_names[frame["target"]]
        frame.to_csv(path, index=False)

    return write


VISITS = {
    "visit": "int",
    "customer": "string",
    "city, town": "string",
    "remark": "string",
    "zip": "string",
    "member?": "bool",
    "came": "timestamp",
    "age": "int",
    "spent (€)": "float",
    "again": "string",
}
CITIES = ["Paris, France", 'the "Big" Apple', "Köln", "two\nlines"]


def visits(rows: int = 1200) -> list[dict[str, Any]]:
    """Rows of our own making, with everything that CSV can hold; `again` depends on most of it.

    Its best columns are text with commas, quotes and line breaks, a boolean, the hour, and whether a value is missing.
    """
    draw = random.Random(5)
    table = []
    for visit in range(rows):
        city, hour = draw.choice(CITIES), draw.randrange(24)
        member = draw.choice([True, True, False, False, None])
        remark = draw.choice([None, None, "fine", "slow; cold"])
        score = 2.5 * (city in CITIES[::2]) + 2.5 * (member is True) + 2.5 * (remark is None) + 0.15 * hour - 5.5
        table.append(
            {
                "visit": visit,
                "customer": f"c{draw.randrange(200):03d}",
                "city, town": city,
                "remark": remark,
                "zip": f"{draw.randrange(50):05d}",
                "member?": member,
                "came": dt.datetime(2024, 1, 1, hour, tzinfo=dt.UTC) + dt.timedelta(days=visit % 300),
                "age": draw.choice([None, *range(18, 90)]),
                "spent (€)": None if draw.random() < 0.1 else round(draw.expovariate(0.02), 2),
                "again": "yes" if score + draw.gauss(0, 0.3) > 0 else "no",
            }
        )
    return table


def write_csv_gz(path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, VISITS, lineterminator="\r\n")
    writer.writeheader()
    for row in visits():
        member = {None: "", True: "true", False: "False"}[row["member?"]]
        writer.writerow(row | {"came": row["came"].isoformat(sep=" ")[:19], "member?": member})
    path.write_bytes(gzip.compress(text.getvalue().encode()))


def write_parquet(path: Path) -> None:
    types = {"int": pa.int32(), "float": pa.float64(), "bool": pa.bool_(), "timestamp": pa.timestamp("us", "UTC")}
    schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in VISITS.items()])
    pq.write_table(pa.Table.from_pylist(visits(), schema), path, row_group_size=500)


def write_tfrecord(path: Path) -> None:
    """A missing value is a feature that is not there; booleans and times are integers."""
    import tensorflow as tf

    def feature(value: Any) -> Any:
        if isinstance(value, str):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))
        if isinstance(value, float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        number = int(value.timestamp()) if isinstance(value, dt.datetime) else int(value)
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in visits():
            present = {name: feature(value) for name, value in row.items() if value is not None}
            example = tf.train.Example(features=tf.train.Features(feature=present))
            writer.write(example.SerializeToString())


IRIS = ["setosa", "versicolor", "virginica"]
TABLES = [
    Table(from_sklearn("breast_cancer"), "tumours.csv", "target", "binary", ["0", "1"], "auc", 0.95, 1),
    Table(from_sklearn("wine"), "wine.csv", "target", "multiclass", ["0", "1", "2"], "accuracy", 0.8, 1),
    Table(from_sklearn("diabetes"), "diabetes.csv", "target", "regression", [], "rmse", 30, 70),
    Table(from_sklearn("iris", names=True), "iris.csv", "target", "multiclass", IRIS, "accuracy", 0.8, 1),
    Table(write_csv_gz, "visits.csv.gz", "again", "binary", ["no", "yes"], "auc", 0.92, 1),
]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(table, marks=[pytest.mark.long] if table.file != "iris.csv" else [], id=table.file)
        for table in TABLES
    ],
)
def test_two_commands_make_a_served_model_of_a_table(
    longhaul: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    monkeypatch.chdir(tmp_path)
    table.write(Path(table.file))
    name = table.file.split(".")[0]
    said = longhaul("init", table.file, "--label", table.label)
    assert said.code == 0, said.text
    assert f"longhaul run --config {name}.yaml" in said.text
    config = load(Path(f"{name}.yaml"))
    assert (config.data.task, list(config.data.classes)) == (table.task, table.classes)

    outcome = longhaul("run", "--config", f"{name}.yaml")
    assert outcome.code == 0, outcome.text
    run = latest(name)
    assert all(step.state is StepState.DONE for step in run.steps)
    assert run.verdict
    assert run.verdict["blessed"]
    assert run.history
    beside = {"trees", "guess"} if "trees" in run.history else {"guess"}
    assert set(run.verdict["baselines"]["metrics"]) == beside
    assert f"Baselines {table.metric}: " in outcome.text
    assert table.least < run.verdict["metrics"][table.metric] <= table.most, outcome.text
    # What is served is what was measured, asked by its columns' names.
    # TFMA's area takes rows for tied whose probability is nearer than 1/10,000 to 0 or to 1.
    not_shown = [config.data.label, *config.features.exclude]
    assert measure(run, not_shown, table) == pytest.approx(run.verdict["metrics"][table.metric], rel=1e-2)


def measure(run: Run, not_shown: list[str], table: Table) -> float:
    """The metric of the served model, on the rows of the eval split as plain tensors."""
    import tensorflow as tf

    assert run.pushed
    serve = tf.saved_model.load(run.pushed).signatures["serving_tensors"]
    rows = split_of(run, "eval")
    truth = rows[not_shown[0]].to_pylist()  # the label
    tensors = {}
    for column in rows.drop_columns(not_shown).column_names:
        name = re.sub("[^A-Za-z0-9_.]", "_", column)  # TensorFlow knows no other names
        if pa.types.is_string(rows.schema.field(column).type):
            tensors[name] = tf.constant([value or "" for value in rows[column].to_pylist()])
        else:
            tensors[name] = tf.constant(rows[column].cast(pa.float64()).fill_null(np.nan).to_numpy())
    answer = serve(**tensors)
    if table.task == "multiclass":
        given = [value.decode() for value in answer["predicted_class"].numpy()]
        assert answer["prediction"].shape == (len(truth), len(table.classes))
        np.testing.assert_allclose(answer["prediction"].numpy().sum(axis=1), 1, atol=1e-5)
        return float(np.mean([str(true) == value for true, value in zip(truth, given, strict=True)]))
    given = answer["prediction"].numpy()[:, 0]
    if table.task == "regression":
        return float(np.sqrt(np.mean((np.array(truth) - given) ** 2)))
    return float(roc_auc_score([str(value) == table.classes[1] for value in truth], given))


@pytest.fixture(scope="module")
def ingested(longhaul: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The visits as CSV, Parquet and TFRecord, each with a configuration and schema of its own, after ingestion."""
    runs = {}
    for file, write in (
        ("visits.csv.gz", write_csv_gz),
        ("visits.parquet", write_parquet),
        ("visits.tfrecord", write_tfrecord),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path_factory.mktemp("format"))
            write(Path(file))
            for command in (
                ("init", file, "--label", "again"),
                ("run", "--config", "visits.yaml", "--to", "TableExampleGen"),
            ):
                outcome = longhaul(*command)
                assert outcome.code == 0, outcome.text
            runs[file] = latest("visits")
    return runs


@pytest.mark.parametrize("split", ["train", "eval"])
def test_formats_give_the_same_rows_in_the_same_split(ingested: dict[str, Run], split: str) -> None:
    tables = [split_of(run, split).select(list(VISITS)).sort_by("visit") for run in ingested.values()]
    assert tables[0].num_rows > 150
    for table in tables[1:]:
        assert table.equals(tables[0])


def test_no_value_is_lost_or_bent_on_the_way(ingested: dict[str, Run]) -> None:
    run = ingested["visits.csv.gz"]
    whole = pa.concat_tables([split_of(run, "train"), split_of(run, "eval")]).sort_by("visit")
    expected = [
        row
        | {
            "member?": None if row["member?"] is None else int(row["member?"]),
            "came": int(row["came"].timestamp()),
            "spent (€)": None if row["spent (€)"] is None else float(np.float32(row["spent (€)"])),
        }
        for row in visits()
    ]
    assert whole.to_pylist() == expected
    assert {row["city, town"] for row in expected} == set(CITIES)


def test_a_group_is_never_in_two_splits(
    longhaul: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv_gz(Path("visits.csv.gz"))
    longhaul("init", "visits.csv.gz", "--label", "again")
    document = yaml.safe_load(Path("visits.yaml").read_text())
    document["split"] = {"by": "group", "column": "customer", "weights": {"train": 6, "eval": 2, "test": 2}}
    Path("visits.yaml").write_text(yaml.safe_dump(document))
    outcome = longhaul("run", "--config", "visits.yaml", "--to", "TableExampleGen")
    assert outcome.code == 0, outcome.text
    splits = [split_of(latest("visits"), name) for name in ("train", "eval", "test")]
    customers = [set(split["customer"].to_pylist()) for split in splits]
    assert sum(split.num_rows for split in splits) == 1200
    assert set.union(*customers) == {row["customer"] for row in visits()}
    assert sum(map(len, customers)) == len(set.union(*customers))
    assert all(split.num_rows > len(group) for split, group in zip(splits, customers, strict=True))
    assert len(customers[0]) > len(customers[1]) > 20
    assert len(customers[2]) > 20


def latest(name: str) -> Run:
    config = load(Path(f"{name}.yaml"))
    return find_run(open_store(config), name, "latest")


def split_of(run: Run, split: str) -> pa.Table:
    """What TableExampleGen wrote."""
    (examples,) = run.artifacts["TableExampleGen"]
    files = sorted(Path(examples.uri, f"Split-{split}").glob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files])
