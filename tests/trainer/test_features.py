"""The table of features: what a schema and a few choices give."""

from __future__ import annotations

import json
import keyword
import random
import re
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trainer.features import Feature, FeatureTable, Kind, Label, Storage, derive, tensor_names

SCHEMA = text_format.Parse(
    """
    feature { name: "late" type: INT bool_domain {} presence { min_fraction: 1 } }
    feature { name: "distance" type: INT presence { min_fraction: 1 } }
    feature { name: "wind" type: FLOAT presence { min_fraction: 0.9 } }
    feature { name: "carrier" type: BYTES }
    feature { name: "zone" type: INT int_domain { is_categorical: true } }
    feature { name: "month" type: INT int_domain { min: 1 max: 12 } }
    feature { name: "night" type: INT bool_domain {} }
    feature { name: "left" type: INT time_domain { integer_format: UNIX_SECONDS } presence { min_fraction: 1 } }
    feature { name: "agreed" type: BYTES bool_domain { true_value: "yes" false_value: "no" } }
    """,
    schema_pb2.Schema(),
)


def table(**choices: Any) -> FeatureTable:
    defaults = {
        "label": "late", "task": "binary", "classes": ["0", "1"], "exclude": [], "categorical": [],
        "max_vocabulary": 50, "bins": 8,
    }  # fmt: skip
    return derive(choices.pop("schema", SCHEMA), **(defaults | choices))


def test_a_schema_gives_kind_storage_and_optionality() -> None:
    found = table()
    assert found.label == Label("late", "binary", Storage.INT, ("0", "1"))
    assert found.features == (
        Feature("distance", Kind.NUMERIC, Storage.INT, optional=False),
        Feature("wind", Kind.NUMERIC, Storage.FLOAT, optional=True),
        Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, optional=True),
        Feature("zone", Kind.CATEGORICAL, Storage.INT, optional=True),
        Feature("month", Kind.NUMERIC, Storage.INT, optional=True),
        Feature("night", Kind.BOOLEAN, Storage.INT, optional=True),
        Feature("left", Kind.TIMESTAMP, Storage.INT, optional=False),
        Feature("agreed", Kind.CATEGORICAL, Storage.BYTES, optional=True),
    )
    assert (found.max_vocabulary, found.bins) == (50, 8)


def test_choices_exclude_columns_and_turn_codes_into_categories() -> None:
    found = table(exclude=["wind", "left"], categorical=["month"])
    assert {feature.name: feature.kind for feature in found.features} == {
        "distance": Kind.NUMERIC,
        "carrier": Kind.CATEGORICAL,
        "zone": Kind.CATEGORICAL,
        "month": Kind.CATEGORICAL,
        "night": Kind.BOOLEAN,
        "agreed": Kind.CATEGORICAL,
    }


def test_the_label_is_never_a_feature() -> None:
    found = table(label="wind", task="regression", classes=[])
    assert found.label == Label("wind", "regression", Storage.FLOAT, ())
    assert "wind" not in [feature.name for feature in found.features]
    assert "late" in [feature.name for feature in found.features]


@pytest.mark.parametrize(
    ("retired", "stays"),
    [
        ("deprecated: true", False),
        *(
            (f"lifecycle_stage: {stage}", False)
            for stage in ("PLANNED", "ALPHA", "DEPRECATED", "DEBUG_ONLY", "DISABLED")
        ),
        *((f"lifecycle_stage: {stage}", True) for stage in ("UNKNOWN_STAGE", "BETA", "PRODUCTION")),
    ],
)
def test_a_retired_column_is_no_feature(retired: str, stays: bool) -> None:
    schema = text_format.Parse(f'feature {{ name: "old" type: INT {retired} }}', schema_pb2.Schema())
    schema.feature.extend(SCHEMA.feature)
    assert ("old" in [feature.name for feature in table(schema=schema).features]) is stays


@pytest.mark.parametrize("choice", [{"label": "lat"}, {"exclude": ["lat"]}, {"categorical": ["lat"]}])
def test_a_name_that_the_schema_lacks_is_an_error(choice: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match="'lat'"):
        table(**choice)


def test_features_are_chosen_by_kind_in_the_order_of_the_schema() -> None:
    found = table()
    assert [feature.name for feature in found.of(Kind.TIMESTAMP, Kind.NUMERIC)] == ["distance", "wind", "month", "left"]
    assert [feature.name for feature in found.optional] == ["wind", "month", "night"]  # categories have an id for it


def test_the_table_survives_json() -> None:
    found = table(exclude=["month"])
    assert FeatureTable.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        # Those that could be served before keep their names: clients send them.
        (["distance", "A1", "print", "args", "None_"], ["distance", "A1", "print", "args", "None_"]),
        (["distance miles", "größe", "a/b", "_x", "年"], ["distance_miles", "gr__e", "a_b", "column__x", "column__"]),
        (["a b", "a-b", "a_b"], ["a_b", "a_b_", "a_b__"]),
        # These could not.
        (["Sepal.Length", ".x"], ["Sepal_Length", "column__x"]),
        (["1stFloor", "2023", "0"], ["column_1stFloor", "column_2023", "column_0"]),
        (["class", "None", "self"], ["column_class", "column_None", "column_self"]),
        (["Size", "size", "SIZE"], ["Size", "size_", "SIZE__"]),
        ([*"一二三四五六七八九十千"], [*("column__" + "_" * i for i in range(9)), "column___9", "column___10"]),
        (["1st", "column_1st", "a.b", "A_B"], ["column_1st", "column_1st_", "a_b", "A_B_"]),
    ],
)
def test_a_plain_tensor_has_its_columns_name_wherever_it_can(columns: list[str], names: list[str]) -> None:
    assert tensor_names(columns) == dict(zip(columns, names, strict=True))


def test_tensor_names_are_arguments_that_tensorflow_keeps_and_all_different() -> None:
    source = random.Random(15)
    parts = [*'aAbB_.-/ 019:$ßéÅ年\t\n"', "self", "SELF", "column_", "arg_", *keyword.kwlist]
    for _ in range(3000):
        columns = {"".join(source.choices(parts, k=source.randint(1, 4))) for _ in range(source.randint(1, 30))}
        names = tensor_names(sorted(columns))
        assert list(names) == sorted(columns)
        assert len({name.lower() for name in names.values()}) == len(columns)
        for column, name in names.items():
            assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name)
            assert name != "self"
            assert not keyword.iskeyword(name)
            assert len(name) < len(column) + len("column_") + 9
            if re.fullmatch("[A-Za-z][A-Za-z0-9_]*", column) and not keyword.iskeyword(column) and column != "self":
                assert name.rstrip("_") == column.rstrip("_")


def test_names_of_thousands_of_columns_that_fall_together_stay_short() -> None:
    columns = [chr(0x4E00 + i % 100) + chr(0x5E00 + i // 100) for i in range(5000)]
    names = tensor_names(columns).values()
    assert len(set(names)) == 5000
    assert max(map(len, names)) < 20
