"""What the data gate found: its findings as anomalies, and how far the columns moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.guard.findings import DataVerdict, Distances, Finding
from pipeline.reports.artifacts import Anomaly

WHOLE_TABLE = "all rows"


@dataclass(frozen=True)
class Cell:
    """A distance; `is_over`: beyond its threshold; `is_gone`: none, since the column has no value any more."""

    distance: float
    is_over: bool
    is_gone: bool = False


@dataclass(frozen=True)
class HeatMap:
    """The columns that moved most, first those that are gone, then the one with the greatest distance.

    Attributes:
        rows: (column, its cells by span; None where nothing was measured).
        scale: the distance that is darkest.
        left_out: columns that moved less than those shown.
    """

    spans: list[str]
    rows: list[tuple[str, list[Cell | None]]]
    scale: float
    left_out: int


def heat_map(*distances: Mapping[str, Distances], most: int) -> HeatMap:
    """Return columns by spans, or by 'serving', which comes last.

    Args:
        distances: a verdict's drift, skew or both.
        most: columns to show.
    """
    cells: dict[str, dict[str, Cell]] = {}
    for table in distances:
        for column, measured in table.items():
            row = {where: Cell(distance, distance > measured.threshold) for where, distance in measured.by.items()}
            cells.setdefault(column, {}).update(row)
    spans = sorted({where for row in cells.values() for where in row}, key=_in_time)
    peaks = {column: max(cell.distance for cell in row.values()) for column, row in cells.items() if row}
    for column in peaks:
        cells[column] |= _gone(cells[column], [span for span in spans if span.isdecimal()], max(peaks.values()))
    ranked = sorted(peaks, key=lambda name: (not any(cell.is_gone for cell in cells[name].values()), -peaks[name]))
    rows = [(column, [cells[column].get(span) for span in spans]) for column in ranked[:most]]
    return HeatMap(spans, rows, max(peaks.values(), default=0.0) or 1.0, len(ranked) - len(rows))


def _gone(row: Mapping[str, Cell], spans: Sequence[str], worst: float) -> dict[str, Cell]:
    """Return cells for the newest spans, in which nothing of a column could be measured that was there before."""
    measured = [place for place, span in enumerate(spans) if span in row]
    return {span: Cell(worst, True, True) for span in spans[measured[-1] + 1 :]} if measured else {}


def greatest_distances(*distances: Mapping[str, Distances]) -> dict[str, tuple[float, str]]:
    """Return {column: (distance, span)} where each column moved most."""
    found: dict[str, tuple[float, str]] = {}
    for table in distances:
        for column, measured in table.items():
            moved = [(distance, where) for where, distance in measured.by.items()]
            known = [found[column]] if column in found else []
            if known or moved:
                found[column] = max([*known, *moved], key=lambda pair: pair[0])
    return found


def gate_anomalies(verdict: DataVerdict) -> dict[str, list[Anomaly]]:
    """Return them by split."""
    found: dict[str, list[Anomaly]] = {}
    for finding in verdict.findings:
        split = finding.place or WHOLE_TABLE
        found.setdefault(split, []).append(_anomaly(finding, split))
    return found


def _anomaly(finding: Finding, split: str) -> Anomaly:
    detail = "; ".join(part for part in (finding.detail(), finding.remedy) if part)
    what = finding.title[:1].upper() + finding.title[1:]
    return Anomaly(split, finding.feature or "", what, detail, finding.severity.value, finding.places())


def _in_time(span: str) -> tuple[bool, int, str]:
    return (not span.isdecimal(), int(span) if span.isdecimal() else 0, span)
