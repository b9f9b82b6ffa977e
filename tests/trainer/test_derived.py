"""Every function of derived features against plain Python, through Transform's graph and through a served model."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from bench.small_training import analyse
from trainer import folds, ngrams, statistics_file
from trainer.derived_columns import derive_all
from trainer.features import FeatureTable
from trainer.model import build_model
from trainer.preprocessing import DERIVED_NUMBERS, DERIVED_TEXTS, WORDS, units_of
from trainer.rows import to_examples
from trainer.signatures import ServedModel
from trainer.stacks import of_arrow, of_batch
from trainer.training_split import vocabulary_sizes

pytestmark = [pytest.mark.slow, pytest.mark.long]

Row = Mapping[str, Any]
ROWS, DAY = 600, 86_400
SCHEMA = text_format.Parse(
    """
    feature { name: "balance" type: FLOAT presence { min_fraction: 0.5 } }
    feature { name: "income" type: FLOAT presence { min_fraction: 0.5 } }
    feature { name: "count" type: INT presence { min_fraction: 0.5 } }
    feature { name: "left" type: INT presence { min_fraction: 0.5 } time_domain {} }
    feature { name: "born" type: INT presence { min_fraction: 0.5 } time_domain {} }
    feature { name: "night" type: INT presence { min_fraction: 0.5 } bool_domain {} }
    feature { name: "the code" type: INT presence { min_fraction: 0.5 } int_domain { is_categorical: true } }
    feature { name: "origin" type: BYTES presence { min_fraction: 0.5 } }
    feature { name: "comment" type: BYTES presence { min_fraction: 0.5 } }
    feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    """,
    schema_pb2.Schema(),
)
TYPES = {"balance": pa.float32(), "income": pa.float32(), "origin": pa.binary(), "comment": pa.binary()}


def known(*names: str) -> Callable[[Callable[..., Any]], Callable[[Row], Any]]:
    """Computes of values that are all there."""

    def of(compute: Callable[..., Any]) -> Callable[[Row], Any]:
        def of_row(row: Row) -> Any:
            values = [row[name] for name in names]
            return None if None in values else compute(*values)

        return of_row

    return of


def unless_error(compute: Callable[..., float]) -> Callable[..., float | None]:
    def tried(*values: float) -> float | None:
        try:
            found = compute(*values)
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
        return None if isinstance(found, complex) or not math.isfinite(found) else found

    return tried


def at(seconds: int) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)


def both(row: Row) -> bool | None:
    sides = (None if row["count"] is None else row["count"] > 2), (None if row["night"] is None else row["night"] == 1)
    return False if False in sides else None if None in sides else True


def either(row: Row) -> bool | None:
    sides = (None if row["count"] is None else row["count"] > 2), (None if row["night"] is None else row["night"] == 1)
    return True if True in sides else None if None in sides else False


def first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def distance(latitude: float, longitude: float) -> float:
    north, east, other, there = map(math.radians, (latitude, longitude, 52.5, 13.4))
    half = math.sin((other - north) / 2) ** 2 + math.cos(north) * math.cos(other) * math.sin((there - east) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1, half)))


two = known("balance", "income")
NUMBERS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "ratio": ("balance / income", two(unless_error(lambda a, b: a / b))),
    "sum": ("balance + income - 1", two(lambda a, b: a + b - 1)),
    "product": ("balance * -income", two(unless_error(lambda a, b: a * -b))),
    "floored": ("balance // income", two(unless_error(lambda a, b: math.floor(a / b)))),
    "rest": ("count % 3", known("count")(lambda a: a % 3)),
    "square": ("count ** 2", known("count")(unless_error(lambda a: float(a) ** 2))),
    "root": ("sqrt(balance)", known("balance")(unless_error(math.sqrt))),
    "log": ("log1p(balance)", known("balance")(unless_error(math.log1p))),
    "size": ("abs(balance)", known("balance")(abs)),
    "least": ("min(balance, income, 3)", two(lambda a, b: min(a, b, 3))),
    "most": ("max(balance, income)", two(max)),
    "clipped": ("clip(balance, -1, 2.5)", known("balance")(lambda a: min(max(a, -1), 2.5))),
    "step": ("bucket(balance, [-2, 0, 1.5])", known("balance")(lambda a: sum(a >= edge for edge in (-2, 0, 1.5)))),
    "less": ("balance < income", two(lambda a, b: a < b)),
    "between": ("0 <= count < 5", known("count")(lambda a: 0 <= a < 5)),
    "same": ("count == 3", known("count")(lambda a: a == 3)),
    "among": ("count in [1, -2, 3]", known("count")(lambda a: a in (1, -2, 3))),
    "not_among": ("origin not in ['JFK', 'ü']", known("origin")(lambda a: a not in ("JFK", "ü"))),
    "code_is": ('column("the code") == 7', known("the code")(lambda a: a == 7)),
    "both": ("count > 2 and night", both),
    "either": ("count > 2 or night", either),
    "no": ("not night", known("night")(lambda a: a == 0)),
    "chosen": (
        "where(night, balance, 0)",
        lambda row: None if row["night"] is None else row["balance"] if row["night"] else 0,
    ),
    "gone": ("is_missing(origin)", lambda row: row["origin"] is None),
    "gone_number": ("is_missing(ratio)", lambda row: NUMBERS["ratio"][1](row) is None),
    "filled": ("coalesce(balance, income, 7)", lambda row: first(row["balance"], row["income"], 7)),
    "year": ("year(left)", known("left")(lambda a: at(a).year)),
    "month": ("month(left)", known("left")(lambda a: at(a).month)),
    "day": ("day(left)", known("left")(lambda a: at(a).day)),
    "weekday": ("weekday(left)", known("left")(lambda a: at(a).weekday())),
    "hour": ("hour(left)", known("left")(lambda a: at(a).hour)),
    "age": ("days_between(born, left)", known("born", "left")(lambda a, b: (b - a) / DAY)),
    "since": ("days_between('2001-02-03', left)", known("left")(lambda a: a / DAY - 11356)),
    "later": ("left > born", known("left", "born")(lambda a, b: a > b)),
    "way": ("distance_km(clip(balance, -90, 90), clip(income, -180, 180), 52.5, 13.4)", two(
        lambda a, b: distance(min(max(a, -90), 90), min(max(b, -180), 180)))),
    "length": ("length(comment)", known("comment")(len)),
    "has": ("contains(comment, 'a.b')", known("comment")(lambda a: "a.b" in a)),
    "of_others": ("ratio + sum", two(unless_error(lambda a, b: a / b + (a + b - 1)))),
    "when": ("coalesce(left, born)", lambda row: first(row["left"], row["born"])),
}  # fmt: skip
TEXTS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "route": ("cross(origin, night)", known("origin", "night")(lambda a, b: f"{a} \u00d7 {'true' if b else 'false'}")),
    "coded": ('cross(column("the code"), count)', known("the code", "count")(lambda a, b: f"{a} \u00d7 {b}")),
    "small": ("lower(comment)", known("comment")(str.lower)),
    "digits": (
        "extract(comment, '[0-9]+')",
        known("comment")(lambda a: (found := re.search("[0-9]+", a)) and found[0]),
    ),
    "after_a": (
        "extract(comment, 'a(.)')",
        known("comment")(lambda a: (found := re.search("(?s)a([^\n])", a)) and found[1]),
    ),
    "which": (
        "where(count > 2, 'many', origin)",
        lambda row: None if row["count"] is None else "many" if row["count"] > 2 else row["origin"],
    ),
    "any_text": ("coalesce(origin, comment)", lambda row: first(row["origin"], row["comment"])),
    "hashed": ("hash_bucket(origin, 7)", known("origin")(lambda a: str(int(tf.strings.to_hash_bucket_fast(a, 7))))),
}
LEARNED = {
    "times": "count_by(origin)",
    "mean": "mean_by(balance, origin, 2)",
    "rate": "rate_by(late, cross(origin, night))",
}
WORDS_OF = {"words": "ngrams(comment, 2, 64)", "parts": "items(comment, ' ', 128)"}


def table_of(expressions: Mapping[str, str]) -> FeatureTable:
    return derive_all(
        SCHEMA, label="late", task="binary", classes=["0", "1"], exclude=["the code"], categorical=[],
        max_vocabulary=50, bins=4, expressions=expressions,
    )  # fmt: skip


TABLE = table_of(
    {name: text for name, (text, _) in (NUMBERS | TEXTS).items()} | LEARNED | WORDS_OF  # all at once
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "balance": st.sampled_from([0.0, -1.0, 2.5, -2.0]) | st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    "income": st.sampled_from([0.0, 1.0]) | st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    "count": st.integers(-5, 9) | st.integers(-(2**31), 2**31),
    "left": st.integers(-(10**10), 10**10),
    "born": st.integers(-(10**10), 10**10),
    "night": st.integers(0, 1),
    "the code": st.integers(0, 9) | st.just(2**53 + 1),
    "origin": st.sampled_from(["JFK", "ü", "LGA"]),
    "comment": st.text("abAB.019 ü\n", min_size=1, max_size=12),
}
RANDOM_ROW = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = {}
    for feature in TABLE.features:
        values = [row[feature.name] for row in rows]
        encoded = [value.encode() if isinstance(value, str) else value for value in values]
        columns[feature.name] = pa.array(encoded, TYPES.get(feature.name, pa.int64()))
    return pa.RecordBatch.from_pydict(columns)


def training_rows() -> list[dict[str, Any]]:
    random = np.random.default_rng(5)

    def value(name: str) -> Any:
        if random.random() < 0.15:
            return None
        return {
            "balance": float(np.float32(random.normal(0, 3))), "income": float(np.float32(random.normal(2, 3))),
            "count": int(random.integers(-3, 9)), "left": int(random.integers(0, 2 * 10**9)),
            "born": int(random.integers(0, 10**9)), "night": int(random.integers(0, 2)),
            "the code": int(random.integers(0, 9)), "origin": str(random.choice(["JFK", "ü", "LGA", "SFO"])),
            "comment": " ".join(random.choice(["a1", "bb", "a.b", "Ab"], 3)),
        }[name]  # fmt: skip

    return [{name: value(name) for name in VALUES} | {"late": int(random.random() < 0.3)} for _ in range(ROWS)]


TRAINING = training_rows()


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tft.TFTransformOutput:
    folder = tmp_path_factory.mktemp("derived")
    batch = batch_of(TRAINING)
    table = pa.Table.from_batches([batch]).append_column("late", pa.array([row["late"] for row in TRAINING]))
    analyse(table, SCHEMA, TABLE, folder)
    return tft.TFTransformOutput(str(folder / "graph"))


@pytest.fixture(scope="module")
def served(analysed: tft.TFTransformOutput, tmp_path_factory: pytest.TempPathFactory) -> Any:
    sizes = vocabulary_sizes(TABLE, analysed)
    model = ServedModel(build_model(TABLE, sizes, hidden_units=(8,), dropout=0.0), analysed, TABLE)
    folder = str(tmp_path_factory.mktemp("served"))
    tf.saved_model.save(model, folder, signatures=model.signatures())
    return tf.saved_model.load(folder)


def close(found: float, expected: Any, name: str) -> None:
    if expected is None or abs(expected) >= 2.0**128 - 2.0**103:  # infinite as float32
        assert math.isnan(found), name
    else:
        assert found == pytest.approx(float(expected), rel=3e-6, abs=3e-6), name


def check(found: Mapping[str, Any], rows: Sequence[Row]) -> None:
    for name, (_, reference) in NUMBERS.items():
        for row, value in zip(rows, found[name], strict=True):
            close(float(value), reference(row), f"{name} of {row}")
    for name, (_, reference) in TEXTS.items():
        expected = [first(reference(row), "").encode() for row in rows]
        assert list(found[name]) == expected, name


def by_name(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: outputs[output].numpy()[:, place]
        for output in (DERIVED_NUMBERS, DERIVED_TEXTS)
        for place, name in enumerate(units_of(TABLE, output))
    }


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(RANDOM_ROW, min_size=1, max_size=30))
@example(rows=[dict.fromkeys(TRAINING[0]) | {"balance": 4.0, "income": 2.0**-126}])
def test_the_graph_and_the_served_model_compute_what_python_does(
    rows: list[Row], analysed: tft.TFTransformOutput, served: Any
) -> None:
    batch = batch_of(rows)
    check(by_name(analysed.transform_features_layer()(of_batch(batch, TABLE))), rows)
    found = served.signatures["derived_features"](examples=tf.constant(to_examples(batch)))
    check({name: found[TABLE.tensor_names[name]].numpy() for name in [*NUMBERS, *TEXTS]}, rows)
    parts = served.transform_features(tf.constant(to_examples(batch)))[WORDS].numpy()[:, ngrams.MOST :]
    for row, ids in zip(rows, parts, strict=True):
        items = [item.strip() for item in (row["comment"] or "").split(" ")]
        assert list(ids[ids > 0]) == [int(tf.strings.to_hash_bucket_fast(item, 128)) + 1 for item in items if item]


def test_training_rows_too_and_both_signatures_predict_the_same(served: Any) -> None:
    batch = batch_of(TRAINING)
    examples = tf.constant(to_examples(batch))
    found = served.signatures["derived_features"](examples=examples)
    check({name: found[TABLE.tensor_names[name]].numpy() for name in [*NUMBERS, *TEXTS]}, TRAINING)
    plain = {}
    for feature in TABLE.features:
        values = [row[feature.name] for row in TRAINING]
        is_text = feature.storage == "bytes"
        filled = [("" if is_text else math.nan) if value is None else value for value in values]
        plain[TABLE.tensor_names[feature.name]] = tf.constant(filled, tf.string if is_text else tf.float64)
    by_tensors = served.signatures["serving_tensors"](**plain)["prediction"].numpy()
    by_examples = served.signatures["serving_default"](examples=examples)["prediction"].numpy()
    np.testing.assert_allclose(by_tensors, by_examples, atol=1e-6)


def test_statistics_are_those_of_the_training_rows_out_of_fold_while_they_teach(
    analysed: tft.TFTransformOutput,
) -> None:
    batch = batch_of(TRAINING)
    fold = of_arrow(dict(zip(batch.schema.names, batch.columns, strict=True)), TABLE, to_learn=True)["folds"]
    assert set(fold.to_pylist()) == set(range(folds.FOLDS))

    def smooth(of: Sequence[tuple[Any, float]], key: Any, smoothing: float) -> float | None:
        if key is None:
            return None
        mine = [value for one, value in of if one == key]
        mean = sum(value for _, value in of) / len(of)
        return (sum(mine) + smoothing * mean) / (len(mine) + smoothing)

    route = TEXTS["route"][1]
    layer = analysed.transform_features_layer()
    for to_learn in (False, True):
        found = by_name(layer(of_batch(batch, TABLE, to_learn=to_learn)))
        for number, row in enumerate(TRAINING):
            others = [
                other
                for other, of in zip(TRAINING, fold.to_pylist(), strict=True)
                if not to_learn or of != fold[number].as_py()
            ]
            times = None if row["origin"] is None else sum(other["origin"] == row["origin"] for other in TRAINING)
            close(found["times"][number], times, "times")
            means = [(one["origin"], one["balance"]) for one in others if None not in (one["origin"], one["balance"])]
            close(found["mean"][number], smooth(means, row["origin"], 2), "mean")
            rates = [(route(one), one["late"]) for one in others if route(one) is not None]
            close(found["rate"][number], smooth(rates, route(row), 20), "rate")


def test_a_key_that_was_never_seen_has_the_mean_of_all(analysed: tft.TFTransformOutput) -> None:
    row = dict.fromkeys(VALUES) | {"origin": "nowhere", "night": 1}
    found = by_name(analysed.transform_features_layer()(of_batch(batch_of([row]), TABLE)))
    rows = [one["late"] for one in TRAINING if None not in (one["origin"], one["night"])]
    assert found["times"] == 0
    assert found["rate"] == pytest.approx(sum(rows) / len(rows))


def test_words_are_ids_and_none_where_there_is_no_text(analysed: tft.TFTransformOutput) -> None:
    rows = [dict.fromkeys(VALUES) | {"comment": text} for text in ("a b", "B, a", None, "...")]
    ids = analysed.transform_features_layer()(of_batch(batch_of(rows), TABLE))[WORDS].numpy()[:, : ngrams.MOST]
    expected = [int(tf.strings.to_hash_bucket_fast(gram, 64)) + 1 for gram in ("a", "b", "a b")]
    assert sorted(ids[0][ids[0] > 0]) == sorted(expected)
    assert set(ids[1][:2]) == set(ids[0][:2])
    assert not ids[2:].any()


def test_a_random_key_gains_nothing(tmp_path: Path) -> None:
    """Labels by chance, and a key of many values: what is learned in the fold would tell the label, out of it not."""
    random = np.random.default_rng(1)
    rows = 4000
    table = derive_all(
        text_format.Parse(
            """
            feature { name: "key" type: BYTES presence { min_fraction: 1 } }
            feature { name: "x" type: FLOAT presence { min_fraction: 1 } }
            feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
            """,
            schema := schema_pb2.Schema(),
        ),
        label="late", task="binary", classes=["0", "1"], exclude=[], categorical=[], max_vocabulary=50, bins=4,
        expressions={"rate": "rate_by(late, key, 1)"},
    )  # fmt: skip
    late = random.integers(0, 2, rows)
    stored = pa.table({
        "key": [f"k{one}".encode() for one in random.integers(0, 2000, rows)],
        "x": pa.array(random.normal(0, 1, rows), pa.float32()),
        "late": late,
    })  # fmt: skip
    analyse(stored, schema, table, tmp_path)
    layer = tft.TFTransformOutput(str(tmp_path / "graph")).transform_features_layer()
    (batch,) = stored.combine_chunks().to_batches()

    def auc(to_learn: bool) -> float:
        rate = layer(of_batch(batch, table, to_learn=to_learn))[DERIVED_NUMBERS].numpy()[:, 0]
        ranks = np.argsort(np.argsort(rate + random.normal(0, 1e-9, rows)))
        return float((ranks[late == 1].mean() - (late.sum() - 1) / 2) / (rows - late.sum()))

    assert auc(to_learn=True) == pytest.approx(0.5, abs=0.03)
    assert auc(to_learn=False) > 0.8  # what a leak would look like


def test_the_file_says_what_was_learned(analysed: tft.TFTransformOutput) -> None:
    learned = statistics_file.read(f"{analysed.transform_savedmodel_dir}/assets")
    times = {one.key: one.value for one in learned if one.place == 0}
    assert times[None] == 0
    assert times["ü"] == sum(row["origin"] == "ü" for row in TRAINING)


def test_a_table_with_derived_features_survives_json() -> None:
    assert FeatureTable.from_dict(json.loads(json.dumps(TABLE.to_dict()))) == TABLE
    plain = table_of({}).to_dict()
    assert "derived" not in plain
    assert all(set(feature) == {"name", "kind", "storage", "optional"} for feature in plain["features"])
