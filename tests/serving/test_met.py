"""What tables hold that a model was not made for: counted in parts, put together, held against limits."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.sources.meaning import Misfit
from pipeline.serving.met import EXAMPLES, Example, Kind, Met, Part, beyond, put_together
from pipeline.serving.meter import Contract, Meter, _outside
from trainer.features import Feature, FeatureTable, Label, Storage
from trainer.features import Kind as FeatureKind
from trainer.rows import from_examples

FEATURES = (
    Feature("city", FeatureKind.CATEGORICAL, Storage.BYTES, False),
    Feature("code", FeatureKind.CATEGORICAL, Storage.INT, False),
    Feature("age", FeatureKind.NUMERIC, Storage.INT, True),
    Feature("weight", FeatureKind.NUMERIC, Storage.FLOAT, False),
)
TABLE = FeatureTable(Label("y", "binary", Storage.BYTES, ("no", "yes")), FEATURES, 1000, 0)
CITIES = ["Köln", "two\nlines", "", "Paris, France"]
CODES = [3, 7, -1]


class Transform:
    """A model's transform, with TFT's numbers: known words, then one number for unknown and one for missing ones."""

    def __init__(self) -> None:
        self.asked = 0
        self.signatures = {"transform_features": self.answer}

    def answer(self, examples: Any) -> dict[str, Any]:
        batch = from_examples(list(examples.numpy()))
        self.asked += batch.num_rows
        cities = [text.encode() for text in CITIES]
        ids = np.array(
            [
                [cities.index(city) if city in cities else 4, CODES.index(code) if code in CODES else 3]
                for city, code in zip(batch["city"].to_pylist(), batch["code"].to_pylist(), strict=True)
            ]
        )

        class Answer:
            def numpy(self) -> Any:
                return ids

        return {"categorical": Answer()}


@pytest.fixture
def transform() -> Transform:
    return Transform()


@pytest.fixture
def contract(transform: Transform, tmp_path: Path) -> Contract:
    inputs = {
        "age": {"feature": "age", "min": 0, "max": 120},
        "weight": {"feature": "weight", "max": 0.1},
        "city": {"feature": "city"},
    }
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "signatures.json").write_text(
        json.dumps({"signatures": {"serving_tensors": {"inputs": inputs}}})
    )
    return Contract(transform, str(tmp_path), TABLE)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"trained_on": [20, 70]}, (15, 75)),
        ({"trained_on": [1, 101]}, (0, 111)),  # no training row was below zero
        ({"trained_on": [-100, -1]}, (-109.9, 0)),
        ({"trained_on": [7, 7]}, (7, 7)),
        ({"trained_on": [20, 70], "max": 72}, (15, 72)),  # what people agreed on counts more
        ({"min": 0, "max": 120}, (0, 120)),  # of an earlier Longhaul
        ({}, (-np.inf, np.inf)),
    ],
)
def test_the_range_is_that_of_training_where_the_schema_gives_none(
    transform: Transform, tmp_path: Path, told: dict[str, Any], expected: tuple[float, float]
) -> None:
    inputs = {"age": {"feature": "age", **told}}
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "signatures.json").write_text(
        json.dumps({"signatures": {"serving_tensors": {"inputs": inputs}}})
    )
    assert Contract(transform, str(tmp_path), TABLE).ranges["age"] == pytest.approx(expected)


def batch_of(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    types = {"city": pa.string(), "code": pa.int64(), "age": pa.int64(), "weight": pa.float32()}
    return pa.RecordBatch.from_arrays(
        [pa.array([row[name] for row in rows], kind) for name, kind in types.items()], names=list(types)
    )


def right(**others: Any) -> dict[str, Any]:
    return {"city": "Köln", "code": 3, "age": 30, "weight": 0.1} | others


def test_each_kind_is_counted_with_values_and_rows(contract: Contract) -> None:
    rows = [right() for _ in range(10)]
    rows[2] = right(city="Atlantis", age=None)
    rows[5] = right(city="Atlantis", age=121)
    rows[6] = right(city="El Dorado", age=-1, weight=float("inf"))
    rows[7] = right(code=8, weight=None, city="two\nlines")
    rows[8] = right(city="", weight=0.2)
    meter = Meter(contract)
    meter.add(batch_of(rows[:6]))
    meter.add(batch_of(rows[6:]))
    assert meter.to_json() == {
        "city": {"unknown": (3, [("Atlantis", 2), ("El Dorado", 6)])},
        "code": {"unknown": (1, [("8", 7)])},
        "age": {"missing": (1, [("", 2)]), "out_of_range": (2, [("121", 5), ("-1", 6)])},
        "weight": {"out_of_range": (2, [("inf", 6), ("0.2", 8)]), "missing": (1, [("", 7)])},
    }


def test_the_model_is_asked_once_about_each_value(contract: Contract, transform: Transform) -> None:
    rows = [right(city=f"{number % 20}") for number in range(4000)]
    for start in range(0, 4000, 500):
        Meter(contract).add(batch_of(rows[start : start + 500]))
    assert transform.asked <= 22  # the 20, a code, and what nobody has


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_a_plain_loop(contract: Contract, seed: int) -> None:
    draw = random.Random(seed)
    odd = ["Atlantis", "x" * 90, "köln", " Köln", "\x10e", "\x00", "0", None]
    rows = [
        {
            "city": draw.choice([*CITIES, *odd]),
            "code": draw.choice([*CODES, None, 0, 2**62, -(2**63)]),
            "age": draw.choice([0, 120, 121, -1, None, 2**53 + 1]),
            "weight": draw.choice([0.1, np.nextafter(np.float32(0.1), np.float32(1)), -1e38, float("-inf"), None]),
        }
        for _ in range(draw.randrange(1, 300))
    ]
    meter, at = Meter(contract), 0
    while at < len(rows):
        size = draw.randrange(1, 60)
        meter.add(batch_of(rows[at : at + size]))
        at += size
    expected: dict[tuple[str, Kind], Callable[[Any], bool]] = {
        ("city", Kind.UNKNOWN): lambda value: value is not None and value not in CITIES,
        ("code", Kind.UNKNOWN): lambda value: value is not None and value not in CODES,
        ("age", Kind.OUT_OF_RANGE): lambda value: value is not None and not 0 <= value <= 120,
        ("weight", Kind.OUT_OF_RANGE): lambda value: (
            value is not None and (np.isinf(value) or np.float32(value) > np.float32(0.1))
        ),
        **{(name, Kind.MISSING): lambda value: value is None for name in ("city", "code", "age", "weight")},
    }
    counted = {
        (name, kind): len([row for row in rows if is_met(row[name])]) for (name, kind), is_met in expected.items()
    }
    found = put_together([Part("a.csv", len(rows), meter.to_json())], ["age"])
    assert {(met.column, met.kind): met.rows for met in found} == {
        key: count for key, count in counted.items() if count
    }
    for met in found:
        assert len(met.examples) <= EXAMPLES
        for example in met.examples:
            value = rows[example.row - 1][met.column]
            assert expected[met.column, met.kind](value)
            text = "" if value is None else str(value)[:60]
            assert example.value.rstrip("…") == text or isinstance(value, float | np.floating)


def test_parts_are_put_together_the_worst_first() -> None:
    parts = [
        Part("a.csv", 10, {"city": {"unknown": (2, [("x", 0), ("y", 9)])}}),
        Part(
            "a.csv", 10, {"city": {"unknown": (3, [("y", 0), ("z", 1), ("q", 2)])}, "age": {"missing": (9, [("", 4)])}}
        ),
        Part("b.csv", 20, {"zip": {"missing": (6, [("", 3)])}}),
    ]
    found = put_together(parts, ["age"])
    assert found == [
        Met("zip", Kind.MISSING, 6, 40, False, (Example("", 4, "b.csv"),)),
        Met(
            "city", Kind.UNKNOWN, 5, 40, False,
            (Example("x", 1, "a.csv"), Example("y", 10, "a.csv"), Example("z", 12, "a.csv")),
        ),
        Met("age", Kind.MISSING, 9, 40, True, (Example("", 15, "a.csv"),)),
    ]  # fmt: skip
    limits: dict[Kind, float | None] = {Kind.UNKNOWN: 0.125, Kind.MISSING: 0.1, Kind.OUT_OF_RANGE: None}
    assert beyond(found, limits) == [(found[0], 0.1)]
    assert beyond(found, dict.fromkeys(Kind, 0.0)) == [(found[0], 0.0), (found[1], 0.0)]
    assert beyond(found, dict.fromkeys(Kind)) == []


def test_values_that_do_not_fit_are_counted_and_shown() -> None:
    contract: Any = SimpleNamespace(ranges={}, unknown_rows=lambda features: {})
    meter = Meter(contract)
    rows = pa.record_batch({"n": pa.array([1, None, None, None])})
    meter.add(rows, [Misfit(1, "n", "x", "a number"), Misfit(2, "n", "x", "a number")])
    assert meter.to_json()["n"] == {"unreadable": (2, [("x", 1)]), "missing": (1, [("", 3)])}
    met = put_together([Part("t.csv", 4, meter.to_json())], ["n"])
    assert [(one.kind, one.rows) for one, _ in beyond(met, {Kind.UNREADABLE: 0.4, Kind.MISSING: 0.0})] == [
        (Kind.UNREADABLE, 2)
    ]


def test_a_model_that_tells_no_categories_is_asked_for_none(tmp_path: Path) -> None:
    """As one of the user's does not, whose features only itself knows."""
    contract = Contract(SimpleNamespace(signatures={}), str(tmp_path), TABLE)
    rows = pa.RecordBatch.from_pydict({"city": ["nowhere"], "code": [99], "age": [3], "weight": [1.0]})
    assert contract.unknown_rows(rows) == {}


INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0, 7])


@given(
    st.lists(INTEGERS | st.none(), max_size=5),
    st.sampled_from([-math.inf, -1e300, -(2.0**53), -0.5, 0.0]),
    st.sampled_from([0.0, 6.5, 2.0**53, 1e300, math.inf]),
)
def test_integers_that_no_float_can_be_are_in_range_or_out_of_it(
    values: list[int | None], least: float, greatest: float
) -> None:
    found = _outside(pa.array(values, pa.int64()), least, greatest).tolist()
    assert found == [row for row, one in enumerate(values) if one is not None and not least <= one <= greatest]


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.1"), (16_777_216.0, "16,777,216"), (-np.inf, "-inf")])
def test_a_number_is_shown_with_all_of_its_digits(value: float, text: str) -> None:
    contract: Any = SimpleNamespace(ranges={"n": (2.0, 3.0)}, unknown_rows=lambda features: {})
    meter = Meter(contract)
    meter.add(pa.record_batch({"n": pa.array([value], pa.float32())}))
    assert meter.to_json()["n"] == {"out_of_range": (1, [(text, 0)])}
