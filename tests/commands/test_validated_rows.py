"""What validation counts while it reads a table: by the served model's own knowledge, in every row of the files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pipeline.commands.validated_rows import Rows, served_contract
from pipeline.config.loading import load
from pipeline.data.columns import ColumnType
from pipeline.guard.rows import Source
from pipeline.serving.met import Example, Kind, Met
from pipeline.serving.meter import Contract
from trainer.features import Feature, FeatureTable, Label, Storage
from trainer.features import Kind as FeatureKind
from trainer.rows import from_examples

TABLE = FeatureTable(
    Label("y", "binary", Storage.BYTES, ("no", "yes")),
    (
        Feature("city", FeatureKind.CATEGORICAL, Storage.BYTES, False),
        Feature("age", FeatureKind.NUMERIC, Storage.INT, True),
    ),
    1000,
    0,
)


def transform(examples: Any) -> dict[str, Any]:
    cities = from_examples(list(examples.numpy()))["city"].to_pylist()
    ids = np.array([[0 if city == b"here" else 1] for city in cities])
    return {"categorical": SimpleNamespace(numpy=lambda: ids)}


def test_what_the_served_model_does_not_know_is_counted_with_the_rows_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("city,age\nhere,1\nthere,\nhere,3\n")
    (tmp_path / "b.csv").write_text("city,age\nhere,1\n,2\nthere,3\n")
    contract = Contract(SimpleNamespace(signatures={"transform_features": transform}), str(tmp_path), TABLE)
    where = Source(str(tmp_path), {"age": ColumnType.INT, "city": ColumnType.STRING})
    config = load(None)
    rows = Rows(where, config.data, config.split, contract)
    assert sum(batch.num_rows for batch in rows.read(counted=True)) == 6
    assert sum(batch.num_rows for batch in rows.read()) == 6  # which counts nothing twice
    assert rows.met == [
        Met("city", Kind.UNKNOWN, 2, 6, False, (Example("there", 2, f"{tmp_path}/a.csv"),)),
        Met("city", Kind.MISSING, 1, 6, False, (Example("", 2, f"{tmp_path}/b.csv"),)),
        Met("age", Kind.MISSING, 1, 6, True, (Example("", 2, f"{tmp_path}/a.csv"),)),
    ]


def test_without_a_pushed_model_nothing_is_asked(tmp_path: Path) -> None:
    from tensorflow_metadata.proto.v0 import schema_pb2

    config = load(None, workspace=str(tmp_path))
    assert served_contract(config, schema_pb2.Schema(), ["city"]) is None
