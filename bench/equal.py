"""Do two sets of TFDV statistics describe the same rows? Used by the bench and by the tests."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tensorflow_metadata.proto.v0 import statistics_pb2

Statistics = statistics_pb2.DatasetFeatureStatisticsList

SKETCHES = ("histograms", "median")
"""Of numbers: quantiles, equal within the sketch's error only; tests/bench/test_equal_data.py holds them to it."""


def differences(one: Statistics, other: Statistics, *, skip: Collection[str] = (), csv: bool = False) -> list[str]:
    """What they disagree in: rows, columns, types, counts, missing, extremes, moments, top values, lengths.

    Args:
        skip: columns not to compare.
        csv: take an empty list for a missing value. Stock CsvExampleGen writes one for an empty field, and TFDV then
            counts nothing as missing; the values it counts are the same.
    """
    return list(_differences(_plain(one, skip, csv), _plain(other, skip, csv), ""))


def differences_between_runs(one: Path, other: Path, skip: Collection[str]) -> list[str]:
    """The same for what StatisticsGen wrote for each split below two artifact folders."""
    found = []
    for split in ("train", "eval"):
        files = [next(folder.glob(f"**/Split-{split}/FeatureStats.pb")) for folder in (one, other)]
        pair = [Statistics.FromString(file.read_bytes()) for file in files]
        found += [f"{split}{difference}" for difference in differences(*pair, skip=skip, csv=True)]
    return found


def _plain(statistics: Statistics, skip: Collection[str], csv: bool) -> dict[str, Any]:
    (dataset,) = statistics.datasets
    columns = {}
    for feature in dataset.features:
        plain = json_format.MessageToDict(feature)
        values = plain["stringStats" if "stringStats" in plain else "numStats"]
        if csv:
            values["commonStats"] = values["commonStats"]["totNumValues"]
        columns[feature.path.step[0]] = plain | {
            "numStats": {key: value for key, value in plain.get("numStats", {}).items() if key not in SKETCHES}
        }
    return {"rows": dataset.num_examples, "columns": {name: columns[name] for name in columns if name not in skip}}


def _differences(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _differences(one.get(key), other.get(key), f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list):
        for index, pair in enumerate(itertools.zip_longest(one, other)):
            yield from _differences(*pair, f"{place}/{index}")
    # Sums of floats depend on their order, in the last digits.
    elif one != other and not (isinstance(one, float) and isinstance(other, float) and math.isclose(one, other)):
        yield f"{place}: {one} and {other}"
