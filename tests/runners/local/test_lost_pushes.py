"""A model that was pushed and is not what serves any more is pushed again, also on record of an earlier Longhaul."""

from __future__ import annotations

import shutil
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from pipeline.runners.local.run import _forget_lost_pushes
from tests.lineage.weeks import Weeks


def test_a_push_without_the_properties_of_today_is_forgotten_and_ends_no_process(tmp_path: Path) -> None:
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    (pushed,) = weeks.store.get_artifacts_by_type("PushedModel")
    assert "decides_from" not in dict(pushed.custom_properties)
    shutil.rmtree(weeks.config.serving_folder)
    _forget_lost_pushes(weeks.store, weeks.config.record_name, weeks.config.serving_folder)
    (pushed,) = weeks.store.get_artifacts_by_type("PushedModel")
    assert pushed.state == metadata_store_pb2.Artifact.ABANDONED
