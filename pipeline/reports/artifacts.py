"""What a run left on disk, as plain data. No TensorFlow; nothing here raises when something is missing or damaged."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from pipeline.data.statistics_files import DERIVED
from pipeline.guard.findings import DataVerdict
from pipeline.guard.words import title_of
from pipeline.lineage.artifact_names import VERDICT_FILE
from pipeline.lineage.runs import Run

T = TypeVar("T")

_TOP_VALUES = 10


@dataclass(frozen=True)
class SplitStatistics:
    """One column in one split.

    Attributes:
        values: rows with a value.
        missing: share of the rows without a value.
        distinct: different values of a text column; TFDV does not count those of numbers.
        top: the ten commonest values of a text column and the share of each.
        shares: the shares here of the column's ten commonest values in its first split.
        zeros: share of the values that are zero.
        mean, std, low, median, high: of a numeric column, as zeros are; None if it has no values.
        bars: (low, high, share) for each bar of a numeric column's histogram. Shares are of the values that are there.
    """

    values: int
    missing: float
    distinct: int | None = None
    top: list[tuple[str, float]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    zeros: float | None = None
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    median: float | None = None
    high: float | None = None
    bars: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """One column of the table; `splits` lacks those in which it does not occur."""

    name: str
    type: str
    is_number: bool
    splits: dict[str, SplitStatistics]


@dataclass(frozen=True)
class Anomaly:
    """What ExampleValidator or the data gate objects to.

    Attributes:
        column: empty if the anomaly is of the whole split.
        severity: block or warn, by the gate's policy; empty without a gate.
        rows: some offending rows of the source.
    """

    split: str
    column: str
    what: str
    detail: str
    severity: str = ""
    rows: list[str] = field(default_factory=list)


class Artifacts:
    """Reads a run's artifacts; what is on record but cannot be read is told in `problems`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._by_type: dict[str, Path] = {}
        self._places = {one.folder: Path(one.place) for some in run.artifacts.values() for one in some}
        for artifacts in run.artifacts.values():
            for artifact in artifacts:
                self._by_type.setdefault(artifact.type, artifact.folder)
        self.problems: list[str] = []

    def json(self, artifact_type: str, file: str) -> dict[str, Any] | None:
        """Return a JSON file of the artifact of that type, or None."""
        if artifact_type not in self._by_type:
            return None
        return self._read(self._by_type[artifact_type] / file, partial(_json, form=dict))

    def optional_json(self, artifact_type: str, file: str, form: type = dict) -> Any:
        """Return what a JSON file holds that only some runs have; None without it."""
        path = self._by_type.get(artifact_type)
        return self._read(path / file, partial(_json, form=form)) if path and (path / file).exists() else None

    def gate(self) -> DataVerdict | None:
        """Return what the data gate said; None if it did not judge this run."""
        for artifact in self._run.artifacts.get("DataGate", []):
            return self._read(artifact.folder / VERDICT_FILE, lambda data: DataVerdict.from_json(json.loads(data)))
        return None

    def schema(self) -> dict[str, str]:
        """Return version, review and digest of the schema that guarded the run; empty where that is not known."""
        found = {key: self._run.properties.get(f"schema_{key}", "") for key in ("version", "review", "digest")}
        if not found["digest"]:
            for artifact in self._run.artifacts.get("CuratedSchema", []):
                digest = self._read(artifact.folder / "schema.pbtxt", lambda data: hashlib.sha256(data).hexdigest())
                found["digest"] = digest or ""
        return found

    def columns(self, types: dict[str, str]) -> list[Column] | None:
        """Return statistics of every column, in the table's order, then of derived features; None without an artifact.

        Args:
            types: column types as ingestion read them; the statistics' own are coarser.
        """
        splits = self._splits("ExampleStatistics", "FeatureStats.pb", _statistics)
        if splits is None:
            return None
        found: dict[str, dict[str, Any]] = {}
        of_derived = self._splits("ExampleStatistics", "FeatureStats.pb", _statistics, DERIVED) or {}
        for split, features in [*splits.items(), *of_derived.items()]:
            for feature in features:
                found.setdefault(".".join(feature.path.step) or feature.name, {})[split] = feature
        return [_column(name, types.get(name, ""), features) for name, features in found.items()]

    def anomalies(self) -> dict[str, list[Anomaly]] | None:
        """Return them by split; None without an artifact."""
        found = self._splits("ExampleAnomalies", "SchemaDiff.pb", anomalies_pb2.Anomalies.FromString)
        return None if found is None else {split: _anomalies(split, proto) for split, proto in found.items()}

    def _splits(
        self, artifact_type: str, file: str, parse: Callable[[bytes], T], optional: str = ""
    ) -> dict[str, T] | None:
        """Return the parsed file of every split, `train` first; of a folder inside that only some runs have."""
        folder = self._by_type.get(artifact_type)
        if folder is None or (optional and not (folder / optional).exists()):
            return None
        folder /= optional
        names = sorted(
            (path.name.removeprefix("Split-") for path in folder.glob("Split-*")),
            key=lambda name: (["train", "eval", "test", name].index(name), name),
        )
        if not names:
            self.problems.append(f"{self._place(folder)} is on record, but its files are gone")
        parsed = {name: self._read(folder / f"Split-{name}" / file, parse) for name in names}
        return {name: value for name, value in parsed.items() if value is not None} or None

    def _read(self, path: Path, parse: Callable[[bytes], T]) -> T | None:
        try:
            return parse(path.read_bytes())
        except FileNotFoundError:
            self.problems.append(f"{self._place(path)} is on record, but the file is gone")
        except OSError as exc:
            self.problems.append(f"{self._place(path)} cannot be read: {exc.strerror}")
        except (ValueError, DecodeError) as exc:
            self.problems.append(f"{self._place(path)} cannot be read: {exc}")
        except (KeyError, TypeError, AttributeError) as exc:  # a document of another form
            self.problems.append(f"{self._place(path)} cannot be read: {type(exc).__name__} {exc}")
        return None

    def _place(self, path: Path) -> Path:
        """Return a path as people are told it: relative to the workspace."""
        for folder in (path, *path.parents):
            if folder in self._places:
                return self._places[folder] / path.relative_to(folder)
        return path


