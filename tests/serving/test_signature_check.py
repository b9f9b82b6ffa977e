"""Which plain tensor of a model is which column: as the model has it on record, whatever the schema's order is now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorflow.core.protobuf import saved_model_pb2

from pipeline.errors import ConfigError
from pipeline.serving.signature_check import check_signature
from trainer.artifact_names import SIGNATURES_FILE
from trainer.features import Feature, FeatureTable, Kind, Label, Storage


def a_table(*columns: str) -> FeatureTable:
    features = tuple(Feature(column, Kind.NUMERIC, Storage.FLOAT, False) for column in columns)
    return FeatureTable(Label("y", "binary", Storage.INT, ("0", "1")), features, max_vocabulary=5, bins=4)


def a_model(folder: Path, table: FeatureTable, record: bool = True) -> str:
    model = saved_model_pb2.SavedModel()
    signature = model.meta_graphs.add().signature_def["serving_tensors"]
    for tensor in table.tensor_names.values():
        signature.inputs[tensor].name = tensor
    for size in (-1, 1):
        signature.outputs["prediction"].tensor_shape.dim.add(size=size)
    (folder / "assets.extra").mkdir()
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    if record:
        inputs = {tensor: {"feature": column} for column, tensor in table.tensor_names.items()}
        told = {"signatures": {"serving_tensors": {"inputs": inputs}}}
        (folder / SIGNATURES_FILE).write_text(json.dumps(told))
    return str(folder)


def test_a_model_knows_its_columns_in_whatever_order_the_schema_has_them_now(tmp_path: Path) -> None:
    model = a_model(tmp_path, a_table("a b", "a-b", "größe"))
    assert check_signature(model, a_table("größe", "a-b", "a b")) == {"a b": "a_b", "a-b": "a_b_", "größe": "gr__e"}


def test_a_model_of_an_earlier_version_has_the_names_of_the_table(tmp_path: Path) -> None:
    model = a_model(tmp_path, a_table("home.dest", "x"), record=False)
    assert check_signature(model, a_table("home.dest", "x")) == {"home.dest": "home_dest", "x": "x"}


@pytest.mark.parametrize("record", [True, False])
def test_columns_that_differ_are_named(tmp_path: Path, record: bool) -> None:
    model = a_model(tmp_path, a_table("home.dest", "x"), record)
    home = "'home.dest'" if record else "'home_dest'"
    with pytest.raises(ConfigError, match=f"it lacks 'a b' and takes {home} besides"):
        check_signature(model, a_table("a b", "x"))
