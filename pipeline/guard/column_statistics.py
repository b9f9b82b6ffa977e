"""One column of TFDV's statistics, seen the way the gate asks about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.data.statistics_files import EXACT_VALUES, Statistics
from pipeline.guard.findings import percent

_TYPES = statistics_pb2.FeatureNameStatistics


@dataclass(frozen=True)
class Column:
    """`proto` is a FeatureNameStatistics of a column without structure."""

    proto: Any

    @property
    def name(self) -> str:
        """The column's name."""
        return str(self.proto.path.step[0])

    @property
    def type(self) -> str:
        """INT, FLOAT or BYTES, as in a schema."""
        return "BYTES" if self.proto.type == _TYPES.STRING else str(_TYPES.Type.Name(self.proto.type))

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return bool(self.proto.HasField("string_stats"))

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return bool(self.proto.HasField("num_stats"))

    @property
    def _stats(self) -> Any:
        return getattr(self.proto, self.proto.WhichOneof("stats"))

    @property
    def present(self) -> int:
        """Rows with a value."""
        return int(self._stats.common_stats.num_non_missing)

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int(self._stats.common_stats.num_missing)

    @property
    def rows(self) -> int:
        """Rows, with a value or without."""
        return self.present + self.missing

    @property
    def missing_rate(self) -> float:
        """Share of the rows without a value."""
        return self.missing / self.rows if self.rows else 0.0

    @cached_property
    def values(self) -> dict[str, float]:
        """Rows of each value of a text column, the commonest first; TFDV lists a thousand."""
        if not self.is_text:
            return {}
        return {bucket.label: bucket.sample_count for bucket in self._stats.rank_histogram.buckets}

    @property
    def counts_values(self) -> bool:
        """Whether `values` are counted one by one, not estimated."""
        return self.is_text and self._stats.unique < EXACT_VALUES

    @property
    def lists_all_values(self) -> bool:
        """Whether `values` leaves none out."""
        return self.is_text and self._stats.unique <= len(self.values)

    @property
    def names_rows(self) -> bool:
        """Whether each row has another text."""
        return self.is_text and self.present > 1 and self._stats.unique >= self.present

    def share_of(self, value: str) -> float:
        """Return, of the rows with a value, the share of those with this one; 0 if it is not among `values`."""
        return self.values.get(value, 0.0) / self.present if self.present else 0.0

    def share_text(self, value: str) -> str:
        """Return `share_of` in words: exact only where TFDV counted, and lists the value."""
        if value not in self.values and not self.lists_all_values and self.values:
            return f"at most {percent(min(self.values.values()) / self.present)}"
        return ("" if self.counts_values else "about ") + percent(self.share_of(value))

    @property
    def low(self) -> float:
        """The least number."""
        return float(self._stats.min)

    @property
    def high(self) -> float:
        """The greatest number."""
        return float(self._stats.max)

    @property
    def median(self) -> float:
        """The median of the numbers."""
        return float(self._stats.median)

    @property
    def has_infinity(self) -> bool:
        """Whether one of the numbers is infinite."""
        return self.is_number and self.present > 0 and (math.isinf(self.low) or math.isinf(self.high))

    @property
    def is_constant(self) -> bool:
        """One and the same value in every row that has one."""
        if not self.present:
            return False
        if self.is_text:
            return bool(self._stats.unique == 1)
        return self.is_number and self.low == self.high

    def share_above(self, bound: float) -> float:
        """Return a share of the rows; a guess from TFDV's histogram, which a message calls "about"."""
        return self._share(bound, math.inf)

    def share_below(self, bound: float) -> float:
        """Return a share of the rows; a guess as well."""
        return self._share(-math.inf, bound)

    def _share(self, start: float, end: float) -> float:
        standard = statistics_pb2.Histogram.STANDARD
        count = 0.0
        for bucket in (b for found in self._stats.histograms if found.type == standard for b in found.buckets):
            low, high = bucket.low_value, bucket.high_value
            inside = min(high, end) - max(low, start)
            if low == high or math.isinf(low) or math.isinf(high):
                count += bucket.sample_count * (start < high <= end if start > -math.inf else start <= low < end)
            elif inside > 0:
                count += bucket.sample_count * inside / (high - low)
        return min(1.0, count / self.rows) if self.rows else 0.0


def columns(statistics: Statistics) -> dict[str, Column]:
    """Return the columns of a table by name, in its order."""
    return {
        feature.path.step[0]: Column(feature)
        for feature in (statistics.datasets[0].features if statistics.datasets else [])
        if feature.WhichOneof("stats") in ("num_stats", "string_stats")
    }


def row_count(statistics: Statistics) -> int:
    """Return rows of the table."""
    return int(statistics.datasets[0].num_examples) if statistics.datasets else 0
