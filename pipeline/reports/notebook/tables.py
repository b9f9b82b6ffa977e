"""What a notebook shows as tables: plain data to pandas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.contract.proposal import Proposal
from pipeline.data.decided_labels import DECISION, GIVEN, REASON, RELABEL, REVIEWER, SUGGESTED
from pipeline.guard.findings import DataVerdict, percent
from pipeline.lineage.runs import Run
from pipeline.lineage.schema_versions import SchemaVersion
from pipeline.reports.artifacts import Column, SplitStatistics
from pipeline.reports.formats import cell, distinct_text, interval, number, quantity, signed
from pipeline.reports.judgement import Judgement
from pipeline.reports.single_rows import place_text, row_kind

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 1_000
_CELL = "text-align: left; vertical-align: top; white-space: pre-line; max-width: 28em; overflow-wrap: break-word"


@dataclass(frozen=True)
class Table:
    """A data frame that shows all of its text: lines stay lines, words stand left and numbers right."""

    frame: pd.DataFrame

    def __repr__(self) -> str:
        return "none" if self.frame.empty else str(self.frame.to_string(index=False))

    def _repr_html_(self) -> str:
        import pandas as pd

        if self.frame.empty:
            return "<p>None.</p>"
        with pd.option_context("display.max_colwidth", None):
            html = self.frame.to_html(index=False, border=0, justify="left", max_rows=_MOST_ROWS)
        html = re.sub(r"<th>(?=[^<])", f'<th style="{_CELL}">', html)
        html = re.sub(r"<td>(?=[-+\u2212]?\d[\d,.]*%?</td>)", f'<td style="{_CELL}; text-align: right">', html)
        return html.replace("<td>", f'<td style="{_CELL}">').replace(r"\n", "\n")


def statistics_table(columns: Sequence[Column]) -> Table:
    """Return a row for each column and split."""
    return _table(
        ["column", "type", "split", "values", "missing", "distinct", "low", "median", "mean", "high"],
        (
            [column.name, column.type, name, f"{split.values:,}", percent(split.missing)]
            + [distinct_text(split.distinct) if split.distinct is not None else ""]
            + [_quantity(value, column.type) for value in _moments(split)]
            for column in columns
            for name, split in column.splits.items()
        ),
    )


def top_values_table(column: Column) -> Table:
    """Return the commonest values of a text column in its first split, with their shares in all of them."""
    first = next(iter(column.splits.values()))
    return _table(
        [column.name, *column.splits],
        (
            [value, *(percent(split.shares[place]) if split.shares else "" for split in column.splits.values())]
            for place, (value, _) in enumerate(first.top)
        ),
    )


def suspects_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each label worth a second look, as `longhaul suspects` tells them."""
    return _table(
        ["row", "place", "label", "rather", "score", "what the witnesses say", "values"],
        (
            [
                one["row"],
                place_text(one["file"], one["file_row"]),
                *(one["given"], one["suggested"], f"{one['score']:.3f}", one["why"]),
                "\n".join(f"{name}: {value}" for name, value in one["values"].items()),
            ]
            for one in rows
        ),
    )


def decided_table(lines: Sequence[Mapping[str, str]]) -> Table:
    """Return the lines of a file of decisions."""
    return _table(
        ["row", "label", "decision", "becomes", "reviewer", "reason"],
        (
            [
                *(next(iter(one.values())), one[GIVEN], one[DECISION]),
                *(one[SUGGESTED] if one[DECISION] == RELABEL else "", one[REVIEWER], one[REASON]),
            ]
            for one in lines
        ),
    )


def findings_table(verdict: DataVerdict) -> Table:
    """Return a row for each finding, what blocks first, with some offending rows."""
    return _table(
        ["severity", "what", "column", "where", "in detail", "rows", "remedy"],
        (
            [
                *(finding.severity.value, finding.title, finding.feature or "", finding.place or "all rows"),
                *(finding.detail(), "\n".join(finding.places()), finding.remedy),
            ]
            for finding in verdict.findings
        ),
    )


