"""What is recorded of a step that has ended, in a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.lineage.details import read_details
from pipeline.lineage.records import Step
from pipeline.lineage.runs import StepState, find_run
from pipeline.runners.local.measures import record_measures
from tests.lineage.story import MONDAY, TUESDAY, Story, tell

MEASURES = ("peak_rss_bytes", "rows", "bytes")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Monday's examples are 70 rows for training, 30 for judging, in files of 5 and 7 bytes."""
    story = tell(tmp_path)
    (examples,) = story.store.get_artifacts_by_id([story.ids["monday Examples"]])
    examples.custom_properties["rows"].string_value = '{"train": 70, "eval": 30}'
    story.store.put_artifacts([examples])
    (Path(examples.uri) / "Split-train").mkdir()
    (Path(examples.uri) / "Split-train" / "a.parquet").write_bytes(b"12345")
    (Path(examples.uri) / "ingestion.json").write_bytes(b"1234567")
    return story


def measured(story: Story, day: str, node: str, state: StepState, peak: int = 4096) -> tuple[Any, Any]:
    """What is returned, and what is on record afterwards."""
    step = Step(node, state, 1.0, story.ids[f"{day} {node}"])
    told = record_measures(story.store, step, peak)
    run = find_run(story.store, "cats", {"monday": MONDAY, "tuesday": TUESDAY}[day])
    (details,) = [one for one in read_details(story.store, run) if one.step.node == node]
    return told, {name: details.properties[name] for name in MEASURES if name in details.properties}


def test_a_step_that_made_examples(story: Story) -> None:
    told, recorded = measured(story, "monday", "TableExampleGen", StepState.DONE)
    assert told == recorded == {"peak_rss_bytes": 4096, "rows": 100, "bytes": 12}


def test_a_step_that_read_examples(story: Story) -> None:
    told, recorded = measured(story, "monday", "Trainer", StepState.DONE)
    assert told == recorded == {"peak_rss_bytes": 4096, "rows": 100}  # its folder is empty


def test_a_cached_step_held_and_wrote_nothing(story: Story) -> None:
    told, recorded = measured(story, "tuesday", "TableExampleGen", StepState.CACHED)
    assert told == recorded == {"rows": 100}


def test_a_step_without_examples_where_memory_is_not_told(story: Story) -> None:
    assert measured(story, "monday", "CuratedSchema", StepState.DONE, peak=0) == ({}, {})


def test_what_was_on_record_stays(story: Story) -> None:
    number = story.ids["monday Trainer"]
    (before,) = story.store.get_executions_by_id([number])
    measured(story, "monday", "Trainer", StepState.DONE)
    (after,) = story.store.get_executions_by_id([number])
    assert after.last_known_state == metadata_store_pb2.Execution.COMPLETE
    assert {**before.custom_properties}.items() <= {**after.custom_properties}.items()


def test_a_step_that_is_not_on_record(story: Story) -> None:
    assert record_measures(story.store, Step("Trainer", StepState.FAILED, 1.0, None), 4096) == {}
