"""A file that has only been touched, or copied back, is what was read; one with another content is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.lineage.last_data import Changes, LastData, changes_since
from pipeline.lineage.source_files import ReadFile, digest_of, from_property, to_property


def state(file: Path) -> tuple[str, int, int]:
    found = file.stat()
    return str(file), found.st_size, found.st_mtime_ns


def read(file: Path) -> ReadFile:
    """The file as a run has it on record."""
    one = state(file)
    (found,) = from_property(to_property([one], [digest_of(*one[:2])]))
    return found


def changes(record: ReadFile, file: Path) -> Changes:
    return changes_since(LastData("a", {record.path: record}, (1,)), [state(file)], lambda _: 1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "1.csv"
    path.write_text("a\n1\n")
    return path


def test_only_the_time_has_changed(file: Path) -> None:
    record = read(file)
    os.utime(file, ns=(0, 0))
    assert record.now == "as it was"
    assert not changes(record, file)


def test_another_content_of_the_same_size(file: Path) -> None:
    record = read(file)
    file.write_text("a\n2\n")
    os.utime(file, ns=(0, 0))
    assert record.now == "changed"
    assert changes(record, file).corrected == [1]


def test_a_record_without_a_digest_goes_by_the_time(file: Path) -> None:
    (record,) = from_property(to_property([state(file)]))
    assert not changes(record, file)
    os.utime(file, ns=(0, 0))
    assert record.now == "changed"
    assert changes(record, file).corrected == [1]


def test_what_cannot_be_read_or_has_more_beside_it_has_no_digest(file: Path) -> None:
    assert digest_of(str(file), 4)
    assert digest_of(str(file), 99) == ""  # what was written of late to a database stands in a file beside it
    assert digest_of(f"{file}#sheet", 4) == ""
    assert digest_of(str(file.parent), file.parent.stat().st_size) == ""
    assert digest_of("bigquery://a.b.c", 4) == ""
