"""The log's copy in Cloud Storage: each file once and whole; a bucket that is away costs nothing but time."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.serving.request_log import RequestLog
from pipeline.serving.request_upkeep import LogOptions
from tests.serving.fake_cloud import FakeCloud
from tests.serving.test_request_log import an_entry

ROW = {"name": "UA", "miles": 1.5, "seats": 3, "score": 0.7}


def logged(folder: Path, request_id: str, said: list[str], bucket: str = "models") -> None:
    """Write one request as a server does from its start to its end."""
    options = LogOptions(str(folder), destination=f"gs://{bucket}/requests/")
    log = RequestLog(options, ["flights"], said.append)
    log.add(an_entry([ROW], request_id))
    log.close()


def test_each_file_is_copied_once(cloud: FakeCloud, tmp_path: Path) -> None:
    said: list[str] = []
    logged(tmp_path, "first", said)
    (name,) = cloud.names()
    assert name.startswith("requests/flights/2026-05-04/12-")
    assert pq.read_table(io.BytesIO(cloud.objects["models", name]))["request_id"].to_pylist() == ["first"]
    assert (tmp_path / name.removeprefix("requests/")).is_file()  # it stays here as well
    logged(tmp_path, "second", said)
    assert len(cloud.names()) == len(cloud.uploads) == 2
    assert said == []


def test_what_could_not_be_copied_is_copied_by_the_next_server(cloud: FakeCloud, tmp_path: Path) -> None:
    said: list[str] = []
    logged(tmp_path, "first", said, bucket="nobodys")
    assert len(said) == 1
    assert said[0].startswith("the request log could not be copied to gs://nobodys/requests/, and is tried again: ")
    logged(tmp_path, "second", said)
    found = [pq.read_table(io.BytesIO(content))["request_id"].to_pylist() for content in cloud.objects.values()]
    assert sorted(found) == [["first"], ["second"]]
