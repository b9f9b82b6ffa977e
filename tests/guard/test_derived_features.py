"""Derived features move though no column does: the gate says so, beside what it says of columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline.data.statistics_files import DERIVED
from pipeline.data.table_statistics import table_statistics
from pipeline.guard.derived_features import count, counted_in
from pipeline.guard.judge import Evidence, judge
from pipeline.guard.policy import Policy
from tests.guard.conftest import batch, schema_of
from trainer.derived_columns import derive_all
from trainer.features import FeatureTable

SCHEMA = schema_of("""
    feature { name: "x" type: FLOAT }
    feature { name: "y" type: FLOAT }
    feature { name: "label" type: INT }
""")
TABLE = derive_all(
    SCHEMA, label="label", task="binary", classes=["0", "1"], exclude=[], categorical=[], max_vocabulary=9, bins=4,
    expressions={"ratio": "x / y", "steep": "ratio > 99", "rate": "rate_by(label, y > 3)"},
)  # fmt: skip
SIZES = [float(1 + at % 9) for at in range(2_000)]


def rows(*, turned: bool) -> pa.RecordBatch:
    """As many rows of each value of both columns, either way."""
    return batch(x=SIZES, y=SIZES[::-1] if turned else SIZES, label=[0, 1] * 1_000)


def write(folder: Path, name: str, table: pa.RecordBatch, features: FeatureTable = TABLE) -> None:
    (folder / DERIVED / name).mkdir(parents=True)
    (folder / DERIVED / name / "FeatureStats.pb").write_bytes(count([table], features).SerializeToString())


def test_a_ratio_moves_between_spans_and_in_serving_though_its_columns_stay(tmp_path: Path) -> None:
    before, now = rows(turned=False), rows(turned=True)
    for name, table in (("Split-train", before), ("Span-1", before), ("Span-2", now)):
        write(tmp_path, name, table)
    derived = counted_in(str(tmp_path), TABLE)
    assert derived
    verdict = judge(
        Evidence("label", "binary", {}, derived=derived._replace(serving=count([now], TABLE))), SCHEMA, Policy()
    )
    found = {(one.feature, one.split, one.kind, one.offends) for one in verdict.findings}
    kind = "comparator_jensen_shannon_divergence_high"
    assert found == {("ratio", "span 2", kind, None), ("ratio", "serving", kind, None)}
    assert (verdict.drift["ratio"].by.keys(), verdict.skew["ratio"].by.keys()) == ({"2"}, {"serving"})
    assert not verdict.blocked


def test_a_run_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    assert counted_in(str(tmp_path), TABLE) is None


def test_what_has_another_expression_since_and_what_names_it_is_not_compared(tmp_path: Path) -> None:
    write(tmp_path, "Split-train", rows(turned=False))
    for changed, compared in ((set(), {"ratio", "steep"}), ({"steep"}, {"ratio"}), ({"ratio"}, set())):
        derived = counted_in(str(tmp_path), TABLE, changed)
        assert derived
        assert derived.stored.keys() == compared


def test_a_list_is_compared_by_what_is_derived_of_it_and_not_by_its_wording(tmp_path: Path) -> None:
    schema = schema_of('feature { name: "tags" type: BYTES } feature { name: "label" type: INT }')
    table = derive_all(
        schema, label="label", task="binary", classes=["0", "1"], exclude=["tags"], categorical=[], max_vocabulary=9,
        bins=4, expressions={"tags_items": "items(tags, '|')", "size": "length(tags)"},
    )  # fmt: skip
    before, now = ([batch(tags=texts, label=[0, 1])] * 500 for texts in (["a|b", "b|c"], ["b|a", "c|b"]))
    write(tmp_path, "Split-train", before[0], table)
    derived = counted_in(str(tmp_path), table)
    assert derived
    assert derived.in_parts == ("tags",)
    previous = ("training", table_statistics(before))
    evidence = Evidence("label", "binary", {"train": table_statistics(now)}, previous=previous)
    assert {one.kind for one in judge(evidence, schema, Policy()).findings} >= {"new_values", "vanished_values"}
    derived = derived._replace(previous=None, spans={})
    assert judge(replace(evidence, derived=derived), schema, Policy()).findings == ()
