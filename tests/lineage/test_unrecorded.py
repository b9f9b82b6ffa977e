"""What no record knows, and what one knows as a file."""

from __future__ import annotations

from pathlib import Path

from pipeline.lineage.unrecorded import unrecorded_outputs
from tests.lineage.weeks import Weeks


def test_a_plain_value_that_is_on_record_is_no_stray_folder(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    artifact = weeks.store.get_artifacts()[0]
    value = weeks.config.root / "artifacts" / "Mine" / "known" / "99" / "value"
    value.parent.mkdir(parents=True)
    value.write_text("3")
    artifact.uri = str(value)
    weeks.store.put_artifacts([artifact])
    assert unrecorded_outputs(weeks.store, weeks.config.root / "artifacts") == []
