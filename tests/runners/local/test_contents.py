"""Outputs that are not what went on record: found without reading large files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.runners.local.contents import CONTENTS, contents, is_damaged


@pytest.fixture
def artifact(tmp_path: Path) -> metadata_store_pb2.Artifact:
    folder = tmp_path / "artifacts" / "Trainer" / "model" / "7"
    (folder / "Format").mkdir(parents=True)
    (folder / "Format" / "weights").write_bytes(bytes(3 << 20))
    (folder / "run.json").write_text("{}")
    (folder / "empty").touch()
    made = metadata_store_pb2.Artifact(uri=str(folder))
    made.custom_properties[CONTENTS].string_value = contents(folder)
    return made


CHANGES: dict[str, Callable[[Path], object]] = {
    "cut off": lambda folder: os.truncate(folder / "Format" / "weights", 100),
    "as long as before": lambda folder: (folder / "run.json").write_text("[]"),
    "removed": lambda folder: (folder / "empty").unlink(),
    "renamed": lambda folder: (folder / "empty").rename(folder / "void"),
    "moved": lambda folder: (folder / "empty").rename(folder / "Format" / "empty"),
    "one more": lambda folder: (folder / "more").touch(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_every_change_of_what_is_there_is_found(artifact: metadata_store_pb2.Artifact, how: str) -> None:
    assert not is_damaged(artifact)
    CHANGES[how](Path(artifact.uri))
    assert is_damaged(artifact)


def test_a_plain_value_is_looked_at(tmp_path: Path) -> None:
    value = tmp_path / "value"
    value.write_text("3")
    made = metadata_store_pb2.Artifact(uri=str(value))
    made.custom_properties[CONTENTS].string_value = contents(value)
    assert not is_damaged(made)
    value.write_text("4")
    assert is_damaged(made)


def test_an_artifact_of_an_earlier_longhaul_is_taken_as_it_is(artifact: metadata_store_pb2.Artifact) -> None:
    del artifact.custom_properties[CONTENTS]
    CHANGES["cut off"](Path(artifact.uri))
    assert not is_damaged(artifact)


def test_who_looks_leaves_the_times_alone(artifact: metadata_store_pb2.Artifact) -> None:
    os.utime(Path(artifact.uri) / "run.json", (0, 0))  # as a copy or a backup would
    assert not is_damaged(artifact)