def _json(data: bytes, form: type) -> Any:
    """Read a document.

    Raises:
        TypeError: it is of another form.
    """
    found = json.loads(data)
    if not isinstance(found, form):
        raise TypeError(f"{type(found).__name__} in place of {form.__name__}")
    return found


def _statistics(data: bytes) -> list[Any]:
    """Return the features of the first data set (the others are slices)."""
    datasets = statistics_pb2.DatasetFeatureStatisticsList.FromString(data).datasets
    return list(datasets[0].features) if datasets else []


def _column(name: str, read_as: str, features: dict[str, Any]) -> Column:
    """Return `features`: what TFDV says of the column, by split."""
    first = next(iter(features.values()))
    values = [bucket.label for bucket in first.string_stats.rank_histogram.buckets[:_TOP_VALUES]]
    return Column(
        name,
        read_as or statistics_pb2.FeatureNameStatistics.Type.Name(first.type).lower(),
        any(feature.HasField("num_stats") for feature in features.values()),
        {split: _split_statistics(feature, values) for split, feature in features.items()},
    )


def _split_statistics(feature: Any, compared: list[str]) -> SplitStatistics:
    kind = feature.WhichOneof("stats")
    if kind is None:
        return SplitStatistics(0, 0.0)
    stats = getattr(feature, kind)
    values, missing = stats.common_stats.num_non_missing, stats.common_stats.num_missing
    rows = values + missing
    known: dict[str, Any] = {}
    if values and kind == "num_stats":
        known = {
            "zeros": stats.num_zeros / values,
            "low": stats.min,
            "mean": stats.mean,
            "std": stats.std_dev,
            "median": stats.median,
            "high": stats.max,
            "bars": _bars(feature),
        }
    elif kind == "string_stats":
        # TFDV ranks the first thousand values.
        ranked = {bucket.label: bucket.sample_count / values for bucket in stats.rank_histogram.buckets}
        known = {
            "distinct": stats.unique,
            "top": list(ranked.items())[:_TOP_VALUES],
            "shares": [ranked.get(value, 0.0) for value in compared],
        }
    return SplitStatistics(values, missing / rows if rows else 0.0, **known)


def _bars(feature: Any) -> list[tuple[float, float, float]]:
    """Return the histogram of equal widths. Bars of whole numbers reach half a unit beyond the numbers that they
    hold."""
    standard = statistics_pb2.Histogram.HistogramType.STANDARD
    buckets = next((list(found.buckets) for found in feature.num_stats.histograms if found.type == standard), [])
    total = sum(bucket.sample_count for bucket in buckets)
    bars = []
    for bucket in buckets:
        low, high = bucket.low_value, bucket.high_value
        if not (total and math.isfinite(low) and math.isfinite(high)):
            continue
        if feature.type == statistics_pb2.FeatureNameStatistics.INT:
            # TFDV counts a bound with the bar below it.
            least, greatest = math.ceil(low) if bucket is buckets[0] else math.floor(low) + 1, math.floor(high)
            if least > greatest:  # narrower than one, and between two numbers
                continue
            low, high = least - 0.5, greatest + 0.5
        bars.append((low, high, bucket.sample_count / total))
    return bars


def _anomalies(split: str, proto: Any) -> list[Anomaly]:
    found = [
        Anomaly(split, ".".join(info.path.step) or name, _what(info), info.description)
        for name, info in sorted(proto.anomaly_info.items())
    ]
    if proto.HasField("dataset_anomaly_info"):
        info = proto.dataset_anomaly_info
        found.insert(0, Anomaly(split, "", _what(info), info.description))
    if proto.data_missing:
        found.insert(0, Anomaly(split, "", "No data", "The split holds no rows."))
    return found


def _what(info: Any) -> str:
    """Return our words for each of an anomaly's reasons."""
    kinds = [anomalies_pb2.AnomalyInfo.Type.Name(reason.type).lower() for reason in info.reason] or ["unknown_type"]
    titles = ", ".join(dict.fromkeys(map(title_of, kinds)))
    return titles[:1].upper() + titles[1:]


def recorded(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration that a run was made with; {} where it is not on record."""
    try:
        found = json.loads(properties.get("config") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