def proposals_table(proposals: Iterable[Proposal]) -> Table:
    """Return a row for each proposal, with its evidence."""
    return _table(
        ["column", "change", "evidence"],
        ([p.feature, p.change, "\n".join(evidence.sentence() for evidence in p.evidence)] for p in proposals),
    )


def versions_table(versions: Iterable[SchemaVersion]) -> Table:
    """Return a row for each version of the schema."""
    return _table(
        ["version", "time (UTC)", "review", "note", "based on run", "digest"],
        ([v.number, v.time[:16].replace("T", " "), v.review, v.note, v.run_id, v.digest[:12]] for v in versions),
    )


def metrics_table(judgement: Judgement) -> Table:
    """Return a row for each metric over all rows, against its threshold and the champion."""
    return _table(
        ["metric", "value", "interval", "champion", "threshold", "held"],
        (
            [
                *(metric.name, metric.undefined or number(metric.value), interval(metric.interval)),
                "" if metric.champion is None else number(metric.champion),
                *(metric.threshold, "" if metric.held is None else "yes" if metric.held else "no"),
            ]
            for metric in judgement.metrics
        ),
    )


def slices_table(judgement: Judgement) -> Table:
    """Return a row for each slice and a column for each metric."""
    names = [metric.name for metric in judgement.metrics]
    return _table(
        ["sliced by", "slice", "rows", *names],
        (
            [group.columns, found.label, f"{found.rows:,}" if found.rows is not None else ""]
            + [number(found.metrics[name]) if name in found.metrics else "" for name in names]
            for group in judgement.slice_groups
            for found in group.slices
        ),
    )


def examples_table(explanation: Mapping[str, Any], types: Mapping[str, str]) -> Table:
    """Return single rows taken apart: what each feature adds to the prediction (pipeline.evaluation.explanation).

    Args:
        types: of columns: times are written as such, and numbers without the noise of a float32.
    """
    examples = (explanation.get("examples") or {"rows": []})["rows"]
    return _table(
        ["row", "truth", "prediction", "typical row", "feature", "value", "adds"],
        (
            [
                *(f"{place}, {row_kind(row)}", _truth(row), number(row["prediction"]), number(row["typical"])),
                *(part["feature"], cell(part["value"], types.get(part["feature"], "")), signed(part["part"])),
            ]
            for place, row in enumerate(examples, start=1)
            for part in row["parts"][:5]
        ),
    )


def runs_table(runs: Iterable[Run]) -> Table:
    """Return a row for each run."""
    return _table(
        ["run", "status", "seconds", "schema", "reviewed", "why"],
        (
            [
                *(run.run_id, run.status, f"{run.seconds:,.0f}", run.properties.get("schema_version", "")),
                *(run.properties.get("schema_review", ""), run.reason.partition("\n")[0]),
            ]
            for run in runs
        ),
    )


def artifacts_table(run: Run) -> Table:
    """Return a row for each artifact that a run made or reused."""
    return _table(
        ["step", "artifact", "id", "where"],
        ([node, a.type, a.id, a.uri] for node, artifacts in run.artifacts.items() for a in artifacts),
    )


def _table(columns: list[str], rows: Iterable[Sequence[object]]) -> Table:
    import pandas as pd

    return Table(pd.DataFrame(list(rows), columns=columns))


def _moments(split: SplitStatistics) -> list[float | None]:
    return [split.low, split.median, split.mean, split.high]


def _truth(row: Mapping[str, Any]) -> str:
    """Return the label: of a regression, which has no class for output, as a number like its prediction."""
    return str(row["truth"]) if row["output"] is not None else quantity(float(row["truth"]))


def _quantity(value: float | None, kind: str) -> str:
    return "" if value is None else quantity(value, kind)
