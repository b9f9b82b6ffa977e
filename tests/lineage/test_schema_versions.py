"""Versions of the schema in a real store: numbers, texts, who approved, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.lineage.schema_versions import (
    SchemaVersion,
    StatisticsSource,
    digest_of,
    find_version,
    guarding_version,
    list_versions,
    record_version,
    version_of,
)
from pipeline.lineage.store import open_store

TEXT = '# "a" schema, $1 \\ back\nfeature { name: "ñ🚚" }\n'
SOURCES = (StatisticsSource(7, "/statistics/7"), StatisticsSource(9, "/statistics/9"))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    document = {
        "name": "cats",
        "workspace": str(tmp_path),
        "data": {"path": "cats.csv", "label": "purrs", "task": "binary"},
        "split": {"by": "hash"},
        "schema": {"file": "cats.pbtxt"},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.6}}},
    }
    return open_store(PipelineConfig.model_validate(document))


def test_a_version_is_read_as_it_was_recorded(store: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    version = record_version(store, "cats", TEXT, run_id="r1", reviewer="Ann", note="why, 'so'", statistics=SOURCES)
    assert before <= datetime.fromisoformat(version.time) <= datetime.now(UTC)
    expected = SchemaVersion(1, digest_of(TEXT), "Ann", "why, 'so'", version.time, "r1", SOURCES, TEXT)
    assert version == expected
    assert list_versions(store, "cats") == [expected]
    assert find_version(store, "cats", 1) == version_of(store, "cats", TEXT) == expected


def test_the_digest_is_that_of_the_bytes() -> None:
    assert digest_of("a\r\n") == "8e4621379786ef42a4fec155cd525c291dd7db3c1fde3478522f4f61c03fd1bd"


def test_numbers_count_up_in_each_pipeline(store: Any) -> None:
    numbers = [
        record_version(store, pipeline, TEXT, run_id="").number for pipeline in ("cats", "cats", "dogs", "cats", "dogs")
    ]
    assert numbers == [1, 2, 1, 3, 2]
    assert [version.number for version in list_versions(store, "cats")] == [3, 2, 1]
    assert list_versions(store, "birds") == []


def test_two_who_record_at_once_get_two_numbers(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record_version(store, "cats", TEXT, run_id="")
    monkeypatch.setattr("pipeline.lineage.schema_versions.list_versions", lambda *_: [])  # seen before the other wrote
    assert record_version(store, "cats", TEXT, run_id="").number == 2


def test_a_run_uses_the_newest_version_with_its_text(store: Any) -> None:
    first = guarding_version(store, "cats", TEXT, "r1")
    assert (first.number, first.reviewer, first.run_id) == (1, "", "r1")
    assert guarding_version(store, "cats", TEXT, "r2") == first
    edited = guarding_version(store, "cats", TEXT + "#", "r3")
    approved = record_version(store, "cats", TEXT, run_id="r2", reviewer="Ann", note="as it was")
    assert guarding_version(store, "cats", TEXT, "r4") == approved
    assert [version.number for version in (first, edited, approved)] == [1, 2, 3]


def test_who_stands_behind_a_version(store: Any) -> None:
    first = guarding_version(store, "cats", TEXT, "r1")
    assert first.review == "as first seen, not reviewed"
    assert replace(first, number=2).review == "edited by hand, not approved"
    assert replace(first, reviewer="Ann").review == "approved by Ann"


def test_a_version_as_json_leaves_out_the_text(store: Any) -> None:
    version = record_version(store, "cats", TEXT, run_id="r1", reviewer="Ann", note="n", statistics=SOURCES[:1])
    assert version.to_json() == {
        "number": 1,
        "digest": digest_of(TEXT),
        "reviewer": "Ann",
        "note": "n",
        "time": version.time,
        "run_id": "r1",
        "statistics": [{"id": 7, "uri": "/statistics/7"}],
        "review": "approved by Ann",
    }


def test_a_version_that_is_not_there(store: Any) -> None:
    with pytest.raises(PipelineError) as caught:
        find_version(store, "cats", 1)
    assert caught.value.remedy == "the first run records version 1"
    record_version(store, "cats", TEXT, run_id="")
    with pytest.raises(PipelineError) as caught:
        find_version(store, "cats", 2)
    assert str(caught.value) == (
        "pipeline 'cats' has no schema version 2\n"
        "  Remedy: there are versions 1 to 1; `longhaul schema history` lists them"
    )


def test_a_schema_of_five_thousand_columns_is_kept_whole(store: Any) -> None:
    text = "".join(f'feature {{ name: "column {i}" type: FLOAT presence {{ min_count: 1 }} }}\n' for i in range(5000))
    record_version(store, "cats", text, run_id="")
    assert find_version(store, "cats", 1).text == text
