"""An ExampleStatistics artifact: the statistics of each split and, if the table has spans, of each span."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TypeAlias

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.data.artifact_files import find, open_file

Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList

EXACT_VALUES = 65_536
"""Up to so many distinct values of a text column TFDV's sketches count exactly."""

DERIVED = "Derived"
"""The folder of an artifact whose own splits and spans tell of derived features; only where a table has such."""
_FILE = "FeatureStats.pb"
_SPLITS = ("train", "eval", "test")


def splits_in(artifact: str | Path) -> list[str]:
    """Return the splits, training first; none if the artifact is gone."""
    return sorted(_named(artifact, "Split-"), key=_SPLITS.index)


def spans_in(artifact: str | Path) -> list[int]:
    """List the spans in ascending order."""
    return sorted(int(number) for number in _named(artifact, "Span-"))


def read_split(artifact: str | Path, name: str) -> Statistics:
    """Return the statistics of a split.

    Raises:
        OSError: they cannot be read.
    """
    return _read(f"{artifact}/Split-{name}/{_FILE}")


def read_span(artifact: str | Path, number: int) -> Statistics:
    """Return the statistics of a span, all splits together.

    Raises:
        OSError: they cannot be read.
    """
    return _read(f"{artifact}/Span-{number}/{_FILE}")


def _named(artifact: str | Path, prefix: str) -> list[str]:
    return [PurePath(file).parent.name.removeprefix(prefix) for file in find(artifact, f"{prefix}*/{_FILE}")]


def _read(path: str) -> Statistics:
    with open_file(path) as file:
        return Statistics.FromString(file.read())
